"""The worker process: what it says and to whom, and that it does not outlive its input."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from genbench.base.values import Status, Value
from genbench.execution.worker import Worker, plain_value


def test_it_is_ready_answers_a_job_and_ends_with_its_input():
    job = {
        "kind": "train",
        "id": "train key",
        "key": "key",
        "token": "secret",
        "trial": {"threads": 1},
        "plugins": [],
        "folder": "/nowhere/at/all",
        "device": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-m", "genbench.execution.worker"],
        input="", capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] in ([{"event": "ready"}], [])
    events: list[dict] = []
    Worker(events.append).do(job)  # type: ignore[arg-type]
    assert [each["event"] for each in events] == ["failed"]
    assert "Traceback" in events[0]["detail"]
    assert {name: events[0][name] for name in ("job", "fit", "token", "number")} == {
        "job": "train key", "fit": "key", "token": "secret", "number": 0,
    }  # fmt: skip


def test_plugins_are_loaded_once_for_each_list_of_them(monkeypatch):
    from genbench.execution import worker

    loads: list[list] = []
    monkeypatch.setattr(
        worker, "Host", SimpleNamespace(of=lambda sources: loads.append(list(sources)) or object())
    )
    subject = Worker(lambda event: None)
    plugin = {"name": "x", "module": "x"}
    assert subject._host([plugin]) is subject._host([dict(plugin)])
    subject._host([])
    assert len(loads) == 2


@pytest.mark.parametrize(("number", "sign"), [(float("inf"), 1), (float("-inf"), -1)])
def test_an_infinity_travels_as_null_with_its_sign(number, sign):
    plain = plain_value(Value("m", number, Status.OK))
    assert (plain["value"], plain["infinite"], plain["status"]) == (None, sign, "ok")
    json.dumps(plain, allow_nan=False)


def test_a_value_travels_with_its_costs_and_its_reason():
    plain = plain_value(Value("m", None, Status.ERROR, "raised", 2.0, 1.0, 10, "Traceback"))
    assert plain == {
        "measure": "m", "value": None, "status": "error", "reason": "raised", "seconds": 2.0,
        "own_seconds": 1.0, "peak_memory": 10, "detail": "Traceback",
    }  # fmt: skip
    assert "detail" not in plain_value(Value("m", 1.0, Status.OK))
