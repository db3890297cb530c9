"""Executors of plugins work in processes of their own, whatever they do there."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import asdict

import pytest

from genbench.base.errors import DiskFull, InvalidInput, MissingResult, UsageError
from genbench.contract.jobs import Job
from genbench.execution import engine_apart
from genbench.execution.engine_apart import EngineApart, EngineFault
from genbench.execution.engines import Asked
from genbench.execution.promises import HeldExecutor
from genbench.host.plugin import PluginSource

ODD = """\
import json, os, signal, sys, time
import genbench
from genbench.base.errors import DiskFull, InvalidInput
from genbench.contract.jobs import JobOutcome

json.encoder.FLOAT_REPR = "changed"

@genbench.executor(name="odd")
class Odd:
    remote = True

    def __init__(self, *, device="auto", workers=None, say=print, how="", folder=""):
        self.slots, self.device, self._say, self._how, self._folder = 3, "cuda:0", say, how, folder
        self._jobs = []
        if how == "fails":
            raise InvalidInput(["no node answers", "nor does another"])
        if how == "dies":
            os._exit(3)

    def submit(self, job):
        self._say(f"took {job.key}\\033[2J")
        print("a line for people")
        self._jobs.append(job)
        self.slots += 1
        return job.id

    def results(self):
        while self._jobs:
            job = self._jobs.pop(0)
            values = [{"measure": each, "value": 1.5, "status": "ok"} for each in job.measures]
            outcome = JobOutcome(job, values=values)
            if self._how == "raises":
                {}["x"]
            if self._how == "full":
                raise DiskFull("no room")
            if self._how == "leaves":
                sys.exit(4)
            if self._how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self._how == "hangs":
                time.sleep(600)
            if self._how == "bytes":
                outcome.reason = b"x"
            if self._how == "words":
                outcome.seconds = "long"
            if self._how == "text":
                outcome = "done"
            if self._how == "nan":
                outcome.values[0]["value"] = float("nan")
            if self._how == "other":
                outcome.job = JobOutcome(job)
            if self._how == "writes":
                for each in os.listdir("/proc/self/fd"):
                    try:
                        os.write(int(each), b"nonsense\\n") if int(each) > 2 else None
                    except OSError:
                        pass
            yield outcome
            if self._how == "twice":
                yield outcome

    def cancel(self, id):
        self._jobs = [each for each in self._jobs if each.id != id]

    def close(self):
        open(os.path.join(self._folder, "closed"), "w").close()
        if self._how == "hangs when closed":
            time.sleep(600)
        if self._how == "raises when closed":
            raise ValueError("not yet")
"""


def job(key: str) -> Job:
    return Job("measure", key, {"threads": 1}, "run", [], measures=["param_norm"])


@pytest.fixture
def engine(tmp_path):
    (tmp_path / "odd.py").write_text(ODD)
    source = asdict(PluginSource.from_argument(str(tmp_path / "odd.py")))
    made, said = [], []

    def make(how: str = "", **asked) -> EngineApart:
        settings = {"how": how, "folder": str(tmp_path)}
        made.append(EngineApart("odd:odd", asdict(Asked("odd", settings, **asked)), [source], said.append))
        made[-1].said, made[-1].closed = said, tmp_path / "closed"
        return made[-1]

    yield make
    for each in made:
        if each._process.poll() is None:
            each._ended()


def test_jobs_go_there_and_outcomes_come_back_though_it_changes_what_all_share(engine, capfd):
    before = vars(json.encoder).copy()
    one = engine(workers=2)
    assert (one.make(lambda *event: None), one.remote, one.slots) == ("cuda:0", True, 3)
    executor = HeldExecutor(one)
    for key in "abc":
        assert executor.submit(job(key)) == job(key).id
    executor.cancel(job("b").id)
    executor._open.pop(job("b").id)
    found = {each.job.key: [value["value"] for value in each.values] for each in executor.results()}
    assert found == {"a": [1.5], "c": [1.5]}
    assert executor.slots == 6
    assert one.said[0] == "took a\N{REPLACEMENT CHARACTER}[2J"
    assert list(executor.results()) == []
    executor.close()
    executor.close()
    assert one.closed.exists()
    assert one._process.poll() is not None
    assert vars(json.encoder) == before
    printed = capfd.readouterr()
    assert (printed.out, "a line for people" in printed.err) == ("", True)


@pytest.mark.parametrize(
    ("how", "fault", "said"),
    [
        ("raises", MissingResult, "executor 'odd:odd' raised KeyError: 'x'; the run ends here"),
        ("full", DiskFull, "^no room$"),
        ("leaves", MissingResult, "raised SystemExit: 4"),
        ("killed", MissingResult, r"lost its process \(signal 9\)"),
        ("bytes", MissingResult, "something else than an outcome"),
        ("words", MissingResult, "something else than an outcome"),
        ("text", MissingResult, "something else than an outcome"),
        ("nan", MissingResult, "not asked for"),
        ("other", MissingResult, "a job that it has not"),
        ("twice", MissingResult, "gave it twice"),
        ("writes", MissingResult, "something else than an event"),
    ],
)
def test_what_breaks_its_word_is_named(engine, how, fault, said):
    one = engine(how)
    one.make(lambda *event: None)
    executor = HeldExecutor(one)
    executor.submit(job("a"))
    with pytest.raises(fault, match=said):
        list(executor.results())
    executor.close()
    assert one._process.poll() is not None


@pytest.mark.parametrize(
    ("how", "fault", "said"),
    [
        ("fails", InvalidInput, "^no node answers\nnor does another$"),
        ("dies", EngineFault, "ended its process with code 3"),
    ],
)
def test_one_that_cannot_be_made_says_why(engine, how, fault, said):
    with pytest.raises(fault, match=said):
        engine(how).make(lambda *event: None)


def test_what_it_does_not_take_is_said_before_it_is_made(engine, tmp_path):
    source = asdict(PluginSource.from_argument(str(tmp_path / "odd.py")))
    with pytest.raises(UsageError, match="unknown setting 'hwo'; did you mean 'how'"):
        EngineApart("odd:odd", asdict(Asked("odd", {"hwo": 1})), [source], print)


def test_whoever_watches_hears_the_events_of_jobs_that_there_are(engine):
    one, heard = engine(), []
    one.make(lambda job, event: heard.append((job.key, event)))
    one.submit(job("a"))
    for name, told in ((job("a").id, {"event": "note", "component": "x"}), (job("b").id, {"event": "over"}),
                       (job("a").id, "over"), (None, {}), (job("a").id, {"event": 3})):  # fmt: skip
        one._pass_on({"event": "watched", "job": name, "told": told})
    assert heard == [("a", {"event": "note", "component": "x"})]


@pytest.fixture
def interruptible():
    """Whoever runs the tests in the background of a shell has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_it_can_be_closed_where_interrupts_are_ignored(engine):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        one = engine("hangs")
    finally:
        signal.signal(signal.SIGINT, before)
    one.make(lambda *event: None)
    began = time.monotonic()
    one.close()
    assert one.closed.exists()
    assert time.monotonic() - began < engine_apart.SECONDS_TO_CLOSE


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_not_held_up_by_one_that_hangs(engine):
    one = engine("hangs")
    one.make(lambda *event: None)
    one.submit(job("a"))
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(one.results())
    one.close()
    assert one.closed.exists()
    assert one._process.poll() is not None
    assert time.monotonic() - began < engine_apart.SECONDS_TO_CLOSE


def test_one_that_cannot_be_closed_is_ended(engine, monkeypatch):
    monkeypatch.setattr(engine_apart, "SECONDS_TO_CLOSE", 0.5)
    one = engine("hangs when closed")
    one.make(lambda *event: None)
    one.close()
    assert one._process.poll() is not None

    two = engine("raises when closed")
    two.make(lambda *event: None)
    with pytest.raises(MissingResult, match="raised ValueError: not yet"):
        HeldExecutor(two).close()
    assert two._process.poll() is not None


def test_an_answer_that_does_not_come_ends_it(engine, monkeypatch):
    one = engine()
    os.kill(one._process.pid, signal.SIGSTOP)
    with pytest.raises(EngineFault, match=r"took more than 0\.1 s"):
        one._ask("make", seconds=0.1)
    assert one._process.poll() is not None
