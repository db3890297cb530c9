"""Many trainings in one process: what becomes of them when it dies, hangs or fails, with a scripted process."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from genbench.contract.jobs import Job, JobOutcome
from genbench.execution import crew as module
from genbench.execution.channel import stamped
from genbench.execution.crew import Crew
from genbench.execution.supervision import WorkerDied, WorkerStalled


def job(key: str) -> Job:
    limits = {"training_seconds": 100.0}
    return Job(kind="train", key=key, trial={"threads": 1}, folder="", plugins=[], limits=limits)


class Process:
    """Stands in for the process: begins jobs when they come, and goes on as a script says."""

    how_it_ended = "the worker was killed by signal 9 (SIGKILL)"
    last_words = ("its last words",)

    def __init__(self, script: Callable[[Process, str], Any]):
        self._script = script
        self._events: list[Any] = [{"event": "ready"}]
        self.jobs: list[str] = []
        self._given: dict[str, dict[str, Any]] = {}
        self._said: collections.Counter[str] = collections.Counter()
        self.alive = True

    def send(self, given: dict[str, Any]) -> None:
        key = given["key"]
        self.jobs.append(key)
        self._given[key], self._said[key] = given, 0
        self.say("begun", key)
        self._script(self, key)

    def say(self, event: str, key: str, **more: Any) -> None:
        self._events.append({"event": event, **stamped(self._given[key], self._said[key]), **more})
        self._said[key] += 1

    def die(self) -> None:
        self._events.append(WorkerDied)

    def receive(self, seconds: float) -> dict[str, Any]:
        if not self._events:
            time.sleep(0.001)
            raise WorkerStalled
        event = self._events.pop(0)
        if event is WorkerDied:
            raise WorkerDied
        return event

    def kill(self) -> None:
        self.alive = False


@pytest.fixture
def run():
    """Run jobs through a crew whose processes follow a script; returns outcomes and what each was given."""
    crews: list[Crew] = []

    def run(script: Callable[[Process, str], Any], keys: str) -> tuple[dict[str, JobOutcome], list[str]]:
        outcomes: dict[str, JobOutcome] = {}
        processes: list[Process] = []
        all_there = threading.Event()

        def ended(outcome: JobOutcome) -> None:
            assert outcome.job.key not in outcomes, "one outcome each"
            outcomes[outcome.job.key] = outcome
            if len(outcomes) == len(keys):
                all_there.set()

        def spawn(threads: int, command: Any) -> Process:
            processes.append(Process(script))
            return processes[-1]

        crew = Crew("cpu", None, ended, lambda job, event: None, spawn)  # type: ignore[arg-type]
        crews.append(crew)
        for key in keys:
            crew.submit(job(key))
        threading.Thread(target=crew.serve, daemon=True).start()
        assert all_there.wait(60)
        assert crew.jobs == 0
        return outcomes, ["".join(each.jobs) for each in processes]

    yield run
    for each in crews:
        each.close()


def statuses(outcomes: dict[str, JobOutcome]) -> dict[str, str]:
    return {key: outcomes[key].status for key in sorted(outcomes)}


def test_all_jobs_are_handed_over_at_once_and_end_as_they_say(run):
    def script(process: Process, key: str) -> None:
        if key == "d":  # the last one comes: they end in another order
            process.say("done", "d", environment="here")
            process.say("failed", "b", reason="ValueError: no luck", detail="where")
            process.say("failed", "c", reason="the disk is full", detail="", disk_full=True)
            process.say("done", "a", environment="here")

    outcomes, given = run(script, "abcd")
    assert given == ["abcd"]
    assert statuses(outcomes) == {"a": "ok", "b": "error", "c": "full", "d": "ok"}
    assert (outcomes["b"].reason, outcomes["b"].detail) == ("ValueError: no luck", "where")
    assert outcomes["a"].environment == "here"


def test_what_was_in_flight_at_a_death_is_trained_anew_and_what_was_done_is_not(run):
    died = []

    def script(process: Process, key: str) -> None:
        if not died and key == "a":
            process.say("done", "a")
        if not died and key == "d":
            died.append(1)
            process.die()
        elif died:
            process.say("done", key)

    outcomes, given = run(script, "abcd")
    assert set(statuses(outcomes).values()) == {"ok"}
    assert given == ["abcd", "bcd"]


def test_a_training_that_kills_its_process_is_found_and_costs_itself_only(run):
    def script(process: Process, key: str) -> None:
        if "c" in process.jobs and key == process.jobs[-1] and (key == "d" or process.jobs == ["c"]):
            process.die()
        elif (key not in "cd" or "c" not in process.jobs) and len(process.jobs) == 1:
            process.say("done", key)

    outcomes, given = run(script, "abcd")
    assert statuses(outcomes) == {"a": "ok", "b": "ok", "c": "crashed", "d": "ok"}
    assert outcomes["c"].reason == "training: the worker was killed by signal 9 (SIGKILL)"
    assert outcomes["c"].detail == "its last words"
    assert given[0] == "abcd"


def test_a_process_that_dies_before_any_training_twice_is_given_up(run, monkeypatch):
    def script(process: Process, key: str) -> None:
        process._events.clear()
        process.die()

    outcomes, given = run(script, "ab")
    assert set(statuses(outcomes).values()) == {"crashed"}
    assert outcomes["a"].reason == "before the first training: the worker was killed by signal 9 (SIGKILL)"
    assert len(given) == 2


def test_a_training_beyond_its_limit_is_stopped_and_the_others_are_trained_anew(run, monkeypatch):
    monkeypatch.setattr(module, "GRACE_SECONDS", -99.9)

    def script(process: Process, key: str) -> None:
        if key == "b":
            process.say("done", "b")

    outcomes, _ = run(script, "ab")
    assert statuses(outcomes) == {"a": "timeout", "b": "ok"}
    assert outcomes["a"].reason == "training did not end within 100 s and was stopped"


def test_a_process_that_is_ready_for_ever_is_looked_at_as_a_silent_one(run, monkeypatch):
    monkeypatch.setattr(module, "GRACE_SECONDS", -99.9)

    def script(process: Process, key: str) -> None:
        process.receive = lambda seconds: process._events.pop(0) if process._events else {"event": "ready"}

    outcomes, _ = run(script, "a")
    assert statuses(outcomes) == {"a": "timeout"}


def test_a_process_that_says_nothing_is_killed(run, monkeypatch):
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.05)
    killed = []

    def script(process: Process, key: str) -> None:
        if killed:
            process.say("done", key)
        killed.append(key)

    outcomes, _ = run(script, "a")
    assert statuses(outcomes) == {"a": "crashed"}, "it was alone"


def test_a_process_that_speaks_for_another_is_not_believed(run):
    lies = ["b"]

    def script(process: Process, key: str) -> None:
        if key in lies:
            lies.remove(key)
            process.say("done", key, token="of another job")
        else:
            process.say("done", key)

    outcomes, given = run(script, "ab")
    assert statuses(outcomes) == {"a": "ok", "b": "ok"}
    assert "".join(given).count("b") == 2
