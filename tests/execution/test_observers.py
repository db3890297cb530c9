"""Observers are told once of everything, with frozen copies, and none of them can hold up the run."""

import ast
import os
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from genbench.base.data import Task
from genbench.contract.jobs import JobOutcome
from genbench.execution import observers
from genbench.execution.observers import Observers
from genbench.execution.runner import Runner
from genbench.host import Host
from genbench.host.battery import Battery
from genbench.host.plugin import PluginSource
from genbench.planning.plan import DataFacts, make_plan
from genbench.planning.suite import load_suite
from genbench.runs.store import Folder

SEEN = """
class Seen:
    def append(self, each):
        with open({path!r}, "a") as file:
            print(each, file=file)

seen = Seen()
"""


def seen_at(path: Path) -> list:
    """What observers noted, in processes of their own."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [ast.literal_eval(each.replace("mappingproxy", "")) if each[0] in "[({0123456789m" else each
            for each in lines]  # fmt: skip


class Audience:
    """Plugins with observers, and the lines said about them."""

    def __init__(self, folder: Path, **texts: str):
        self.folder = folder
        self.host = Host.of(
            PluginSource(
                name,
                file=f"{name}.py",
                text=SEEN.format(path=str(folder / name)) + textwrap.dedent(text),
            )
            for name, text in texts.items()
        )
        self.lines: list[str] = []
        self.observers = Observers(self.host, self.lines.append)

    def tell_finished(self, **record) -> None:
        self.observers.tell("genbench_trial_finished", trial={"seed": 0}, record=record)

    def seen(self, name: str) -> list:
        return seen_at(self.folder / name)


NOTES = """
def genbench_trial_finished(trial, record):
    seen.append(record["number"])
"""


def test_every_observer_is_told_each_time(tmp_path):
    audience = Audience(tmp_path, first=NOTES, second=NOTES)
    audience.tell_finished(number=1)
    audience.tell_finished(number=2)
    assert audience.seen("first") == audience.seen("second") == [1, 2]
    assert audience.lines == []


def test_hooks_of_plugins_that_are_imported_elsewhere_alone_are_heard():
    plugin = SimpleNamespace(name="far", hooks={"genbench_run_started"})
    host = SimpleNamespace(
        hooks=lambda hook: [], plugins_with=lambda hook: [plugin] if hook in plugin.hooks else []
    )
    observers = Observers(host, print)
    assert observers.hear("genbench_run_started", "genbench_run_finished")
    assert not observers.hear("genbench_trial_finished")


@pytest.mark.parametrize("fault", ["ValueError('no network')", "SystemExit(3)", "KeyboardInterrupt()"])
def test_an_observer_that_raises_is_named_and_switched_off_and_the_others_go_on(tmp_path, fault):
    bad = f"""
    def genbench_trial_finished(record):
        seen.append(record["number"])
        raise {fault}

    def genbench_run_finished(run):
        seen.append("run")
    """
    audience = Audience(tmp_path, bad=bad, good=NOTES)
    audience.tell_finished(number=1)
    audience.tell_finished(number=2)
    audience.observers.tell("genbench_run_finished", run={})
    (line,) = audience.lines
    assert line.startswith(
        f"observer genbench_trial_finished of plugin 'bad' raised {fault.partition('(')[0]}"
    )
    assert line.endswith("it is switched off")
    assert audience.seen("bad") == [1]
    assert audience.seen("good") == [1, 2]


def test_an_observer_that_dawdles_is_named_and_switched_off_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(observers, "PATIENCE_SECONDS", 0.5)
    slow = """
    import threading

    def genbench_trial_finished(record):
        seen.append(record["number"])
        threading.Event().wait(120)
    """
    audience = Audience(tmp_path, slow=slow)
    audience.tell_finished(number=1)
    audience.tell_finished(number=2)
    assert audience.lines == [
        "observer genbench_trial_finished of plugin 'slow' took more than 0.5 s; it is switched off"
    ]
    assert audience.seen("slow") == [1]


def test_patience_is_five_seconds():
    assert observers.PATIENCE_SECONDS == 5.0


def test_observers_get_frozen_copies(tmp_path):
    meddling = """
    def genbench_trial_finished(trial, record):
        for change in (
            lambda: record.__setitem__("number", 7),
            lambda: record["history"].__setitem__("loss", ()),
            lambda: record["history"]["loss"].append(1),
            lambda: trial.clear(),
        ):
            try:
                change()
            except (TypeError, AttributeError):
                seen.append("refused")
    """
    audience = Audience(tmp_path, meddling=meddling)
    record = {"number": 1, "history": {"loss": [1, 2]}}
    audience.observers.tell("genbench_trial_finished", trial={"seed": 0}, record=record)
    assert audience.seen("meddling") == 4 * ["refused"]
    assert record == {"number": 1, "history": {"loss": [1, 2]}}


def test_a_copy_that_is_kept_does_not_change_with_the_original(tmp_path):
    audience = Audience(tmp_path, keeping="def genbench_trial_finished(record):\n    seen.append(record)\n")
    record = {"values": [1]}
    audience.observers.tell("genbench_trial_finished", trial={}, record=record)
    record["values"].append(2)
    (kept,) = audience.seen("keeping")
    assert dict(kept) == {"values": (1,)}


def test_what_observers_print_is_kept_from_the_results(tmp_path, capfd):
    audience = Audience(tmp_path, loud="def genbench_trial_finished(record):\n    print('news')\n")
    audience.tell_finished(number=1)
    audience.observers.close()
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "news\n")


# In a run

COMPONENTS = """
import genbench

@genbench.dataset
def made(root): ...

@genbench.model
def narrow(task, *, width: int = 8): ...

@genbench.protocol
class Plain(genbench.Protocol): ...
"""

WATCHING = """
def genbench_run_started(run):
    seen.append(("started", run["folder"], len(run["trials"]), run["suite"]["model"]["name"]))

def genbench_trial_finished(trial, record):
    seen.append(("finished", trial["model"]["settings"]["width"], record["test_error"]))

def genbench_run_finished(run):
    seen.append(("ended", run["folder"]))
"""


class Instant:
    """An executor whose jobs are done when they are submitted."""

    slots = 1

    def __init__(self, folder: Folder, failing: int = 0):
        self._folder = folder
        self._failing = failing
        self._outcomes: list[JobOutcome] = []
        self.threads: set[int] = set()

    def submit(self, job) -> str:
        outcome = JobOutcome(job)
        if job.trial["model"]["settings"]["width"] == self._failing:
            outcome.status, outcome.reason = "crashed", "made to"
        else:
            record = {"trial": job.trial, "stop_reason": "target", "test_error": 0.5}
            self._folder.write_fit(job.key, record, {})
        self._outcomes.append(outcome)
        return job.id

    def results(self):
        while self._outcomes:
            yield self._outcomes.pop(0)

    def cancel(self, id: str) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def run(tmp_path):
    """Runs four trials with the observers given and no measures; returns what the first one saw."""
    suite_file = tmp_path / "own.toml"
    suite_file.write_text(
        'dataset = "made"\nmodel = { name = "narrow", width = [1, 2, 3, 4] }\nprotocol = "plain"\n'
        "measures = []\n"
    )
    room = PluginSource("room", file="room.py", text=COMPONENTS, distribution="genbench")

    notes = tmp_path / "seen"

    def done(observer: str, failing: int = 0) -> list:
        host = Host.of(
            [room, PluginSource("watching", file="w.py", text=SEEN.format(path=str(notes)) + observer)]
        )
        notes.unlink(missing_ok=True)
        folder = Folder(tmp_path / "run")
        suite = load_suite(suite_file, host)
        folder.open_for(suite)
        task = Task("classification", (4,), 2)
        plan = make_plan(suite, lambda component, settings: DataFacts("sha256:0", task))
        battery = Battery.resolve([], host.probe_lookup)
        Runner(plan, folder, host, Instant(folder, failing), battery).run()
        return seen_at(notes)

    return done


def test_every_observing_hook_is_called_in_a_run_and_once_for_each_record(run, tmp_path):
    folder = str(tmp_path / "run")
    seen = run(WATCHING)
    assert seen[0] == ("started", folder, 4, "narrow")
    assert sorted(seen[1:-1]) == [("finished", width, 0.5) for width in (1, 2, 3, 4)]
    assert seen[-1] == ("ended", folder)


def test_observers_are_told_of_the_records_that_this_command_wrote_only(run):
    assert sorted(run(WATCHING, failing=3)[1:-1]) == [("finished", width, 0.5) for width in (1, 2, 4)]
    assert [each[0] for each in run(WATCHING)] == ["started", "ended"]


def test_observers_of_a_plugin_run_in_one_process_which_is_not_the_drivers(run):
    where = "import os\ndef genbench_trial_finished():\n    seen.append(os.getpid())\n"
    assert len(found := run(where)) == 4
    assert len(set(found)) == 1
    assert os.getpid() not in found


@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os.kill(os.getpid(), 11)", "os.write(3, b'x')\n    os.fork() or os._exit(0)"]
)
def test_an_observer_that_ends_its_process_costs_itself_alone(tmp_path, end):
    bad = f"import os\ndef genbench_trial_finished(record):\n    seen.append(1)\n    {end}\n"
    audience = Audience(tmp_path, bad=bad, good=NOTES)
    audience.tell_finished(number=1)
    audience.tell_finished(number=2)
    audience.observers.close()
    (line,) = audience.lines
    assert line.startswith("observer genbench_trial_finished of plugin 'bad' ")
    assert audience.seen("bad") == [1]
    assert audience.seen("good") == [1, 2]


def test_a_run_ends_although_an_observer_never_does(run, monkeypatch):
    monkeypatch.setattr(observers, "PATIENCE_SECONDS", 0.5)
    stuck = """
import threading

def genbench_run_started(run):
    seen.append(1)
    threading.Event().wait(60)
"""
    assert run(stuck) == [1]
