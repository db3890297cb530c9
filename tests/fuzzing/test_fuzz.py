"""Inputs that strangers could send: each ends soon, in little memory, with a line and without a traceback.

A few fixed ones are tried with every run of the tests, many with the slow ones;
``GENBENCH_FUZZ_EXAMPLES=2000`` draws so many of each kind anew.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fuzzing.odd import changed, spoiled, values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import TINY, Ended, command

from genbench.base.errors import InvalidInput
from genbench.base.toml import as_toml, parse_toml
from genbench.host.settings import parse_variant
from genbench.runs.records import seal

SECONDS = 10.0
MEGABYTES = 500
UNEXPECTED = "(--debug shows where)"
LONG = os.environ.get("GENBENCH_FUZZ_EXAMPLES")

few = settings(
    max_examples=2, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
many = settings(few, max_examples=int(LONG or 25), derandomize=LONG is None)

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Place:
    """Where inputs are written, and what they are made of."""

    scratch: Path
    run: Path
    entry: Path
    leaderboard: Path


@pytest.fixture
def place(tmp_path: Path, finished: Path, packed: Path, built: Path) -> Place:
    return Place(tmp_path, finished, packed, built)


@contextmanager
def bounded() -> Iterator[None]:
    """Processor time and memory that one input may take."""
    before, most = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - before < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) / 1024 < MEGABYTES


def harmless(*words: object) -> Ended:
    """A command that ends as every command must, whatever it was given."""
    with bounded():
        ended = command(*words)
    assert UNEXPECTED not in ended.err, ended.err
    assert "Traceback" not in ended.err
    assert ended.code in (0, 1, 2, 3)
    assert ended.code == 0 or ended.err.strip()
    return ended


def variants(place: Place, draw: Draw) -> None:
    text = draw(spoiled("conv[width=16,mode='a,b',sizes=[1,2,[3]]]", "[]=,'\"\\ a1{}") | st.text(max_size=40))
    with bounded(), suppress(InvalidInput):
        parse_variant(text)
    harmless("show", "--", text)


def suites(place: Place, draw: Draw) -> None:
    @functools.cache
    def written(content: str) -> str:
        try:
            return as_toml(json.loads(content))
        except (ValueError, TypeError):  # TOML has no null
            return content

    drawn = draw(changed(parse_toml(TINY)).map(json.dumps).map(written) | spoiled(TINY, '[]{}"=.,\n 1a#'))
    path = place.scratch / "suite.toml"
    path.write_text(drawn, errors="replace")
    harmless("plan", "--suite", path)


def tables(place: Place, draw: Draw) -> None:
    rows = [["model", "seed", "lr", "gap", "a_norm", "b_norm"]]
    rows += [["mlp", s, r, s * r + 1 / (1 + s), r, s] for s in range(3) for r in (0.1, 0.2)]
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    path = place.scratch / "table.csv"
    if draw(st.booleans()):
        stream = io.StringIO()
        with stream:
            changed_rows = draw(changed(rows))
            csv.writer(stream).writerows(each if isinstance(each, list) else [each] for each in changed_rows)
            text = stream.getvalue()
    else:
        text = draw(spoiled(stream.getvalue(), ',"\n;\t 1.eE-naif\0'))
    path.write_text(text, errors="replace")
    harmless("rank", path, "--bootstrap", 0, "--direction", "+")


def records(place: Place, draw: Draw) -> None:
    run = place.scratch / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(place.run, run)
    files = sorted(run.glob("fits/*/fit.json")) + sorted(run.glob("fits/*/values/*.json"))
    files += sorted(run.glob("environments/*.json"))
    path = draw(st.sampled_from(files))
    content = draw(changed(json.loads(path.read_bytes())))
    if isinstance(content, dict) and draw(st.integers(0, 3)):
        content["sha256"] = seal(content)  # by somebody who knows how
    path.write_text(json.dumps(content))
    for words in draw(
        st.sampled_from(
            [
                [["status", run], ["export", run, place.scratch / "out.json"]],
                [["rank", run, "--bootstrap", 0]],
                [["explain", run, path.parent.name], ["measure", run, "--dry-run"]],
            ]
        )
    ):
        harmless(*words)


def submissions(place: Place, draw: Draw) -> None:
    entry = place.scratch / "entry"
    shutil.rmtree(entry, ignore_errors=True)
    shutil.copytree(place.entry, entry)
    path = entry / draw(
        st.sampled_from(["entry.json", "environments.jsonl", "fits.jsonl", "measures.jsonl", "values.jsonl"])
    )
    lines = [json.loads(each) for each in path.read_text().splitlines()] if path.suffix == ".jsonl" else None
    if lines is None:
        text = json.dumps(draw(changed(json.loads(path.read_text()))))
    elif draw(st.booleans()):
        text = "".join(json.dumps(each) + "\n" for each in draw(changed(lines)))
    else:
        text = draw(spoiled(path.read_text(), '[]{}":,\n 1e'))
    path.write_text(text, errors="replace")
    harmless("leaderboard", "validate", entry)


def differences(place: Place, draw: Draw) -> None:
    path = place.scratch / "leaderboard.json"
    path.write_text(json.dumps(draw(changed(json.loads(place.leaderboard.read_bytes())) | values)))
    harmless(
        "leaderboard",
        "diff",
        place.leaderboard,
        path,
        *draw(st.sampled_from([[], ["--markdown"], ["--json"]])),
    )
    harmless("leaderboard", "diff", path, place.leaderboard)


KINDS = {each.__name__: each for each in (variants, suites, tables, records, submissions, differences)}


@pytest.mark.parametrize("kind", KINDS)
@few
@given(data=st.data())
def test_a_few_odd_inputs_do_no_harm(place, kind, data):
    KINDS[kind](place, data.draw)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@many
@given(data=st.data())
def test_many_odd_inputs_do_no_harm(place, kind, data):
    KINDS[kind](place, data.draw)
