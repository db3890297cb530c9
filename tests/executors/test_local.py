"""The contract of executors, on the local one: every job has one outcome, whatever happens."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest

from genbench.contract.jobs import Job, JobOutcome
from genbench.executors import local
from genbench.executors.local import LocalExecutor


def job(key: str, **changed: Any) -> Job:
    return Job(kind="train", key=key, trial={"threads": 1}, folder="", plugins=[], **changed)


@pytest.fixture
def supervise(monkeypatch):
    """Set ``supervise.does`` to what becomes of a job."""

    class Supervise:
        does: Any = staticmethod(JobOutcome)

        def __call__(self, given: Job, slot: object, watch: object) -> JobOutcome:
            return self.does(given)

    supervise = Supervise()
    monkeypatch.setattr(local, "supervise", supervise)
    return supervise


@pytest.fixture
def executor(supervise):
    made = LocalExecutor(devices=("cpu", "cpu"))
    yield made
    made.close()


def test_every_submitted_job_has_one_outcome(executor):
    ids = [executor.submit(job(str(number))) for number in range(20)]
    assert sorted(each.job.id for each in executor.results()) == sorted(ids)
    assert list(executor.results()) == []


def test_jobs_may_be_submitted_while_outcomes_come(executor):
    executor.submit(job("0"))
    seen = []
    for outcome in executor.results():
        seen.append(outcome.job.key)
        if len(seen) < 5:
            executor.submit(job(str(len(seen))))
    assert seen == ["0", "1", "2", "3", "4"]


def test_an_exception_in_a_slot_is_an_outcome_and_the_slot_goes_on(executor, supervise):
    def fails(given: Job) -> JobOutcome:
        raise OSError("cannot start a process")

    supervise.does = fails
    for number in range(4):
        executor.submit(job(str(number)))
    outcomes = list(executor.results())
    assert [(each.status, each.reason) for each in outcomes] == [
        ("error", "OSError: cannot start a process")
    ] * 4


def test_a_cancelled_job_that_has_not_started_is_not_done(executor, supervise):
    hold = threading.Event()
    done: list[str] = []

    def waits(given: Job) -> JobOutcome:
        hold.wait(60)
        done.append(given.key)
        return JobOutcome(given)

    supervise.does = waits
    ids = [executor.submit(job(str(number))) for number in range(3)]
    executor.cancel(ids[2])
    hold.set()
    statuses = {each.job.key: each.status for each in executor.results()}
    assert statuses == {"0": "ok", "1": "ok", "2": "cancelled"}
    assert sorted(done) == ["0", "1"]


def test_a_job_gets_the_device_of_its_slot_unless_it_names_one(supervise):
    executor = LocalExecutor(devices=("cuda:1",))
    executor.submit(dataclasses.replace(job("0"), kind="measure"))
    executor.submit(job("1", device="cpu"))
    assert {each.job.key: each.job.device for each in executor.results()} == {"0": "cuda:1", "1": "cpu"}
    executor.close()


def test_there_is_a_slot_for_each_device_and_jobs_run_side_by_side(executor, supervise):
    together = threading.Barrier(2, timeout=60)

    def meets(given: Job) -> JobOutcome:
        together.wait()
        return JobOutcome(given)

    supervise.does = meets
    assert executor.slots == 2
    executor.submit(job("0"))
    executor.submit(job("1"))
    assert [each.status for each in executor.results()] == ["ok", "ok"]


def test_jobs_are_plain_data_and_ids_tell_tasks_apart():
    train = job("key")
    measure = dataclasses.replace(train, kind="measure")
    second = dataclasses.replace(measure, siblings=["other"])
    assert len({train.id, measure.id, second.id}) == 3
    assert train.as_dict()["trial"] == {"threads": 1}


@pytest.mark.parametrize(
    ("devices", "per_device", "crews"),
    [
        (("cuda:0", "cuda:1", "cuda:0"), None, ["cuda:0", "cuda:1"]), (("cpu", "cpu"), None, []),
        (("cpu", "cpu"), 3, ["cpu"]),
    ],
)  # fmt: skip
def test_trainings_share_a_process_on_each_gpu_and_elsewhere_where_it_is_asked_for(
    monkeypatch, devices, per_device, crews
):
    made: list[Crew] = []

    class Crew:
        def __init__(self, device, at_once, ended, watch, spawn):
            self.device, self.at_once, self.ended, self.jobs = device, at_once, ended, 0
            made.append(self)

        def submit(self, given: Job) -> None:
            self.jobs += 1
            self.ended(JobOutcome(given))

        def serve(self) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr(local, "Crew", Crew)
    executor = LocalExecutor(devices=devices, per_device=per_device)
    assert [each.device for each in made] == crews
    assert {each.at_once for each in made} <= {per_device}
    if crews:
        for number in range(4):
            executor.submit(job(str(number)))
        assert [each.jobs for each in made] == [4 // len(crews)] * len(crews)
        assert len(list(executor.results())) == 4
    executor.close()


def test_trainings_with_plugins_share_no_process_with_others(monkeypatch):
    made: list[Crew] = []

    class Crew:
        def __init__(self, *given):
            self.given, self.keys = given, []
            made.append(self)

        jobs = 0

        def another(self) -> Crew:
            return Crew(*self.given)

        def submit(self, given: Job) -> None:
            self.keys.append(given.key)

        def serve(self) -> None: ...

        def close(self) -> None:
            self.keys.append("closed")

    monkeypatch.setattr(local, "Crew", Crew)
    executor = LocalExecutor(devices=("cuda:0",))
    for key, plugins in {"a": [], "b": ["one"], "c": ["one", "two"], "d": ["one"], "e": []}.items():
        executor.submit(dataclasses.replace(job(key), plugins=[{"name": each} for each in plugins]))
    executor.close()
    assert [each.keys[:-1] for each in made] == [["a", "e"], ["b", "d"], ["c"]]
    assert {each.keys[-1] for each in made} == {"closed"}
