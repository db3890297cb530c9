"""An executor held to what it promises: one outcome for each job, with what the job asked for."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from genbench.base.errors import GenbenchError, MissingResult, first_line
from genbench.contract.components import declaration
from genbench.contract.jobs import Executor, Job, JobOutcome
from genbench.execution.channel import ChannelBroken
from genbench.execution.engine_apart import EngineApart, EngineFault
from genbench.execution.outcomes import sound

__all__ = ["HeldExecutor"]

_STATUSES = ("ok", "error", "crashed", "timeout", "full", "cancelled")


class HeldExecutor:
    """Hands on what an executor does, and ends the run with its name where it breaks its word.

    What was recorded before stays.

    Parameters
    ----------
    executor : Executor
        Of the core or a plugin.
    """

    def __init__(self, executor: Executor):
        self._executor = executor
        declared = declaration(type(executor))
        name = declared.name if declared else type(executor).__name__
        self._name = executor.name if isinstance(executor, EngineApart) else name
        self._is_core = type(executor).__module__.partition(".")[0] == "genbench"
        self._open: dict[str, Job] = {}
        self._doomed: dict[str, str] = {}
        self._given_up: collections.deque[JobOutcome] = collections.deque()

    @property
    def slots(self) -> int:
        """Jobs at a time."""
        return max(1, int(self._own(lambda: self._executor.slots)))

    def give_up(self, doomed: Mapping[str, str]) -> None:
        """Let trainings of these trials, by key, end at once, for the reason that is given."""
        self._doomed.update(doomed)

    def submit(self, job: Job) -> str:
        """Hand a job over."""
        if job.kind == "train" and job.key in self._doomed:
            self._given_up.append(JobOutcome(job, "crashed", self._doomed[job.key]))
            return job.id
        self._open[job.id] = job
        self._own(lambda: self._executor.submit(job))
        return job.id

    def results(self) -> Iterator[JobOutcome]:
        """Outcomes as they come.

        Raises
        ------
        MissingResult
            One is not of a job that is open, or not what such a job ends with; or the last job has none.
        """
        while self._given_up or self._open:
            if self._given_up:
                yield self._given_up.popleft()
                continue
            left = len(self._open)
            for outcome in self._outcomes():
                yield self._checked(outcome)
                left = -1
            # More may have been handed over when the last outcome had come.
            if len(self._open) == left:
                raise MissingResult(f"executor '{self._name}' left {left} jobs without an outcome")

    def cancel(self, id: str) -> None:
        """Leave out a job that has not begun."""
        self._own(lambda: self._executor.cancel(id))

    def close(self) -> None:
        """Stop at once."""
        self._own(self._executor.close)

    def _outcomes(self) -> Iterator[Any]:
        outcomes = self._own(lambda: iter(self._executor.results()))
        end = object()
        while (outcome := self._own(lambda: next(outcomes, end))) is not end:
            yield outcome

    def _checked(self, outcome: Any) -> JobOutcome:
        if not isinstance(outcome, JobOutcome) or outcome.status not in _STATUSES:
            raise self._broken("gave something else than an outcome")
        job = self._open.pop(getattr(outcome.job, "id", ""), None)
        if job is None:
            raise self._broken("gave an outcome of a job that it has not, or gave it twice")
        left = list(job.measures)
        try:
            for value in outcome.values:
                left.remove(sound(value, left)["measure"])
        except (ChannelBroken, AttributeError, TypeError, KeyError):
            raise self._broken("gave a value that its job was not asked for") from None
        return outcome

    def _broken(self, how: str) -> MissingResult:
        return MissingResult(f"executor '{self._name}' {how}; the run ends here, and what is recorded stays")

    def _own(self, call: Callable[[], Any]) -> Any:
        """Call code of the executor."""
        try:
            return call()
        except GenbenchError:
            raise
        except EngineFault as fault:
            raise self._broken(str(fault)) from None
        except Exception as fault:
            if self._is_core:
                raise
            raise self._broken(f"raised {type(fault).__name__}: {first_line(fault)}") from fault
