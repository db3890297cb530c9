"""A limit of time for a command: which configurations it begins, whole ones only, and when it stops."""

from __future__ import annotations

import collections
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from genbench.base.durations import in_words
from genbench.base.errors import UsageError
from genbench.contract.jobs import JobOutcome
from genbench.planning.balance import balanced_order
from genbench.planning.plan import Trial

__all__ = ["Budget", "Expected"]

JOBS_REMEMBERED = 100
"""So many jobs that ended last tell how wrong what was expected is."""


@dataclass(frozen=True)
class Expected:
    """Seconds that training a trial and measuring its fit are expected to take; 0 for what is done."""

    train: float = 0.0
    measure: float = 0.0

    def __add__(self, other: Expected) -> Expected:
        return Expected(self.train + other.train, self.measure + other.measure)

    def __sub__(self, other: Expected) -> Expected:
        return Expected(self.train - other.train, self.measure - other.measure)


class Budget:
    """Configurations in an order of which every beginning is balanced, begun while they can be finished.

    What was expected is corrected by what the jobs of this command took.

    Parameters
    ----------
    seconds : float
        Of the clock on the wall, from the first time that a configuration is asked about.
    slots : int
        Trials at a time.
    trials : sequence of Trial
        The whole grid.
    expected : mapping
        For each key of a trial that is not done what it is expected to take.
    clock : callable
        Seconds from any start.
    """

    def __init__(
        self,
        seconds: float,
        slots: int,
        trials: Sequence[Trial],
        expected: Mapping[str, Expected],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.seconds = seconds
        self._slots = slots
        self._expected = dict(expected)
        self._clock = clock
        self._began: float | None = None
        self._ratios = {
            kind: collections.deque[float](maxlen=JOBS_REMEMBERED) for kind in ("train", "measure")
        }
        self._begun: set[str] = set()
        self._open = Expected()
        self._full = False
        of_one: dict[str, list[Trial]] = {}
        for each in trials:
            of_one.setdefault(each.configuration, []).append(each)
        listed = list(of_one.values())
        done = [place for place, each in enumerate(listed) if not any(t.key in expected for t in each)]
        order = balanced_order([each[0].coordinates() for each in listed], done)
        self.configurations = [listed[place] for place in order]
        self.done = len(done)
        self._of_one = of_one

    def picked(self) -> list[list[Trial]]:
        """The configurations that can be expected to be whole in time, those that are done among them."""
        picked, spent = self.configurations[: self.done], 0.0
        for each in self.configurations[self.done :]:
            spent += self._cost(each)
            if max(spent / self._slots, self._longest(each)) > self.seconds:
                break
            picked.append(each)
        return picked

    def check(self) -> None:
        """Refuse a budget in which nothing can be done.

        Raises
        ------
        UsageError
            The first configuration that is not done is expected to take longer.
        """
        if self.done == len(self.configurations) or len(self.picked()) > self.done:
            return
        first = self.configurations[self.done]
        needed = max(self._cost(first) / self._slots, self._longest(first))
        raise UsageError(
            f"--budget: {in_words(self.seconds)} is too little for one configuration: its {len(first)} "
            f"seeds take about {in_words(needed)} with {self._slots} at a time"
        )

    def seconds_of(self, configurations: Iterable[Sequence[Trial]]) -> float:
        """What some configurations are expected to take on the slots that there are."""
        return sum(map(self._cost, configurations)) / self._slots

    def ordered(self, trials: Iterable[Trial]) -> list[Trial]:
        """Trials in the order of their configurations."""
        wanted = {each.key: each for each in trials}
        return [wanted[t.key] for each in self.configurations for t in each if t.key in wanted]

    def may_begin(self, trial: Trial) -> bool:
        """Whether to begin a trial: its configuration is begun already, or can be finished in time."""
        now = self._clock()
        if self._began is None:
            self._began = now
        if trial.configuration in self._begun:
            return True
        seeds = self._of_one[trial.configuration]
        left = self.seconds - (now - self._began)
        together = self._open + self._sum(seeds)
        needed = max(self._seconds(together) / self._slots, self._longest(seeds))
        self._full = self._full or needed > left
        if not self._full:
            self._begun.add(trial.configuration)
            self._open = together
        return not self._full

    def ended(self, outcome: JobOutcome) -> None:
        """Take note of what a job took."""
        job = outcome.job
        known = self._expected.get(job.key)
        if known is None:
            return
        expected = getattr(known, job.kind)
        if expected > 0 and outcome.status == "ok":
            self._ratios[job.kind].append(outcome.seconds / expected)
        over = Expected(train=known.train) if job.kind == "train" and outcome.status == "ok" else known
        self._expected[job.key] = known - over
        self._open -= over

    def is_left_out(self, trial: Trial) -> bool:
        """Whether the budget ended before this trial's configuration was begun."""
        return self._full and trial.configuration not in self._begun and trial.key in self._expected

    @property
    def closing(self) -> str:
        """A line on what was left out; empty where nothing was."""
        whole = len(self._begun) + self.done
        if not self._full:
            return ""
        return (
            f"the budget of {in_words(self.seconds)} ends here: {whole} of {len(self.configurations)} "
            "configurations, whole ones; the same command goes on from there"
        )

    def _sum(self, seeds: Iterable[Trial]) -> Expected:
        return sum((self._expected.get(each.key, Expected()) for each in seeds), Expected())

    def _cost(self, seeds: Iterable[Trial]) -> float:
        return self._seconds(self._sum(seeds))

    def _longest(self, seeds: Iterable[Trial]) -> float:
        return max(self._cost([each]) for each in seeds)

    def _seconds(self, expected: Expected) -> float:
        """What was expected, corrected by what jobs took."""
        return expected.train * self._ratio("train") + expected.measure * self._ratio("measure")

    def _ratio(self, kind: str) -> float:
        # The median: the first job of each worker imports what later ones find there.
        return statistics.median(self._ratios[kind]) if self._ratios[kind] else 1.0
