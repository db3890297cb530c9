"""Executors that break their word end the run with their name."""

from __future__ import annotations

import dataclasses

import pytest

import genbench
from genbench.base.errors import DiskFull, MissingResult
from genbench.contract.jobs import Job, JobOutcome
from genbench.execution.promises import HeldExecutor

VALUE = {"measure": "param_norm", "value": 1.0, "status": "ok"}


def job(key: str = "k") -> Job:
    return Job("measure", key, {"threads": 1}, "run", [], measures=["param_norm", "random"])


def outcome(of: Job, **changes) -> JobOutcome:
    made = JobOutcome(dataclasses.replace(of, device="cpu"))  # an executor says where
    vars(made).update(changes)
    return made


def held(answer) -> HeldExecutor:
    @genbench.executor(name="odd")
    class Odd:
        slots = 2

        def __init__(self):
            self.jobs = []

        def submit(self, job):
            self.jobs.append(job)
            return job.id

        def results(self):
            return answer(self.jobs)

        def cancel(self, id): ...

        def close(self): ...

    return HeldExecutor(Odd())


def test_who_keeps_its_word_is_passed_through():
    executor = held(lambda jobs: (outcome(each, values=[VALUE]) for each in jobs))
    assert (executor.slots, executor.submit(job("a")), executor.submit(job("b"))) == (
        2,
        job("a").id,
        job("b").id,
    )
    assert [each.job.key for each in executor.results()] == ["a", "b"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda jobs: [outcome(jobs[0]), outcome(jobs[0])], "gave it twice"),
        (lambda jobs: [outcome(job("other"))], "a job that it has not"),
        (lambda jobs: [outcome(jobs.pop(0))][: len(jobs)], "left 1 jobs without an outcome"),
        (lambda jobs: [], "left 2 jobs without an outcome"),
        (lambda jobs: ["done"], "something else than an outcome"),
        (lambda jobs: [outcome(jobs[0], status="splendid")], "something else than an outcome"),
        (lambda jobs: [outcome(jobs[0], values=[{**VALUE, "value": "x"}])], "not asked for"),
        (lambda jobs: [outcome(jobs[0], values=[{**VALUE, "measure": "gap"}])], "not asked for"),
        (lambda jobs: [outcome(jobs[0], values=[VALUE, VALUE])], "not asked for"),
        (lambda jobs: [outcome(jobs[0], values=None)], "not asked for"),
        (lambda jobs: [outcome(jobs[0], job=None)], "a job that it has not"),
        (lambda jobs: {}["no"], "raised KeyError: 'no'"),
        (lambda jobs: 3, "raised TypeError"),
    ],
)
def test_who_breaks_it_is_named(answer, said):
    executor = held(answer)
    executor.submit(job("a")), executor.submit(job("b"))
    with pytest.raises(MissingResult, match=f"executor 'odd' .*{said}"):
        list(executor.results())


def test_what_the_user_must_mend_stays_what_it_is():
    def full(jobs):
        raise DiskFull("no room")

    executor = held(full)
    executor.submit(job())
    with pytest.raises(DiskFull):
        list(executor.results())


def test_what_is_given_up_ends_without_the_executor_and_more_may_be_handed_over_meanwhile():
    executor = held(lambda jobs: (outcome(jobs.pop(0)) for _ in range(len(jobs))))
    executor.give_up({"a": "its code hangs", "c": "its code hangs"})
    train = {key: dataclasses.replace(job(key), kind="train", measures=[]) for key in "abcd"}
    executor.submit(train["a"]), executor.submit(train["b"])
    ended = []
    for each in executor.results():
        ended.append((each.job.key, each.status, each.reason))
        if each.job.key == "b":
            executor.submit(train["c"]), executor.submit(train["d"])
    doomed = ("crashed", "its code hangs")
    assert ended == [("a", *doomed), ("b", "ok", ""), ("c", *doomed), ("d", "ok", "")]
