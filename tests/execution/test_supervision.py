"""What supervision makes of a worker's words, its death and its silence, with a scripted worker."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from genbench.contract.jobs import Job
from genbench.execution import channel
from genbench.execution.channel import ChannelBroken, stamped
from genbench.execution.supervision import Slot, WorkerDied, WorkerProcess, WorkerStalled, supervise

DIES, STALLS, BABBLES = object(), object(), object()
DONE = {"event": "done", "seconds": 1.0, "environment": "somewhere"}


def job(task: str = "measure", **changed: Any) -> Job:
    limits = {"training_seconds": 100.0, "component_seconds": 7.0}
    given = {
        "trial": {"threads": 1},
        "folder": "",
        "plugins": [],
        "limits": limits,
        "measures": ["a", "b", "c"],
    }
    return Job(kind=task, key="key", **{**given, **changed})  # type: ignore[arg-type]


def note(component: str, kind: str = "measure") -> dict[str, Any]:
    return {"event": "note", "component": component, "kind": kind}


def value(measure: str, status: str = "ok", reason: str = "") -> dict[str, Any]:
    return {"event": "value", "value": {"measure": measure, "status": status, "reason": reason}}


@pytest.fixture
def workers():
    """Set ``workers.script``: from the job that a worker is sent to what it says; each start is counted."""

    class Workers:
        script: Callable[[Mapping[str, Any]], list[Any]]
        spawn: Callable[[int], Any]
        started = 0

        def __init__(self) -> None:
            self.waited: list[float] = []

    workers = Workers()

    class Scripted:
        alive = True
        how_it_ended = "the worker was killed by signal 11 (SIGSEGV)"
        last_words = ("Fatal Python error: Segmentation fault",)

        def __init__(self, threads: int):
            self.threads = threads
            self.killed = False
            workers.started += 1

        def send(self, given: Mapping[str, Any]) -> None:
            self.given, self.number = json.loads(json.dumps(given)), 0
            self.said = [{"event": "ready"}, *workers.script(self.given)]

        def receive(self, seconds: float) -> dict[str, Any]:
            workers.waited.append(seconds)
            event = self.said.pop(0)
            if event is DIES:
                raise WorkerDied
            if event is STALLS:
                raise WorkerStalled
            if event is BABBLES:
                raise ChannelBroken("something else than an event was written to its channel")
            if "event" not in event or event["event"] == "ready" or "token" in event:
                return event
            self.number += 1
            return {**event, **stamped(self.given, self.number - 1)}

        def kill(self) -> None:
            self.killed = True

    workers.spawn = Scripted
    return workers


def computes(given: Mapping[str, Any], **fates: object) -> list[Any]:
    """A worker that computes its measures in turn, until one of them is its fate."""
    said: list[Any] = []
    for measure in given["measures"]:
        if measure in given["skip"]:
            said.append(value(measure, **given["skip"][measure]))
            continue
        said.append(note(measure))
        if measure in fates:
            return [*said, fates[measure]]
        said.append(value(measure))
    return [*said, DONE]


def found(outcome: Any) -> dict[str, tuple[str, str]]:
    return {each["measure"]: (each["status"], each["reason"]) for each in outcome.values}


def test_values_come_back_with_the_environment(workers):
    workers.script = computes
    outcome = supervise(job(), Slot(workers.spawn))
    assert found(outcome) == {"a": ("ok", ""), "b": ("ok", ""), "c": ("ok", "")}
    assert (outcome.environment, outcome.status, outcome.culprits) == ("somewhere", "ok", {})
    assert workers.started == 1


def test_a_death_costs_the_component_noted_last_and_a_new_worker_goes_on_with_the_next(workers):
    workers.script = lambda given: computes(given, b=DIES)
    outcome = supervise(job(), Slot(workers.spawn))
    assert found(outcome) == {
        "a": ("ok", ""),
        "b": ("crashed", "measure b: the worker was killed by signal 11 (SIGSEGV)"),
        "c": ("ok", ""),
    }
    assert outcome.culprits == {"b": "crashed"}
    assert workers.started == 2


def test_a_worker_that_is_ready_again_and_again_says_nothing_of_its_job(workers):
    workers.script = lambda given: [{"event": "ready"}, *computes(given)]
    outcome = supervise(job(), Slot(workers.spawn))
    assert {status for status, _ in found(outcome).values()} == {"crashed"}
    assert workers.started == 2


def test_a_silence_beyond_the_limit_is_a_timeout_of_the_component_noted_last(workers):
    workers.script = lambda given: computes(given, c=STALLS)
    outcome = supervise(job(), Slot(workers.spawn))
    assert found(outcome)["c"] == ("timeout", "measure c: passed the time limit of 7 s")
    assert outcome.culprits == {"c": "timeout"}


def test_the_limit_counts_from_the_note_of_each_component(workers):
    workers.script = computes
    supervise(job(), Slot(workers.spawn))
    assert max(workers.waited) > 7
    assert all(seconds <= 7 for seconds in workers.waited[2:])


def test_each_of_several_culprits_costs_itself(workers):
    workers.script = lambda given: computes(given, a=DIES, b=STALLS, c=DIES)
    outcome = supervise(job(), Slot(workers.spawn))
    assert outcome.culprits == {"a": "crashed", "b": "timeout", "c": "crashed"}
    assert len(outcome.values) == 3


def test_a_worker_that_dies_before_its_first_component_twice_costs_all_and_blames_none(workers):
    workers.script = lambda given: [DIES]
    outcome = supervise(job(), Slot(workers.spawn))
    assert workers.started == 2
    assert outcome.culprits == {}
    assert set(found(outcome).values()) == {
        ("crashed", "before the first probe: the worker was killed by signal 11 (SIGSEGV)")
    }


def test_an_exception_outside_of_components_costs_what_is_left(workers):
    failed = {"event": "failed", "reason": "ValueError: no data", "detail": "Traceback"}
    workers.script = lambda given: [note("a"), value("a"), failed]
    outcome = supervise(job(), Slot(workers.spawn))
    assert found(outcome) == {
        "a": ("ok", ""),
        "b": ("error", "ValueError: no data"),
        "c": ("error", "ValueError: no data"),
    }


def test_what_is_given_up_while_a_job_waits_is_not_started(workers):
    given_up: dict[str, dict[str, str]] = {}
    waiting = job(skip=given_up)
    given_up["a"] = {"status": "skipped", "reason": "three times in a row"}
    workers.script = lambda given: computes(given, a=DIES)
    outcome = supervise(waiting, Slot(workers.spawn))
    assert found(outcome)["a"] == ("skipped", "three times in a row")
    assert workers.started == 1


def test_events_are_watched(workers):
    workers.script = computes
    seen: list[str] = []
    supervise(job(), Slot(workers.spawn), lambda event: seen.append(event["event"]))
    assert seen == ["note", "value"] * 3 + ["done"]


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ([{"event": "epoch"}, DONE], "ok", ""),
        ([DIES], "crashed", "training: the worker was killed by signal 11 (SIGSEGV)"),
        ([STALLS], "timeout", "training did not end within 100 s and was stopped"),
        ([{"event": "failed", "reason": "ValueError: x", "detail": "Traceback"}], "error", "ValueError: x"),
    ],
)
def test_training_ends_in_one_of_four_ways(workers, said, status, reason):
    workers.script = lambda given: said
    outcome = supervise(job("train"), Slot(workers.spawn))
    assert (outcome.status, outcome.reason) == (status, reason)


def test_the_last_words_of_a_worker_that_died_in_training_are_kept(workers):
    workers.script = lambda given: [DIES]
    assert "Segmentation fault" in supervise(job("train"), Slot(workers.spawn)).detail


def test_a_worker_is_kept_for_the_next_job_of_its_kind_and_replaced_when_dead(workers):
    workers.script = computes
    slot = Slot(workers.spawn)
    first = slot.process(job())
    supervise(job(), slot)
    assert slot.process(job()) is first
    assert slot.process(job("train")) is not first, "one that measures never holds the test split"
    first.alive = False
    assert slot.process(job()) is not first


def test_a_job_for_another_number_of_threads_gets_another_worker(workers):
    slot = Slot(workers.spawn)
    first = slot.process(job())
    second = slot.process(job(trial={"threads": 2}))
    assert (second.threads, first.killed) == (2, True)


def test_a_closed_slot_starts_no_worker(workers):
    workers.script = computes
    slot = Slot(workers.spawn)
    running = slot.process(job())
    slot.close()
    assert running.killed
    assert supervise(job("train"), slot).status == "crashed"
    assert set(found(supervise(job(), slot)).values()) == {("crashed", "the executor was closed")}
    assert workers.started == 1


# --- the process itself, with a script in place of the worker ---------------------------------------


SAY = """
import os, time
channel = int(os.environ["GENBENCH_CHANNEL"])
def say(text, end=b"\\n"):
    os.write(channel, text.encode() + end)
"""


@pytest.fixture
def process():
    """A `WorkerProcess` that runs the given Python text, which may `say` lines."""
    started = []

    def start(text: str) -> WorkerProcess:
        started.append(WorkerProcess(1, (sys.executable, "-c", SAY + text)))
        return started[-1]

    yield start
    for each in started:
        each.kill()


def test_lines_come_as_events_and_the_end_as_a_death(process):
    worker = process('say(\'{"event": "ready"}\')')
    assert worker.receive(60) == {"event": "ready"}
    with pytest.raises(WorkerDied):
        worker.receive(60)
    assert worker.how_it_ended == "the worker exited with code 0"


def test_the_end_of_a_job_is_heard_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(channel, "GATHERING_SECONDS", 600)
    slot = Slot()
    began = time.monotonic()
    assert supervise(job("train", folder=str(tmp_path)), slot).status == "error"
    assert time.monotonic() - began < 300
    slot.close()


def test_how_a_worker_ended_names_the_signal(process):
    worker = process("import os; os.kill(os.getpid(), 11)")
    with pytest.raises(WorkerDied):
        worker.receive(60)
    assert worker.how_it_ended == "the worker was killed by signal 11 (SIGSEGV)"


def test_silence_is_a_stall_and_killing_reaches_the_children_of_a_worker_too(process):
    worker = process(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        'say(\'{"event": "child", "pid": %d}\' % child.pid)\n'
        "time.sleep(1000)\n"
    )
    child = worker.receive(60)["pid"]
    with pytest.raises(WorkerStalled):
        worker.receive(0.01)
    worker.kill()
    from running import wait_until

    def is_gone() -> bool:
        try:
            with open(f"/proc/{child}/stat") as stat:  # noqa: PTH123
                return stat.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    wait_until(is_gone, "the worker's child is gone")


def test_a_worker_whose_input_is_closed_is_a_death_not_an_exception(process):
    worker = process("pass")
    with pytest.raises(WorkerDied):
        worker.receive(60)
    assert worker.how_it_ended == "the worker exited with code 0"
    with pytest.raises(WorkerDied):
        worker.send({"large": "x" * 1_000_000})


def test_a_worker_that_talks_too_much_on_standard_error_does_not_block(process):
    worker = process(
        "import sys\nfor each in range(20_000): print('noise', each, file=sys.stderr)\n"
        'say(\'{"event": "ready"}\')'
    )
    assert worker.receive(60) == {"event": "ready"}
