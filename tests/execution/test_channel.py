"""What comes on a worker's channel and is not its next word: never taken for a value, never waited for."""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from genbench.contract.jobs import Job
from genbench.execution import channel, processes
from genbench.execution.channel import ChannelBroken, Epochs, Expected, Lines, Overheard, Speaker
from genbench.execution.supervision import Slot, WorkerDied, WorkerProcess, supervise

LIMITS = {"training_seconds": 100.0, "component_seconds": 60.0}

# A worker without genbench: it answers jobs with a value that tells the fit, and plays its tricks once each.
FAKE = """
import json, os, sys, threading, time
channel = int(os.environ["GENBENCH_CHANNEL"])
tricks = {tricks}
def write(text):
    os.write(channel, text.encode() + b"\\n")
def done_before(trick):
    flag = os.path.join({folder!r}, trick)
    found = os.path.exists(flag)
    open(flag, "w").close()
    return found
write('{{"event": "ready"}}')
for line in sys.stdin:
    job, number = json.loads(line), 0
    def event(**content):
        global number
        stamp = {{"job": job["id"], "fit": job["key"], "token": job["token"], "number": number}}
        number += 1
        write(json.dumps({{**content, **stamp}}))
    for measure in job["measures"]:
        if measure in job["skip"]:
            why = job["skip"][measure]
            event(event="value", value={{"measure": measure, "value": None, **why}})
            continue
        event(event="note", component=measure, kind="measure")
        trick = tricks.get(job["key"] + measure)
        if trick and not done_before(job["key"] + measure):
            exec(trick)
        event(event="value", value={{
            "measure": measure, "value": float(job["key"]), "status": "ok", "reason": "",
        }})
    event(event="done", seconds=0.0, environment="here")
"""


def job(key: str, measures: tuple[str, ...] = ("a", "b", "c")) -> Job:
    return Job(
        kind="measure", key=key, trial={"threads": 1}, folder="", plugins=[], limits=LIMITS, measures=measures
    )


@pytest.fixture
def slot(tmp_path) -> Iterator[Any]:
    """A slot whose workers are fakes that play the tricks given by fit and measure."""
    slots: list[Slot] = []

    def make(**tricks: str) -> Slot:
        text = FAKE.format(tricks=tricks, folder=str(tmp_path))
        slots.append(Slot(lambda threads: WorkerProcess(threads, (sys.executable, "-c", text))))
        return slots[-1]

    yield make
    for each in slots:
        each.close()


def values(outcome: Any) -> dict[str, tuple[str, float | None]]:
    return {each["measure"]: (each["status"], each["value"]) for each in outcome.values}


STRAYS = {
    "a word": "write('hello')",
    "an event without a stamp": """write('{"event": "value"}')""",
    "an event of nobody": """write('{"event": "done", "seconds": 0, "environment": ""}')""",
    "no object": "write('[1, 2]')",
    "something deep": "write('[' * 100_000)",
    "its own word twice": "event(event='note', component=measure, kind='measure'); number -= 1",
    "a value that was not asked for": (
        "event(event='value', value={'measure': 'z', 'value': 1.0, 'status': 'ok', 'reason': ''})"
    ),
    "a value that is no number": (
        "event(event='value', value={'measure': measure, 'value': 'x', 'status': 'ok', 'reason': ''})"
    ),
    "an event that says nothing": "event(event='note')",
    "done too early": "event(event='done', seconds=0.0, environment='here'); continue",
}


@pytest.mark.parametrize("stray", STRAYS)
def test_after_a_stray_line_no_fit_has_the_values_of_another(slot, stray):
    bad = slot(**{"1b": STRAYS[stray]})
    first, *others = [supervise(job(str(key)), bad) for key in (1, 2, 3)]
    assert values(first)["a"] == values(first)["c"] == ("ok", 1.0)
    assert values(first)["b"][0] == "crashed"
    assert "b" in first.culprits or stray == "done too early"
    for key, outcome in enumerate(others, start=2):
        assert values(outcome) == dict.fromkeys("abc", ("ok", float(key)))


def test_a_line_that_comes_between_two_jobs_costs_nothing(slot):
    later = "threading.Timer(0.2, lambda: write('hello')).start()"
    late = slot(**{"1c": later})
    assert values(supervise(job("1"), late)) == dict.fromkeys("abc", ("ok", 1.0))
    time.sleep(0.5)
    outcome = supervise(job("2"), late)
    assert values(outcome) == dict.fromkeys("abc", ("ok", 2.0))
    assert outcome.culprits == {}


def test_words_of_the_job_before_are_not_taken_for_this_one(slot):
    remembered = "remembered = (dict(job), number)"
    replayed = (
        "write(json.dumps({'event': 'value', 'value': {'measure': measure, 'value': 1.0, 'status': 'ok',"
        " 'reason': ''}, 'job': remembered[0]['id'], 'fit': remembered[0]['key'],"
        " 'token': remembered[0]['token'], 'number': remembered[1]}))"
    )
    bad = slot(**{"1a": remembered, "2b": replayed})
    assert values(supervise(job("1"), bad)) == dict.fromkeys("abc", ("ok", 1.0))
    second = values(supervise(job("2"), bad))
    assert (second["a"], second["b"][0], second["c"]) == (("ok", 2.0), "crashed", ("ok", 2.0))


@pytest.mark.parametrize(
    "exits",
    ["os._exit(0)", "os.close(channel); time.sleep(1000)", "os.fork() or time.sleep(1000); os._exit(0)"],
)
def test_a_worker_that_leaves_quietly_has_a_reason_at_each_value(slot, exits, monkeypatch):
    monkeypatch.setattr(processes, "ENDING_SECONDS", 0.5)
    outcome = supervise(job("1"), slot(**{"1b": exits}))
    assert values(outcome)["a"] == values(outcome)["c"] == ("ok", 1.0)
    assert values(outcome)["b"][0] == "crashed"


def test_a_worker_that_stands_still_is_noticed(slot, monkeypatch):
    monkeypatch.setattr(processes, "STOPPED_SECONDS", 0.5)
    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.1)
    outcome = supervise(job("1"), slot(**{"1b": "import signal; os.kill(os.getpid(), signal.SIGSTOP)"}))
    (reason,) = [each["reason"] for each in outcome.values if each["measure"] == "b"]
    assert reason == "measure b: the worker stood still for 0.5 s (SIGSTOP) and was killed"


def test_a_training_whose_worker_babbles_is_done_again_once():
    class Babbling:
        alive, threads, last_words = True, 1, ()
        started = 0

        def __init__(self, threads: int):
            Babbling.started += 1

        def send(self, given: dict) -> None:
            self.given = given

        def receive(self, seconds: float) -> dict[str, Any]:
            if Babbling.started <= self.babblers:
                raise ChannelBroken("something else than an event was written to its channel")
            return {"event": "done", "environment": "here", **channel.stamped(self.given, 0)}

        def kill(self) -> None: ...

    training = Job(kind="train", key="1", trial={"threads": 1}, folder="", plugins=[], limits=LIMITS)
    for babblers, status in ((1, "ok"), (2, "crashed")):
        Babbling.started, Babbling.babblers = 0, babblers
        outcome = supervise(training, Slot(Babbling))
        assert (outcome.status, Babbling.started) == (status, 2)


# --- limits -----------------------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[Any, Any]]:
    read, write = os.pipe()
    with os.fdopen(write, "wb", buffering=0) as writing:
        yield os.fdopen(read, "rb"), writing


def test_a_line_without_an_end_is_refused_and_not_kept(pipe, monkeypatch):
    monkeypatch.setattr(channel, "LONGEST_LINE", 1000)
    lines = Lines(pipe[0])
    pipe[1].write(b"x" * 2000)
    with pytest.raises(ChannelBroken, match="flooded"):
        lines.next(60)


def test_lines_that_nobody_reads_are_not_heaped_up(pipe, monkeypatch):
    monkeypatch.setattr(channel, "MOST_WAITING", 10)
    lines = Lines(pipe[0])
    with suppress(BrokenPipeError):
        pipe[1].write(b'{"event": "ready"}\n' * 1000)
    heard = []
    with suppress(ChannelBroken):
        heard += [lines.next(60) for _ in range(1000)]
    assert heard == []


def test_what_is_printed_without_a_line_end_is_bounded(pipe):
    overheard = Overheard(pipe[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        pipe[1].write(b"x" * (1 << 20))
    pipe[1].write(b"\nthe end\n")
    pipe[1].close()
    deadline = time.monotonic() + 60
    while overheard.lines[-1:] != ["the end"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kilobytes"
    assert sum(map(len, overheard.lines)) <= channel.LAST_WORDS_BYTES


def test_the_last_words_of_a_process_are_whole_however_late_they_are_read(monkeypatch):
    read = Overheard._read

    def late(self: Overheard) -> None:
        time.sleep(0.5)
        read(self)

    monkeypatch.setattr(Overheard, "_read", late)
    process = WorkerProcess(1, (sys.executable, "-c", "print('why')"))
    with pytest.raises(WorkerDied):
        process.receive(60)
    assert process.last_words == ["why"]


def test_last_words_are_not_waited_for_while_others_may_still_print(monkeypatch):
    monkeypatch.setattr(processes, "LAST_WORDS_SECONDS", 1.0)
    other = "import subprocess; subprocess.Popen(['sleep', '60']); print('why')"
    process = WorkerProcess(1, (sys.executable, "-c", other))
    try:
        with pytest.raises(WorkerDied):
            process.receive(60)
        assert process.last_words == ["why"]
    finally:
        process.kill()


def test_silence_is_told_from_the_end(pipe):
    lines = Lines(pipe[0])
    with pytest.raises(queue.Empty):
        lines.next(0.01)
    pipe[1].close()
    assert lines.next(60) is None


# --- the bell ---------------------------------------------------------------------------------------


@pytest.fixture
def belled(pipe, monkeypatch) -> Iterator[tuple[Lines, Speaker]]:
    """Both sides, where what is said would wait for ten minutes."""
    monkeypatch.setattr(channel, "GATHERING_SECONDS", 600)
    bell, rung = os.pipe()
    yield (
        Lines(pipe[0], os.fdopen(bell, "rb")),
        Speaker(os.fdopen(os.dup(pipe[1].fileno()), "w"), os.dup(rung)),
    )
    os.close(rung)


def test_what_is_said_lies_there_until_it_is_rung(belled):
    lines, say = belled
    said = [{"event": each} for each in ("epoch", "note", "spent", "value", "done")]
    for each in said[:-1]:
        say(each)
    with pytest.raises(queue.Empty):
        lines.next(0.2)
    say(said[-1])
    assert [lines.next(60) for _ in said] == said


@pytest.mark.parametrize("event", ["ready", "failed", "spoilt", "described", "begun", "alive"])
def test_what_others_wait_for_is_rung(belled, event):
    lines, say = belled
    say({"event": event})
    assert lines.next(60) == {"event": event}


def test_a_pipe_is_read_before_it_is_full(belled):
    lines, say = belled
    said = [{"event": "value", "number": each, "value": {"detail": "x" * 1000}} for each in range(200)]
    for each in said:
        say(each)
    say({"event": "done"})
    assert [lines.next(60) for _ in said] == said


def test_what_is_said_without_a_bell_is_heard_a_moment_later(pipe):
    bell, rung = os.pipe()
    lines = Lines(pipe[0], os.fdopen(bell, "rb"))
    pipe[1].write(b'{"event": "note"}\n{"event"')
    assert lines.next(60) == {"event": "note"}
    pipe[1].write(b': "done"}\n')
    assert lines.next(60) == {"event": "done"}
    os.close(rung)


def test_the_end_is_heard_at_once_with_all_that_was_said_before(pipe, monkeypatch):
    monkeypatch.setattr(channel, "GATHERING_SECONDS", 600)
    bell, rung = os.pipe()
    lines = Lines(pipe[0], os.fdopen(bell, "rb"))
    pipe[1].write(b'{"event": "note"}\n')
    os.close(rung)
    pipe[1].close()
    assert [lines.next(60), lines.next(60)] == [{"event": "note"}, None]


def test_of_many_short_epochs_some_are_said(monkeypatch):
    said: list[Any] = []
    clock = iter([0.0, 0.01, 0.02, 0.11, 0.12])
    monkeypatch.setattr(channel.time, "monotonic", lambda: next(clock))
    hear = Epochs(said.append)
    for epoch in range(5):
        hear({"epoch": epoch})
    assert said == [{"event": "epoch", "epoch": each} for each in (0, 3)]


def test_a_word_counts_once_and_in_its_place():
    expected = Expected("measure 1", "1")
    asked = expected.asked({"key": "1"})
    first, second = ({"event": "epoch", **channel.stamped(asked, each)} for each in (0, 1))
    expected.check(first)
    for wrong in (first, {**second, "number": 2}, {**second, "fit": "2"}, {**second, "token": "x"}):
        with pytest.raises(ChannelBroken):
            expected.check(wrong)
    expected.check(second)
    assert Expected("measure 1", "1").token != expected.token


def test_a_copy_of_the_worker_does_not_speak_and_does_not_go_on():
    text = (
        "import os, sys\n"
        "from genbench.execution.channel import Speaker\n"
        "say = Speaker(os.fdopen(os.dup(1), 'w'))\n"
        "child = os.fork()\n"
        "say({'event': 'ready'})\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr)\n"
    )
    process = WorkerProcess(1, (sys.executable, "-P", "-c", text))
    with pytest.raises(WorkerDied):
        process.receive(60)
    said = process.last_words
    assert [json.loads(each) for each in said if "event" in each] == [{"event": "ready"}]
    assert "70" in said
