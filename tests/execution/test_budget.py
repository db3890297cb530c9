"""A budget of time: whole configurations, begun while they can be finished."""

from __future__ import annotations

import pytest
from running import TINY, command

from genbench import api
from genbench.base.errors import UsageError
from genbench.contract.jobs import Job, JobOutcome
from genbench.execution.budget import Budget, Expected
from genbench.execution.runner import Progress, Runner
from genbench.host import Host
from genbench.planning.plan import Plan
from genbench.planning.suite import load_suite
from genbench.runs.store import Folder


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.load()


@pytest.fixture(scope="module")
def plan(host, tmp_path_factory) -> Plan:
    """Eight configurations of two seeds."""
    text = TINY.replace("width = 8", "width = [8, 9]").replace("[0.03, 0.1]", "[0.03, 0.1, 0.2, 0.3]")
    file = tmp_path_factory.mktemp("suite") / "eight.toml"
    file.write_text(text)
    return api.plan_suite(load_suite(file, host), host)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def outcome(key: str, kind: str, seconds: float, status: str = "ok") -> JobOutcome:
    job = Job(kind=kind, key=key, trial={"threads": 1}, folder="", plugins=[])  # type: ignore[arg-type]
    return JobOutcome(job, status=status, seconds=seconds)


def budget(plan: Plan, seconds: float, slots: int = 1, done: int = 0, clock: Clock | None = None) -> Budget:
    """Each trial is expected to take ten seconds."""
    expected = {each.key: Expected(8.0, 2.0) for each in plan.trials[2 * done :]}
    return Budget(seconds, slots, plan.trials, expected, clock or Clock())


def test_as_many_whole_configurations_are_picked_as_there_is_time_for(plan):
    for seconds, slots, count in ((20, 1, 1), (59, 1, 2), (160, 1, 8), (30, 2, 3), (9000, 1, 8)):
        picked = budget(plan, seconds, slots).picked()
        assert len(picked) == count
        assert all(len(each) == 2 for each in picked)


def test_more_time_picks_more_of_the_same(plan):
    keys = [[t.key for each in budget(plan, s).picked() for t in each] for s in (40, 80, 160)]
    assert keys[2][: len(keys[1])] == keys[1]
    assert keys[1][: len(keys[0])] == keys[0]


def test_what_is_done_costs_nothing_and_is_among_what_is_picked(plan):
    picked = budget(plan, 20, done=3).picked()
    assert len(picked) == 4
    assert {t.key for each in picked[:3] for t in each} == {each.key for each in plan.trials[:6]}


def test_too_little_time_for_one_configuration_is_refused(plan):
    with pytest.raises(
        UsageError, match="19 s is too little for one configuration: its 2 seeds take about 20 s"
    ):
        budget(plan, 19).check()
    budget(plan, 20).check()
    with pytest.raises(UsageError, match="too little"):
        budget(plan, 9, slots=64).check()
    budget(plan, 1, done=8).check()


def test_a_configuration_is_begun_while_it_can_be_finished_and_then_none_is(plan):
    clock = Clock()
    limited = budget(plan, 50, clock=clock)
    first, second, third, *_ = limited.configurations
    assert all(limited.may_begin(each) for each in (*first, *second))
    assert not limited.may_begin(third[0])
    assert limited.may_begin(second[1]), "what is begun goes on"
    clock.now += 49
    for each in (*first, *second):
        limited.ended(outcome(each.key, "train", 8))
        limited.ended(outcome(each.key, "measure", 2))
    assert not limited.may_begin(third[0]), "it stays ended"
    assert "2 of 8 configurations" in limited.closing
    assert limited.is_left_out(third[0])
    assert not limited.is_left_out(first[0])


def test_what_jobs_took_corrects_what_was_expected(plan):
    for took, begun in ((0.8, 8), (80.0, 1)):
        clock = Clock()
        limited = budget(plan, 100, clock=clock)
        count = 0
        for configuration in limited.configurations:
            if not limited.may_begin(configuration[0]):
                break
            count += 1
            for each in configuration:
                for kind, share in (("train", 1.0), ("measure", 0.25)):
                    limited.ended(outcome(each.key, kind, took * share))
                    clock.now += took * share
        assert count == begun


def test_a_trial_that_failed_is_over(plan):
    limited = budget(plan, 40)
    first, second, *_ = limited.configurations
    assert limited.may_begin(first[0])
    for each in first:
        limited.ended(outcome(each.key, "train", 1.0, status="error"))
    assert limited.may_begin(second[0])


class Staged:
    """Each job takes what was expected of it, one after the other."""

    slots = 2

    def __init__(self, clock: Clock):
        self.clock = clock
        self.waiting: list[Job] = []

    def submit(self, job: Job) -> str:
        self.waiting.append(job)
        return job.id

    def results(self):
        while self.waiting:
            job = self.waiting.pop(0)
            took = 8.0 if job.kind == "train" else 2.0
            self.clock.now += took
            if job.kind == "train":
                Folder(job.folder).write_fit(job.key, {"trial": job.trial, "stop_reason": "target"}, {})
            yield JobOutcome(job, seconds=took)

    def cancel(self, id: str) -> None: ...

    def close(self) -> None: ...


class Told(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_the_runner_stops_at_whole_configurations_and_goes_on_later(plan, host, tmp_path):
    folder = Folder(tmp_path / "run")
    folder.open_for(plan.suite)
    battery = api.select("random", host)
    whole = []
    for seconds in (75, 1000):
        clock, told = Clock(), Told()
        runner = Runner(plan, folder, host, Staged(clock), battery, progress=told)
        train, _ = runner.to_do()
        times = {each.key: Expected(8.0, 2.0) for each in train}
        runner.keep_to(Budget(seconds, 1, plan.trials, times, clock))
        assert not runner.run().failures
        there = [each.configuration for each in plan.trials if folder.fit(each.key)]
        assert {there.count(each) for each in there} == {2}, "all seeds of each"
        whole.append(len(set(there)))
        assert clock.now - 1000 <= seconds
    assert 1 <= whole[0] < 8
    assert told.lines == []
    assert whole[1] == 8


def test_only_one_choice_of_trials_is_taken(tmp_path):
    with pytest.raises(UsageError, match="--budget and --limit"):
        api.run("digits", tmp_path / "run", budget="2h", limit=3)
    with pytest.raises(UsageError, match="--budget and --shard"):
        api.run("digits", tmp_path / "run", budget="2h", shard=(1, 2))


@pytest.mark.parametrize("name", ["run", "plan"])
def test_a_command_with_too_little_time_says_so_and_leaves_nothing(name, tiny_suite, tmp_path):
    there = command(name, "--suite", tiny_suite, "--out", tmp_path / "run", "--budget", "0.1s")
    assert there.code == 2
    (line,) = [each for each in there.err.splitlines() if each.startswith("genbench: ")]
    assert "too little for one configuration: its 2 seeds take about" in line
    assert "Traceback" not in there.err
    assert there.out == ""
    assert not (tmp_path / "run").exists()
