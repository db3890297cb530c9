"""Executing a plan: what is missing is trained and measured, what is there is kept."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from shlex import quote
from typing import Any, Literal

from genbench.base.canonical import digest
from genbench.base.counting import counted
from genbench.base.errors import DiskFull
from genbench.base.values import Status
from genbench.contract.jobs import Executor, Job, JobOutcome
from genbench.execution.budget import Budget
from genbench.execution.fits import Fits
from genbench.execution.given_up import GivenUp
from genbench.execution.loading import Companies
from genbench.execution.locks import Locks
from genbench.execution.observers import Observers
from genbench.execution.progress import Progress
from genbench.execution.promises import HeldExecutor
from genbench.host import Host
from genbench.host.battery import Battery
from genbench.host.identity import describe_measure, measure_identity, value_key
from genbench.planning.plan import Plan, Trial, alike_together, sees_other_examples
from genbench.runs.environment import now
from genbench.runs.run import Summary
from genbench.runs.store import Folder

__all__ = ["Progress", "Runner"]

# Keys of values are asked for when a job is made and again when it ended; they are too many to keep them all.
KEYS_KEPT = 10_000


@dataclass(frozen=True)
class _Pass:
    """One way through the trials: the measures it computes, and whether they compare a fit with its siblings.

    Those that do wait until the fits with other seeds exist, hence a pass of their own behind the first one.
    """

    name: str
    measures: tuple[str, ...]
    siblings: bool


class Runner:
    """Brings a run folder to what its plan says.

    Parameters
    ----------
    battery : Battery
        The measures that are wanted.
    data : str or None
        The user's data folder.
    train : bool
        Train what is missing; otherwise existing fits are measured only.
    retry : bool
        Try again what failed before.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Folder,
        host: Host,
        executor: Executor,
        battery: Battery,
        *,
        data: str | None = None,
        train: bool = True,
        retry: bool = False,
        progress: Progress | None = None,
    ):
        self._plan = plan
        self._folder = folder
        self._executor = HeldExecutor(executor)
        self._battery = battery
        self._data = data
        self._train = train
        self._retry = retry
        self._progress = progress or Progress()
        self._observers = Observers(host, self._progress.say, folder.path)
        self._companies = Companies(host, battery)
        self._trials = {each.key: each for each in plan.trials}
        self._given_up = GivenUp(battery.below)
        self._trained: set[str] = set()
        # Measures that were tried, of the trials that are being worked on alone: others may be many.
        self._tried: dict[str, set[str]] = {}
        self._measured: set[str] = set()
        self._unmeasured: dict[str, str] = {}
        self._budget: Budget | None = None
        self._summary = Summary(trials=len(plan.trials))
        together = {each.spelling for each in battery.requests if battery.needs_siblings(each)}
        measures = [each.spelling for each in battery.requests]
        self._first = _Pass("first pass", tuple(each for each in measures if each not in together), False)
        self._second = _Pass("second pass", tuple(each for each in measures if each in together), True)
        self._descriptions = {each.spelling: describe_measure(battery, each) for each in battery.requests}
        self._identities = {each.spelling: measure_identity(battery, each) for each in battery.requests}
        asked = digest([sorted(self._identities.items()), self._second.measures])
        self._fits = Fits(plan, folder, asked)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *fault: object) -> None:
        self._executor.close()
        self._fits.close()

    def to_do(self) -> tuple[list[Trial], list[Trial]]:
        """The trials that are to be trained, and those whose fits are to be measured."""
        train = [trial for trial, job in self._to_do if job.kind == "train"]
        return train, [trial for trial, job in self._to_do if job.kind == "measure"]

    def keep_to(self, budget: Budget) -> None:
        """Begin no configuration that cannot be finished in time; they come in the budget's order."""
        self._budget = budget

    def leave_out(self, doomed: Mapping[str, str]) -> None:
        """Begin none of these trials, by key, each of which fails for the reason that is given."""
        self._executor.give_up(doomed)

    @cached_property
    def _to_do(self) -> list[tuple[Trial, Job]]:
        """What the first pass will do, as it was before anything ran."""
        jobs = [(each, self._job(each, self._first)) for each in self._fits.unfinished]
        return [(trial, job) for trial, job in jobs if job is not None]

    @cached_property
    def _untrained(self) -> list[Trial]:
        """The trials that are left as they are, since nothing is to be trained."""
        return [] if self._train else [each for each in self._fits.unfinished if not self._fits.has(each.key)]

    def run(self) -> Summary:
        """Work until nothing is left, then say what is there."""
        locks = Locks(self._folder.path / "locks", self._progress.say)
        heard = self._observers.hear("genbench_run_started", "genbench_run_finished")
        run = self._as_told() if heard else {}
        try:
            waiting = [trial for trial, _ in self._to_do]
            total = len(self._plan.trials) - len(self._untrained)
            self._progress.started(total, total - len(waiting))
            self._say_what_is_of_other_code()
            told = {each.key for each in waiting}
            self._observers.tell("genbench_run_started", run=run)
            waiting = self._budget.ordered(waiting) if self._budget else alike_together(waiting)
            self._work(locks, self._first, waiting)
            if self._second.measures:
                left = [each for each in self._fits.unfinished if self._job(each, self._second) is not None]
                self._progress.more(sum(each.key not in told for each in left))
                self._work(locks, self._second, left)
                self._say_who_waits()
            if self._budget and self._budget.closing:
                self._progress.say(self._budget.closing)
            self._folder.clear_damaged()
            self._folder.sweep()
            self._observers.tell("genbench_run_finished", run=run)
        finally:
            # First the workers, so that nobody takes over a lock whose work still goes on.
            self._executor.close()
            self._observers.close()
            locks.close()
            self._progress.finished()
        return self._take_stock()

    def _as_told(self) -> dict[str, Any]:
        trials = [each.as_dict() for each in self._plan.trials]
        return {"folder": str(self._folder.path), "suite": dict(self._plan.suite.content), "trials": trials}

    # --- the loop ----------------------------------------------------------------------------------

    def _work(self, locks: Locks, current: _Pass, trials: Iterable[Trial]) -> None:
        """Feed the executor, a few jobs ahead, so that other commands find work to take too."""
        waiting = collections.deque(trials)
        elsewhere: collections.deque[Trial] = collections.deque()
        in_flight, waits_for = 0, len(self._trials) + 1

        def feed() -> int:
            fed = 0
            while waiting and in_flight + fed < 2 * self._executor.slots:
                trial = waiting.popleft()
                if self._budget and current is self._first and not self._budget.may_begin(trial):
                    waiting.clear()
                    break
                if not locks.take(trial.key):
                    elsewhere.append(trial)
                    continue
                # Only now, since another command may have done the work before the lock was free.
                job = self._job(trial, current)
                if job is None:
                    locks.release(trial.key)
                    continue
                self._executor.submit(job)
                fed += 1
            return fed

        while True:
            in_flight += feed()
            for outcome in self._executor.results():
                in_flight -= 1
                if self._budget:
                    self._budget.ended(outcome)
                following = self._settle(outcome, current)
                if following is not None:
                    self._executor.submit(following)
                    in_flight += 1
                else:
                    self._tried.pop(outcome.job.key, None)
                    locks.release(outcome.job.key)
                in_flight += feed()
            if not elsewhere:
                return
            if len(elsewhere) < waits_for:
                waits_for = len(elsewhere)
                self._progress.say(f"waiting for {counted(waits_for, 'trial')} locked by another command")
            time.sleep(0.5)
            waiting, elsewhere = elsewhere, collections.deque()

    def _job(self, trial: Trial, current: _Pass) -> Job | None:
        """The next thing to do for a trial, or None."""
        if not self._fits.has(trial.key):
            # Once in a command: who removes what it wrote would have it written for ever.
            failed = self._folder.failure(trial.key) is not None
            if not self._train or trial.key in self._trained or (failed and not self._retry):
                return None
            return self._make(trial, "train")
        siblings: list[str] = []
        if current.siblings:
            if self._fits.waits_for(trial):
                return None
            siblings = self._fits.siblings(trial)
        # What needs a plugin is a job of its own, behind what the core computes alone.
        missing = self._companies.first(self._missing(trial.key, current, siblings))
        return self._make(trial, "measure", missing, siblings) if missing else None

    def _say_who_waits(self) -> None:
        left_out = self._budget.is_left_out if self._budget else lambda trial: False
        asked = [each for each in self._fits.unfinished if not left_out(each)]
        if waiting := sum(bool(self._fits.waits_for(each)) for each in asked):
            what, folder = ", ".join(self._second.measures), quote(str(self._folder.path))
            self._progress.say(
                f"{what}: {counted(waiting, 'trial')} must wait until all seeds of a configuration are "
                f"trained; 'genbench measure {folder}' computes them then"
            )

    def _say_what_is_of_other_code(self) -> None:
        if self._untrained and self._fits.has_others():
            self._progress.say(
                f"{counted(len(self._untrained), 'trial')} not measured: what is there was trained by other "
                "code or versions of their components, or on other data; 'genbench run' trains anew"
            )

    def _missing(self, key: str, current: _Pass, siblings: Sequence[str] = ()) -> list[str]:
        untried = [each for each in current.measures if each not in self._tried.get(key, ())]
        if not untried:
            return []  # whatever the records say, and reading them takes longer than all else here
        wanted = {each: self._value_key(key, each, siblings) for each in untried}
        values = self._folder.measured(key, wanted).values
        return [
            each
            for each in untried
            if each not in values or (self._retry and Status(values[each]["status"]).is_fault)
        ]

    def _value_key(self, key: str, spelling: str, siblings: Sequence[str]) -> str:
        compared = tuple(siblings) if spelling in self._second.measures else ()
        return _key_of_value(key, self._identities[spelling], compared)

    def _make(
        self,
        trial: Trial,
        kind: Literal["train", "measure"],
        measures: Sequence[str] = (),
        siblings: Sequence[str] = (),
    ) -> Job:
        suite = self._plan.suite
        return Job(
            kind=kind,
            key=trial.key,
            trial=trial.as_dict(),
            folder=str(self._folder.path.resolve()),
            plugins=self._companies.sources(trial, measures),
            data=self._data,
            keep=list(suite.keep),
            limits=asdict(suite.limits),
            measures=list(measures),
            siblings=list(siblings),
            skip=self._given_up.skip,
            code=self._companies.code(trial),
        )

    # --- outcomes ----------------------------------------------------------------------------------

    def _settle(self, outcome: JobOutcome, current: _Pass) -> Job | None:
        """Put an outcome on disk; returns the job that follows from it, if any."""
        trial = self._trials[outcome.job.key]
        if outcome.status == "cancelled":
            return None
        if outcome.status == "full":
            # No fault of this trial: the others would be computed and lost in the same way.
            raise DiskFull(outcome.reason)
        if outcome.job.kind == "train":
            return self._settle_training(trial, outcome, current)
        self._settle_measuring(trial, outcome, current)
        return self._job(trial, current)

    def _settle_training(self, trial: Trial, outcome: JobOutcome, current: _Pass) -> Job | None:
        self._trained.add(trial.key)
        if self._retry:
            self._folder.forget_failures(trial.key)
        stored = self._fits.get(trial.key)
        if outcome.status != "ok" or stored is None:
            reason = outcome.reason or "the record of the fit is not readable"
            record = {
                "trial": trial.as_dict(),
                "status": outcome.status,
                "reason": reason,
                "detail": outcome.detail,
                "environment": outcome.environment,
                "time": now(),
            }
            self._folder.write_failure(trial.key, record)
            self._progress.say(f"trial {trial.key[:10]} failed: {reason}")
            return None
        self._summary.trained += 1
        self._progress.trained(trial, stored.record)
        self._observers.tell("genbench_trial_finished", trial=trial.as_dict(), record=dict(stored.record))
        return self._job(trial, current)

    def _settle_measuring(self, trial: Trial, outcome: JobOutcome, current: _Pass) -> None:
        self._tried.setdefault(trial.key, set()).update(outcome.job.measures)
        for line in self._given_up.count(outcome):
            self._progress.say(line)
        if not outcome.values:
            self._unmeasured[trial.key] = outcome.reason
            return
        # Siblings that were trained on other examples know more than the fit and its training data tell.
        held_out = {"held_out": True} if current.siblings and sees_other_examples(trial) else {}
        values = [
            {
                **value,
                **self._descriptions[value["measure"]],
                **held_out,
                "key": self._value_key(trial.key, value["measure"], outcome.job.siblings),
            }
            for value in outcome.values
        ]
        content = {
            "fit": trial.key,
            "environment": outcome.environment,
            "time": now(),
            "seconds": outcome.seconds,
            "battery_seconds": sum(each["own_seconds"] for each in outcome.values)
            + sum(each["seconds"] for each in outcome.probes.values()),
            "probes": outcome.probes,
            "values": values,
        }
        self._folder.write_values(trial.key, content)
        self._measured.add(trial.key)
        self._summary.measured = len(self._measured)
        self._progress.measured(trial, values)

    def _take_stock(self) -> Summary:
        summary = self._summary
        measures = [*self._first.measures, *self._second.measures]
        complete = []
        for trial in self._fits.unfinished:
            key, sign = trial.key, self._fits.sign(trial.key)
            if not self._fits.has(key):
                failure = self._folder.failure(key)
                if failure is not None:
                    summary.failures[key] = failure["reason"]
                elif self._folder.holds(key):
                    summary.failures[key] = "its record or its weights are damaged"
                elif key in self._trained:
                    summary.failures[key] = "its fit was written, and somebody removed it"
                continue
            siblings = self._fits.siblings(trial) if self._second.measures else []
            wanted = {each: self._value_key(key, each, siblings) for each in measures}
            values = self._folder.measured(key, wanted).values
            faulty = {name: each for name, each in values.items() if Status(each["status"]).is_fault}
            if len(values) == len(wanted) and not faulty:
                complete.append((key, sign, siblings))
            due = [*self._first.measures, *([] if self._fits.waits_for(trial) else self._second.measures)]
            why = self._unmeasured.get(key) or "there is no record of it"
            reasons = {name: each["reason"] for name, each in faulty.items()}
            for name, reason in (reasons | {each: why for each in due if each not in values}).items():
                summary.faults.setdefault(name, collections.Counter())[reason] += 1
        self._fits.keep_complete(complete)
        return summary


@lru_cache(maxsize=KEYS_KEPT)
def _key_of_value(key: str, identity: str, siblings: tuple[str, ...]) -> str:
    return value_key(key, identity, siblings)
