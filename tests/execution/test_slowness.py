"""Components that take long are told of while they run, and no longer."""

from types import SimpleNamespace

import pytest
from running import TINY, command

from genbench.execution import slowness
from genbench.execution.slowness import Slowness

SLOW = """
import time
import genbench

@genbench.measure(family="output", direction="+", source="a test")
def dawdling(model):
    \"\"\"A number that takes its time.\"\"\"
    time.sleep(1.5)
    return 1.0
"""


@pytest.fixture
def told():
    return []


def note(component):
    return {"event": "note", "component": component, "kind": "measure"}


def test_only_what_runs_for_long_is_told(told, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(slowness.time, "monotonic", lambda: clock[0])
    heard = Slowness(lambda *what: told.append(what))
    one, other = SimpleNamespace(id="a", key="aa"), SimpleNamespace(id="b", key="bb")
    heard.heard(one, note("slow"))
    heard.heard(other, note("quick"))
    heard.heard(other, {"event": "value", "value": {}})
    heard.look(109.0)
    assert told == []
    heard.look(112.0)
    assert told == [("aa", "slow", 12.0)]
    clock[0] = 113.0
    heard.heard(one, note("next"))
    heard.look(114.0)
    heard.heard(one, {"event": "over"})
    heard.look(200.0)
    assert len(told) == 1


@pytest.mark.slow
def test_a_run_names_a_measure_that_dawdles(tmp_path, monkeypatch):
    monkeypatch.setattr(slowness, "SECONDS", 0.5)
    monkeypatch.setattr(slowness, "SECONDS_BETWEEN_LOOKS", 0.1)
    (tmp_path / "slow.py").write_text(SLOW)
    one = TINY.replace("[0.03, 0.1]", "0.03").replace("seeds = 2", "seeds = 1")
    (tmp_path / "tiny.toml").write_text(one)
    ended = command(
        "run", "--suite", tmp_path / "tiny.toml", "--out", tmp_path / "run", "--plugin", tmp_path / "slow.py",
        "--measures", "slow:dawdling", "--workers", 1,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (line,) = [each for each in ended.err.splitlines() if "goes on" in each]
    assert line.startswith("slow:dawdling has taken ")
