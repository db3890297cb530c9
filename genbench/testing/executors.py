"""Laws of an executor: every job that it takes on has one outcome, whatever becomes of its worker."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from genbench.base.errors import InvalidInput
from genbench.base.names import CORE
from genbench.contract.components import Kind
from genbench.contract.jobs import Executor, Job, JobOutcome
from genbench.fitting.preflight import plan_suite, prepare_all
from genbench.fitting.prepared import SPLITS
from genbench.host import Host
from genbench.host.plugin import PluginSource, installed
from genbench.planning.keys import Limits
from genbench.planning.suite import load_suite
from genbench.testing.laws import Broken, Laws

__all__ = ["ExecutorLaws"]

_SUITE = """\
title = "Networks that are trained, that raise, and that end their process"
dataset = { name = "polynomial" }
model = [{ name = "mlp", width = 2, depth = 1 }, { name = "deadly:raises" }, { name = "deadly:kills" }]
protocol = { name = "interpolate", learning_rate = 0.01, batch_size = 32, max_epochs = 1 }
seeds = 2
measures = ["param_norm"]
"""

_DEADLY = """
import os, signal
import torch
import genbench

class Built(torch.nn.Sequential):
    def __init__(self, task, act):
        super().__init__(torch.nn.Flatten(), torch.nn.LazyLinear(task.outputs))
        self(torch.zeros(2, *task.input_shape))
        self.act = act

    def forward(self, inputs):
        if len(inputs) > 2:
            self.act()
        return super().forward(inputs)

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def fail():
    raise ValueError("this network raises")

@genbench.model
def kills(task):
    return Built(task, kill)

@genbench.model
def raises(task):
    return Built(task, fail)
"""


class ExecutorLaws(Laws):
    """Laws of an executor; each starts processes that import torch.

    Attributes
    ----------
    seconds : float
        How long the jobs of one law may take in all.
    """

    kind = Kind.EXECUTOR
    seconds: ClassVar[float] = 300.0

    @contextmanager
    def executor(self, slots: int = 2) -> Iterator[Executor]:
        """An executor with so many slots on the processor, closed behind the block."""
        made = self.subject.object(devices=("cpu",) * slots)
        try:
            yield made
        finally:
            made.close()

    def test_it_has_slots(self) -> None:
        """`slots` says how many jobs it does at a time: one for each device."""
        with self.executor(3) as made:
            if made.slots != 3:
                raise Broken(f"with three devices it has {made.slots} slots")

    def test_without_jobs_results_end(self) -> None:
        """`results` ends at once where no job was taken on."""
        with self.executor() as made:
            if found := self._all(made):
                raise Broken(f"it yields {len(found)} outcomes of no job")

    def test_every_job_has_one_outcome_though_workers_are_killed(self) -> None:
        """Of jobs that end well, raise, or kill their worker, each has one outcome that says so."""
        with jobs() as given, self.executor() as made:
            ids = [made.submit(each) for each in given]
            if ids != [each.id for each in given]:
                raise Broken("`submit` returns something else than the job's id")
            found = self._all(made)
            _each_once(ids, found)
            for outcome in found:
                wanted = {"deadly:raises": "error", "deadly:kills": "crashed"}.get(
                    outcome.job.trial["model"]["name"], "ok"
                )
                if outcome.status != wanted:
                    raise Broken(
                        f"a job with the network {outcome.job.trial['model']['name']} ends as "
                        f"{outcome.status} ({outcome.reason}), not as {wanted}"
                    )
                if outcome.status == "ok" and not _is_written(outcome.job):
                    raise Broken("a job ends as ok whose fit is not on disk")
            if again := self._all(made):
                raise Broken(f"asked again, it yields {len(again)} outcomes a second time")

    def test_jobs_may_be_submitted_while_outcomes_come(self) -> None:
        """A job that is submitted between two outcomes is done too."""
        with jobs(only="mlp") as given, self.executor(1) as made:
            made.submit(given[0])
            found: list[JobOutcome] = []
            for outcome in self._within(made.results()):
                found.append(outcome)
                if len(found) == 1:
                    made.submit(given[1])
            _each_once([each.id for each in given[:2]], found)

    def test_a_cancelled_job_ends_as_cancelled(self) -> None:
        """A job that is cancelled before it begins has one outcome, `cancelled`, and leaves no fit."""
        with jobs(only="mlp") as given, self.executor(1) as made:
            ids = [made.submit(each) for each in given[:2]]
            made.cancel(ids[1])
            found = self._all(made)
            _each_once(ids, found)
            (second,) = [each for each in found if each.job.id == ids[1]]
            if second.status != "cancelled" or _is_written(second.job):
                raise Broken(f"a job that was cancelled while it waited ends as {second.status}")

    def test_closing_ends_what_runs(self) -> None:
        """`close` returns within seconds, whatever still waits, and may be called twice."""
        with jobs() as given, self.executor(1) as made:
            for each in given:
                made.submit(each)
            began = time.monotonic()
            made.close()
            made.close()
            if time.monotonic() - began > 20:
                raise Broken(f"closing took {time.monotonic() - began:.0f} s")

    def _all(self, made: Executor) -> list[JobOutcome]:
        return list(self._within(made.results()))

    def _within(self, outcomes: Any) -> Iterator[JobOutcome]:
        """Outcomes as they come, for a limited time; one that never comes is for pytest's time limit."""
        deadline = time.monotonic() + self.seconds
        for outcome in outcomes:
            if not isinstance(outcome, JobOutcome):
                raise Broken(f"`results` yields a {type(outcome).__name__}, not a JobOutcome")
            yield outcome
            if time.monotonic() > deadline:
                raise Broken(f"its jobs took more than {self.seconds:.0f} s")


@contextmanager
def jobs(only: str = "") -> Iterator[list[Job]]:
    """Training jobs in a run folder that is gone afterwards: two seeds of each network, or of one."""
    source = PluginSource(name="deadly", file="deadly.py", text=textwrap.dedent(_DEADLY))
    folder = Path(tempfile.mkdtemp(prefix="genbench-executor-"))
    try:
        host = Host.of([*_rooms(), source])
        (folder / "suite.toml").write_text(_SUITE)
        plan = plan_suite(load_suite(folder / "suite.toml", host), host)
        trials = [each for each in plan.trials if only in each.model.name]
        if problems := prepare_all(trials, host, None, SPLITS):  # as a command does before its first job
            raise InvalidInput(problems)
        sources = [dataclasses.asdict(each) for each in host.sources]
        yield [
            Job(
                kind="train", key=trial.key, trial=trial.as_dict(), folder=str(folder), plugins=sources,
                keep=["final"], limits=dataclasses.asdict(Limits(training_seconds=60.0)),
            )
            for trial in trials
        ]  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _rooms() -> list[PluginSource]:
    return [each for each in installed() if each.namespace == CORE]


def _each_once(ids: list[str], found: list[JobOutcome]) -> None:
    ended = sorted(each.job.id for each in found)
    if ended != sorted(ids):
        missing, twice = set(ids) - set(ended), [each for each in set(ended) if ended.count(each) > 1]
        raise Broken(
            f"{len(ids)} jobs, {len(found)} outcomes: {len(missing)} have none, {len(twice)} have two"
        )


def _is_written(job: Job) -> bool:
    return (Path(job.folder) / "fits" / job.key / "fit.json").is_file()
