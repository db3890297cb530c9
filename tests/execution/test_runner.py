"""The runner with an executor that computes nothing, so that every turn of events can be staged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from running import TINY

from genbench import api
from genbench.base.errors import DiskFull
from genbench.contract.jobs import Job, JobOutcome
from genbench.execution.locks import Locks
from genbench.execution.runner import Progress, Runner
from genbench.host import Host
from genbench.host.plugin import PluginSource
from genbench.planning.suite import load_suite
from genbench.runs.run import Summary
from genbench.runs.store import Folder

PLUGIN = """\
import genbench

@genbench.probe
def shared(model): ...

@genbench.measure(family="staged", direction="+")
def good(model): ...

@genbench.measure(family="staged", direction="+")
def needs_shared(shared): ...

@genbench.measure(family="staged", direction="+")
def compares(model, siblings): ...
"""

GOOD, NEEDS_SHARED, COMPARES = "staged:good", "staged:needs_shared", "staged:compares"


class Staged:
    """An executor that asks a script how each job ends, and remembers the jobs."""

    slots = 1

    def __init__(self, script: Callable[[Job], JobOutcome]):
        self.script = script
        self.jobs: list[Job] = []
        self.waiting: list[Job] = []
        self.closed = False

    def submit(self, job: Job) -> str:
        self.waiting.append(job)
        return job.id

    def results(self) -> Iterator[JobOutcome]:
        while self.waiting:
            job = self.waiting.pop(0)
            self.jobs.append(job)
            yield self.script(job)

    def cancel(self, id: str) -> None: ...

    def close(self) -> None:
        self.closed = True


def trains(job: Job) -> JobOutcome:
    Folder(job.folder).write_fit(job.key, {"trial": job.trial, "stop_reason": "target"}, {})
    return JobOutcome(job)


COSTS = {"seconds": 2.0, "own_seconds": 1.0, "peak_memory": 0}


def value(measure: str, status: str = "ok", reason: str = "") -> dict[str, Any]:
    number = 1.0 if status == "ok" else None
    return {"measure": measure, "value": number, "status": status, "reason": reason, **COSTS}


def measures(job: Job, **statuses: str) -> JobOutcome:
    """Values of a status for some measures, ``ok`` for the others, ``skipped`` where the job says so."""
    outcome = JobOutcome(job)
    for measure in job.measures:
        status = statuses.get(measure.partition(":")[2], "ok")
        if measure in job.skip:
            status = job.skip[measure]["status"]
        outcome.values.append(value(measure, status, "" if status == "ok" else f"is {status}"))
        if status in ("crashed", "timeout"):
            outcome.culprits[measure] = status
    return outcome


def all_goes_well(job: Job) -> JobOutcome:
    return trains(job) if job.kind == "train" else measures(job)


class Told(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.total, self.done = -1, -1

    def started(self, total: int, done: int) -> None:
        self.total, self.done = total, done

    def say(self, line: str) -> None:
        self.lines.append(line)


class Stage:
    """A folder with a suite and a plugin; `run` is one command on it."""

    def __init__(self, path: Path, host: Host):
        self.path = path
        self.toml = path / "tiny.toml"
        self.toml.write_text(TINY)
        self.host = host
        self.folder = Folder(path / "run")
        self.told = Told()

    def run(
        self,
        script: Callable[[Job], JobOutcome] = all_goes_well,
        words: str = f"{GOOD},{NEEDS_SHARED}",
        shard: tuple[int, int] | None = None,
        **options: Any,
    ) -> tuple[Summary, list[Job]]:
        suite = load_suite(self.toml, self.host)
        self.folder.open_for(suite)
        self.told = Told()
        self.executor = Staged(script)
        runner = Runner(
            api.plan_suite(suite, self.host, shard=shard), self.folder, self.host, self.executor,
            api.select(words, self.host), progress=self.told, **options,
        )  # fmt: skip
        return runner.run(), self.executor.jobs

    def statuses(self) -> dict[str, dict[str, str]]:
        """Status of each measure, for each fit."""
        return {
            key: {name: each["status"] for name, each in self.folder.measured(key).values.items()}
            for key in self.folder.fit_keys()
        }


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.of([*Host.load().sources, PluginSource(name="staged", file="staged.py", text=PLUGIN)])


@pytest.fixture
def stage(tmp_path: Path, host: Host) -> Stage:
    return Stage(tmp_path, host)


def tasks(jobs: list[Job]) -> list[str]:
    return sorted(each.kind for each in jobs)


def test_each_trial_is_trained_once_and_then_measured(stage):
    summary, jobs = stage.run()
    assert tasks(jobs) == ["measure"] * 4 + ["train"] * 4
    assert len({each.key for each in jobs}) == 4
    assert (summary.trials, summary.trained, summary.measured, summary.is_complete) == (4, 4, 4, True)
    assert all(set(each) == {GOOD, NEEDS_SHARED} for each in stage.statuses().values())


def test_what_is_there_is_not_done_again(stage):
    stage.run()
    summary, jobs = stage.run()
    assert jobs == []
    assert (summary.trained, summary.measured, stage.told.done) == (0, 0, 4)


def test_a_new_measure_trains_nothing_and_computes_itself_alone(stage):
    stage.run(words=GOOD)
    _, jobs = stage.run(train=False)
    assert [each.measures for each in jobs] == [[NEEDS_SHARED]] * 4
    assert tasks(jobs) == ["measure"] * 4


def test_measuring_alone_leaves_untrained_trials_and_calls_that_no_fault(stage):
    summary, jobs = stage.run(train=False)
    assert jobs == []
    assert summary.is_complete
    assert (stage.told.total, stage.told.done) == (0, 0)


def test_measuring_alone_does_not_call_a_trial_without_a_fit_done(stage):
    stage.run(words=GOOD, shard=(1, 2))
    _, jobs = stage.run(words=GOOD, train=False)
    assert jobs == []
    assert (stage.told.total, stage.told.done) == (2, 2)


def test_a_trial_whose_training_crashed_costs_itself_and_is_tried_again_by_retry_alone(stage):
    unlucky = []

    def script(job: Job) -> JobOutcome:
        if job.kind == "train" and (job.key in unlucky or not unlucky):
            unlucky.append(job.key)
            return JobOutcome(job, status="crashed", reason="training: the worker was killed by signal 9")
        return all_goes_well(job)

    summary, _ = stage.run(script)
    assert summary.failures == {unlucky[0]: "training: the worker was killed by signal 9"}
    assert summary.trained == 3
    assert not summary.is_complete

    summary, jobs = stage.run(script)
    assert jobs == []
    assert not summary.is_complete

    summary, jobs = stage.run(script, retry=True)
    assert len(jobs) == 1, "one retry is one try"
    assert not summary.is_complete

    summary, jobs = stage.run(retry=True)
    assert tasks(jobs) == ["measure", "train"]
    assert summary.is_complete
    assert stage.folder.failure(unlucky[0]) is None


@pytest.mark.parametrize("status", ["error", "crashed", "timeout"])
def test_retry_computes_values_again_that_a_fault_cost_and_no_others(stage, status):
    summary, _ = stage.run(lambda job: trains(job) if job.kind == "train" else measures(job, good=status))
    assert summary.faults[GOOD].total() == 4
    summary, jobs = stage.run()
    assert jobs == []
    assert not summary.is_complete
    summary, jobs = stage.run(retry=True)
    assert [each.measures for each in jobs] == [[GOOD]] * 4
    assert summary.is_complete


@pytest.mark.parametrize("status", ["nan", "not_applicable"])
def test_a_value_that_does_not_exist_is_a_result_and_not_retried(stage, status):
    summary, _ = stage.run(lambda job: trains(job) if job.kind == "train" else measures(job, good=status))
    assert summary.is_complete
    _, jobs = stage.run(retry=True)
    assert jobs == []


@pytest.mark.parametrize("status", ["crashed", "timeout"])
def test_what_crashed_on_three_fits_in_a_row_is_skipped_for_the_rest_of_the_run_and_said_so(stage, status):
    stage.run(words="param_norm")
    script = lambda job: measures(job, good=status)  # noqa: E731
    summary, _ = stage.run(script, train=False)
    found = [each[GOOD] for each in stage.statuses().values()]
    assert sorted(found) == sorted([status] * 3 + ["skipped"])
    assert stage.told.lines == [f"{GOOD} {status} on 3 fits in a row; it is skipped for the rest of this run"]
    assert summary.faults[GOOD].total() == 4
    assert [each[NEEDS_SHARED] for each in stage.statuses().values()] == ["ok"] * 4


def test_a_success_in_between_breaks_the_row(stage):
    turns = iter(["crashed", "crashed", "ok", "crashed"])
    stage.run(lambda job: trains(job) if job.kind == "train" else measures(job, good=next(turns)))
    assert stage.told.lines == []


def test_a_probe_that_killed_three_workers_is_skipped_whatever_needs_it(stage):
    def script(job: Job) -> JobOutcome:
        if job.kind == "train":
            return trains(job)
        if "staged:shared" in job.skip:
            return measures(job, needs_shared="skipped")
        outcome = measures(job, needs_shared="crashed")
        outcome.culprits = {"staged:shared": "crashed"}
        return outcome

    stage.run(script)
    assert sorted(each[NEEDS_SHARED] for each in stage.statuses().values()) == ["crashed"] * 3 + ["skipped"]


def test_skipped_values_are_tried_again_by_retry(stage):
    stage.run(lambda job: trains(job) if job.kind == "train" else measures(job, good="crashed"))
    summary, jobs = stage.run(retry=True)
    assert len(jobs) == 4
    assert summary.is_complete


def test_measures_that_compare_seeds_come_in_a_second_pass_with_all_siblings(stage):
    _, jobs = stage.run(words=f"{GOOD},{COMPARES}")
    assert [each.kind for each in jobs[-4:]] == ["measure"] * 4
    assert [each.measures for each in jobs[-4:]] == [[COMPARES]] * 4
    assert all(len(each.siblings) == 1 for each in jobs[-4:])
    configurations = {}
    for each in api.plan_suite(load_suite(stage.toml, stage.host), stage.host).trials:
        configurations.setdefault(each.configuration, set()).add(each.key)
    for each in jobs[-4:]:
        assert {each.key, *each.siblings} in configurations.values()
    _, jobs = stage.run(words=f"{GOOD},{COMPARES}")
    assert jobs == []


def test_measures_that_compare_seeds_wait_for_the_other_shards(stage):
    _, jobs = stage.run(words=f"{GOOD},{COMPARES}", shard=(1, 2))
    assert all(COMPARES not in each.measures for each in jobs)
    assert any("2 trials must wait until all seeds" in line for line in stage.told.lines)
    _, jobs = stage.run(words=f"{GOOD},{COMPARES}", shard=(2, 2))
    assert sum(COMPARES in each.measures for each in jobs) == 2
    _, jobs = stage.run(words=f"{GOOD},{COMPARES}", train=False)
    assert [each.measures for each in jobs] == [[COMPARES]] * 2
    assert all(set(each) == {GOOD, COMPARES} for each in stage.statuses().values())


def test_values_that_compare_seeds_are_computed_again_when_a_failed_sibling_is_trained(stage):
    def script(job: Job) -> JobOutcome:
        if job.kind == "train" and job.trial["seed"] == 1:
            return JobOutcome(job, status="crashed", reason="training: dead")
        return all_goes_well(job)

    _, jobs = stage.run(script, words=COMPARES)
    assert [each.siblings for each in jobs if each.kind == "measure"] == [[], []]
    _, jobs = stage.run(words=COMPARES, retry=True)
    assert sorted(len(each.siblings) for each in jobs if each.kind == "measure") == [1, 1, 1, 1]


def test_a_retry_reaches_both_passes(stage):
    words = f"{GOOD},{COMPARES}"
    failing = lambda job: measures(job, good="error", compares="error")  # noqa: E731
    stage.run(lambda job: trains(job) if job.kind == "train" else failing(job), words=words)
    summary, jobs = stage.run(words=words, retry=True)
    assert len(jobs) == 8
    assert summary.is_complete


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))


@pytest.mark.parametrize("how", ["truncated", "one bit flipped"])
@pytest.mark.parametrize("file", ["fit.json", "weights.safetensors"])
def test_a_damaged_fit_is_said_and_trained_again_once(stage, file, how):
    stage.run()
    key = stage.folder.fit_keys()[1]
    damage(stage.folder.fit_folder(key) / file, how)
    said = []
    stage.folder = Folder(stage.folder.path, said.append)
    summary, jobs = stage.run()
    assert [(each.kind, each.key) for each in jobs] == [("train", key)]
    assert len(said) == 1
    assert f"fits/{key}/{file} is damaged" in said[0]
    assert summary.is_complete
    _, jobs = stage.run()
    assert jobs == []


def test_damaged_values_are_said_and_computed_again(stage):
    stage.run()
    key = stage.folder.fit_keys()[1]
    (file,) = (stage.folder.fit_folder(key) / "values").glob("*.json")
    damage(file, "truncated")
    said = []
    stage.folder = Folder(stage.folder.path, said.append)
    summary, jobs = stage.run()
    assert [(each.kind, each.key, len(each.measures)) for each in jobs] == [("measure", key, 2)]
    assert len(said) == 1
    assert "values" in said[0]
    assert summary.is_complete


def test_measuring_a_damaged_fit_is_a_fault_that_is_said(stage):
    stage.run()
    key = stage.folder.fit_keys()[1]
    damage(stage.folder.fit_folder(key) / "weights.safetensors", "one bit flipped")
    summary, jobs = stage.run(train=False)
    assert jobs == []
    assert summary.failures == {key: "its record or its weights are damaged"}


def test_a_file_system_without_locks_is_told_once_and_all_trials_are_done(stage, monkeypatch):
    def refuses(*given: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("genbench.execution.locks.fcntl.flock", refuses)
    summary, _ = stage.run()
    assert (summary.trained, summary.measured) == (4, 4)
    assert ["no locks" in each for each in stage.told.lines] == [True]
    assert not (stage.folder.path / "locks").exists()


def test_what_is_there_is_read_once_to_be_kept_and_once_for_each_question(stage, monkeypatch):
    reads: list[str] = []
    read = Folder._read

    def counted(folder: Folder, path: Path) -> dict[str, Any] | None:
        content = read(folder, path)
        if content is not None and path.parent.name == "values":
            reads.append(path.name)
        return content

    monkeypatch.setattr(Folder, "_read", counted)
    stage.run(words=f"{GOOD},{COMPARES}")
    # Of four fits: what the first pass wrote when the second is made and when it begins, all at the end.
    assert len(reads) == 4 * (1 + 1 + 2)
    del reads[:]
    stage.run(words=f"{GOOD},{COMPARES}")
    assert reads == [], "nothing is missing, and an index tells so"


def test_an_executor_that_raises_leaves_no_locks_and_is_closed(stage):
    def script(job: Job) -> JobOutcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.run(script)
    assert stage.executor.closed
    assert not list(stage.folder.path.glob("locks/*.lock"))


def test_a_full_disk_is_one_clear_error(stage, monkeypatch):
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    def script(job: Job) -> JobOutcome:
        if job.kind == "measure":
            monkeypatch.setattr("genbench.runs.records.write_atomically", full)
        return all_goes_well(job)

    with pytest.raises(
        DiskFull, match=r"the disk is full \(No space left on device\); what is there is whole"
    ):
        stage.run(script)
    assert stage.executor.closed


def test_trials_that_another_command_works_on_are_left_to_it_and_taken_when_it_is_gone(stage):
    suite = load_suite(stage.toml, stage.host)
    stage.folder.open_for(suite)
    key = api.plan_suite(suite, stage.host).trials[0].key
    other = Locks(stage.folder.path / "locks")
    assert other.take(key)
    seen: list[str] = []

    def script(job: Job) -> JobOutcome:
        seen.append(job.key)
        if len(set(seen)) == 3 and job.kind == "measure":
            other.release(key)
        return all_goes_well(job)

    summary, jobs = stage.run(script)
    other.close()
    assert "waiting for 1 trial locked by another command" in stage.told.lines
    assert [each.key for each in jobs if each.kind == "train"][-1] == key
    assert summary.trained == 4


def test_a_fit_that_another_command_finished_meanwhile_is_not_trained(stage):
    suite = load_suite(stage.toml, stage.host)
    stage.folder.open_for(suite)
    last = api.plan_suite(suite, stage.host).trials[-1]

    def script(job: Job) -> JobOutcome:
        if stage.folder.fit(last.key) is None:
            stage.folder.write_fit(last.key, {"trial": last.as_dict(), "stop_reason": "target"}, {})
        return all_goes_well(job)

    summary, jobs = stage.run(script)
    assert last.key not in [each.key for each in jobs if each.kind == "train"]
    assert summary.trained == 3
    assert summary.measured == 4


def test_a_trained_fit_without_a_readable_record_is_a_failure(stage):
    summary, _ = stage.run(JobOutcome)
    assert set(summary.failures.values()) == {"the record of the fit is not readable"}


def test_jobs_carry_plain_data_only(stage):
    _, jobs = stage.run(data="/some/where")
    for job in jobs:
        content = json.loads(json.dumps(job.as_dict()))
        assert content["data"] == "/some/where"
        assert [each["text"] for each in content["plugins"] if each["name"] == "staged"] == (
            [PLUGIN] if job.kind == "measure" else []
        )


def test_the_core_is_trained_and_measured_without_any_plugin_and_first(stage):
    summary, jobs = stage.run(words=f"{GOOD},param_norm,{COMPARES},random")
    assert summary.is_complete
    assert (summary.trained, summary.measured) == (4, 4), "a fit counts once, however often it is passed over"
    by_trial: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for job in jobs:
        assert all(each["distribution"] == "genbench" or each["name"] == "staged" for each in job.plugins)
        by_trial.setdefault(job.key, []).append((job.company, tuple(sorted(job.measures))))
    assert list(by_trial.values()) == 4 * [
        [((), ()), ((), ("param_norm", "random")), (("staged",), (GOOD,)), (("staged",), (COMPARES,))]
    ]
    assert len({job.id for job in jobs}) == len(jobs)


def test_a_plugin_that_a_trial_is_made_of_is_loaded_wherever_the_trial_is(stage):
    from genbench.planning.plan import Chosen

    trial = api.plan_suite(load_suite(stage.toml, stage.host), stage.host).trials[0]
    assert trial.plugins == frozenset()
    regularizers = (Chosen("one:noise", 1, {}, ""), Chosen("dropout", 1, {}, ""))
    changed = replace(trial, model=Chosen("other:net", 1, {}, ""), regularizers=regularizers)
    assert changed.plugins == {"one", "other"}


def test_values_that_nobody_answers_for_end_with_a_fault(stage):
    def loses(job: Job) -> JobOutcome:
        return trains(job) if job.kind == "train" else JobOutcome(job, status="error", reason="too few files")

    summary, jobs = stage.run(loses)
    assert summary.faults == {each: {"too few files": 4} for each in (GOOD, NEEDS_SHARED)}
    assert len(jobs) == 8, "nothing is tried for ever"
    assert stage.run()[0].is_complete


def test_a_part_of_the_core_that_dies_beside_a_plugin_is_not_given_up(stage):
    def dies(job: Job) -> JobOutcome:
        outcome = all_goes_well(job)
        if job.company:
            outcome.culprits["param_norm"] = "crashed"
        return outcome

    stage.run(dies, words=f"{GOOD},param_norm")
    assert not any("skipped for the rest" in line for line in stage.told.lines)


def test_observers_hear_of_the_run_and_of_each_record_once(stage, monkeypatch):
    heard: list[tuple[str, Mapping[str, Any]]] = []
    monkeypatch.setattr(
        "genbench.execution.observers.Observers.tell",
        lambda self, hook, **arguments: heard.append((hook, arguments)),
    )
    stage.run()
    assert [hook for hook, _ in heard] == [
        "genbench_run_started", *["genbench_trial_finished"] * 4, "genbench_run_finished",
    ]  # fmt: skip
    heard.clear()
    stage.run()
    assert [hook for hook, _ in heard] == ["genbench_run_started", "genbench_run_finished"]


def test_a_fit_that_somebody_removes_is_trained_once_and_missed(stage, monkeypatch):
    def removes(told, trial, record):
        shutil.rmtree(stage.folder.fit_folder(trial.key))

    monkeypatch.setattr(Told, "trained", removes)
    summary, jobs = stage.run()
    assert tasks(jobs) == ["train"] * 4
    assert set(summary.failures.values()) == {"its fit was written, and somebody removed it"}
    assert not summary.is_complete


def test_trials_that_are_given_up_fail_with_the_reason_and_the_others_go_on(stage):
    suite = load_suite(stage.toml, stage.host)
    stage.folder.open_for(suite)
    plan, executor = api.plan_suite(suite, stage.host), Staged(all_goes_well)
    with Runner(plan, stage.folder, stage.host, executor, api.select(GOOD, stage.host)) as runner:
        runner.leave_out({plan.trials[1].key: "its code hangs"})
        summary = runner.run()
    assert summary.failures == {plan.trials[1].key: "its code hangs"}
    assert (summary.trained, summary.measured) == (3, 3)
    assert plan.trials[1].key not in {each.key for each in executor.jobs}
