"""Records of version 0.1.0, as that version wrote them: they open, go on and rank as they did there.

`made_by_0_1_0` has the folder of a finished run of `old.toml`, and what `export` and ``rank --no-cost --json``
of that version made of it. Change none of it. Where the trainer, the data set, the model or the protocol of that
suite gets a new version on purpose, the run is to be trained anew, and the test that it goes on ends; what the
records say stays as it is. A measure with a new version needs nothing here: it is measured anew.
"""

import json
import math
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import command, fit_files

from genbench.host import Host
from genbench.host.identity import identity_of
from genbench.host.selection import select

MADE = Path(__file__).parent / "made_by_0_1_0"


@pytest.fixture
def run(tmp_path) -> Path:
    """A copy of the folder."""
    return shutil.copytree(MADE / "run", tmp_path / "run")


def values_files(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (run / "fits").glob("*/values/*.json")}


@pytest.mark.parametrize("form", ["csv", "json"])
def test_export_writes_the_same_bytes(run, tmp_path, form):
    ended = command("export", run, tmp_path / f"new.{form}")
    assert ended.code == 0, ended.err
    assert (tmp_path / f"new.{form}").read_bytes() == (MADE / f"export.{form}").read_bytes()


def test_the_ranking_is_the_same(run):
    ended = command("rank", run, "--no-cost", "--json")
    assert ended.code == 0, ended.err
    now, before = dict(leaves(ended.json)), dict(leaves(json.loads((MADE / "rank.json").read_text())))
    assert before.keys() <= now.keys()
    assert [path for path, each in before.items() if not same(each, now[path])] == []


def same(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of numbers: processors add up in different orders."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)


def leaves(found: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All that stands in a ranking, by its place.

    `partial_tau` is left out: in so small a table the last digits decide which residuals tie. So are
    intervals and what follows from them, which were over configurations alone then.
    """
    if not isinstance(found, dict | list):
        yield path, found
        return
    for key, each in found.items() if isinstance(found, dict) else enumerate(found):
        if not re.search(r"partial_tau|_low$|_high$|^pairs$|^notes$", str(key)):
            yield from leaves(each, f"{path}/{key}")


def test_status_finds_it_whole(run):
    ended = command("status", run)
    assert ended.code == 0, ended.err
    assert "8 fits" in ended.out
    assert "damaged" not in ended.out + ended.err


def test_the_same_command_goes_on_where_it_ended(run, inline):
    fits, values = fit_files(run), values_files(run)
    ended = command("run", "--suite", MADE / "old.toml", "--out", run, "--workers", 1)
    assert ended.code == 0, ended.err
    assert "8 trials: 0 trained now" in ended.err
    assert fit_files(run) == fits
    now = values_files(run)
    assert {path: now[path] for path in values} == values
    anew = [json.loads(text)["values"] for path, text in now.items() if path not in values]
    assert {each["measure"] for found in anew for each in found} == raised()


def raised() -> set[str]:
    """The measures that got a new version since, or a probe below them; it was 1 for all of them."""
    battery = select(tomllib.loads((MADE / "old.toml").read_text())["measures"], Host.load())
    identities = {each.spelling: identity_of(battery, each) for each in battery.requests}
    return {
        spelling
        for spelling, each in identities.items()
        if max(part["version"] for part in (each["measure"], *each["probes"])) > 1
    }
