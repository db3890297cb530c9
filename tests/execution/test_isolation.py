"""Components that crash, hang or raise, in real workers: each costs what it spoils and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from running import Ended, command, values

from genbench.runs.store import Folder

pytestmark = pytest.mark.slow

KILLED_BY_9 = "the worker was killed by signal 9 (SIGKILL)"
KILLED_BY_11 = "the worker was killed by signal 11 (SIGSEGV)"

SUITE = """\
dataset = { name = "digits", train_size = 100 }
model = { name = "mlp", width = 8, depth = 1 }
protocol = { name = "interpolate", batch_size = 32, max_epochs = 1 }
"""

MEASURES = '''\
"""Every way for a measure to be bad."""

import ctypes
import os
import sys

import genbench


def bad(function):
    return genbench.measure(family="bad", direction="+")(function)


@genbench.probe
def deadly(model):
    os.kill(os.getpid(), 9)


@genbench.probe
def broken(model):
    raise RuntimeError("the probe is broken")


@bad
def kills_itself(model):
    os.kill(os.getpid(), 11)


@bad
def needs_deadly(deadly):
    return 1.0


@bad
def needs_deadly_too(deadly, deadly_too=genbench.need("deadly")):
    return 1.0


@bad
def needs_broken(broken):
    return 1.0


@bad
def hangs(model):
    ctypes.PyDLL(None).sleep(100_000)  # native code that keeps the interpreter's lock


@bad
def raises(model):
    raise ValueError("no luck\\ntoday")


@bad
def exits(model):
    sys.exit(3)


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@bad
def raises_what_cannot_be_said(model):
    raise Unspeakable


@bad
def raises_half_a_sign(model):
    raise ValueError("\\udc80 \\x1b[31mred\\u202e")


@bad
def forks(model):
    os.fork()
    return 3.0


@bad
def writes_everywhere(model):
    for each in range(1, 64):
        try:
            os.write(each, b'{"event": "value"}\\n')
        except OSError:
            pass
    return 4.0


@bad
def shouts(model):
    for _ in range(100):
        sys.stderr.write("x" * 1_000_000)
    return 5.0


@bad
def is_nan(model):
    return float("nan")


@bad
def is_text(model):
    return "many"


@bad
def is_infinite(model):
    return -float("inf")


@bad
def has_none(model):
    raise genbench.NotApplicable("not for this network")


@bad
def prints(model):
    print('{"event": "done"}')
    return 2.0
'''


@pytest.fixture(scope="module")
def bad_run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """One fit, measured by measures of which most are bad and two are good."""
    scratch = tmp_path_factory.mktemp("bad")
    (scratch / "one.toml").write_text(SUITE)
    (scratch / "bad_measures.py").write_text(MEASURES)
    ended = command(
        "run", "--suite", scratch / "one.toml", "--out", scratch / "run", "--workers", 1,
        "--set", "limits.component_seconds=5",
        "--plugin", scratch / "bad_measures.py", "--measures", "family:bad,param_norm,train_loss",
    )  # fmt: skip
    assert ended.code in (0, 1), ended.err
    return scratch / "run", ended


@pytest.fixture(scope="module")
def bad_values(bad_run: tuple[Path, Ended]) -> dict[str, Mapping[str, Any]]:
    return {each["measure"].removeprefix("bad_measures:"): each for each in values(bad_run[0])}


@pytest.mark.parametrize(
    ("measure", "status", "reason"),
    [
        ("kills_itself", "crashed", f"measure bad_measures:kills_itself: {KILLED_BY_11}"),
        ("needs_deadly", "crashed", f"probe bad_measures:deadly: {KILLED_BY_9}"),
        ("needs_deadly_too", "crashed", f"probe bad_measures:deadly: {KILLED_BY_9}"),
        ("hangs", "timeout", "measure bad_measures:hangs: passed the time limit of 5 s"),
        ("raises", "error", "measure bad_measures:raises raised ValueError: no luck"),
        ("exits", "error", "measure bad_measures:exits raised SystemExit: 3"),
        ("needs_broken", "error", "probe bad_measures:broken raised RuntimeError: the probe is broken"),
        (
            "raises_what_cannot_be_said", "error",
            "measure bad_measures:raises_what_cannot_be_said raised Unspeakable: "
            "no message (RuntimeError when it was asked for)",
        ),
        (
            "raises_half_a_sign", "error",
            "measure bad_measures:raises_half_a_sign raised ValueError: \ufffd \ufffd[31mred\ufffd",
        ),
        (
            "writes_everywhere", "crashed", "measure bad_measures:writes_everywhere: the worker was killed: "
            "it spoke of another job than the one that it was given",
        ),
        ("is_text", "error", "bad_measures:is_text returned a str, expected one real number"),
        ("is_nan", "nan", "returned NaN"),
        ("has_none", "not_applicable", "not for this network"),
    ],
)  # fmt: skip
def test_a_bad_measure_costs_its_value_and_the_reason_names_the_component_at_fault(
    bad_values, measure, status, reason
):
    assert bad_values[measure]["value"] is None
    assert (bad_values[measure]["status"], bad_values[measure]["reason"]) == (status, reason)


def test_measures_beside_bad_ones_are_computed(bad_values):
    assert {name: bad_values[name]["status"] for name in ("param_norm", "train_loss", "prints")} == {
        "param_norm": "ok", "train_loss": "ok", "prints": "ok",
    }  # fmt: skip
    assert bad_values["prints"]["value"] == 2.0
    assert bad_values["shouts"]["value"] == 5.0


def test_a_copy_of_a_worker_does_not_go_on_as_one(bad_values):
    assert (bad_values["forks"]["status"], bad_values["forks"]["value"]) == ("ok", 3.0)


def test_an_infinity_is_a_value(bad_values, bad_run):
    value = bad_values["is_infinite"]
    assert (value["status"], value["value"], value["infinite"]) == ("ok", None, -1)


def test_a_traceback_is_kept_beside_the_reason_of_an_error(bad_values):
    assert 'ValueError("no luck' in bad_values["raises"]["detail"]


def test_a_fault_ends_the_run_with_exit_code_1_and_one_line_for_each_measure(bad_run):
    _, ended = bad_run
    assert ended.code == 1
    assert "1 trial: 1 trained now, 1 measured now" in ended.err
    assert (
        "bad_measures:kills_itself: no value on 1 fit "
        "(1 of them: measure bad_measures:kills_itself: the worker was killed by signal 11 (SIGSEGV))"
    ) in ended.err.splitlines()
    assert "Traceback" not in ended.err
    assert not any(
        line.startswith(("bad_measures:is_nan", "bad_measures:has_none")) for line in ended.err.splitlines()
    )


def test_status_and_explain_tell_the_faults(bad_run):
    folder, _ = bad_run
    faults = {each["measure"]: each["status"] for each in command("status", folder, "--json").json["faults"]}
    assert faults["bad_measures:hangs"] == "timeout"
    assert faults["bad_measures:needs_deadly"] == "crashed"
    assert "bad_measures:is_nan" not in faults
    (key,) = Folder(folder).fit_keys()
    explained = command("explain", folder, key[:8])
    assert explained.code == 0
    assert "measure bad_measures:hangs: passed" in explained.out
