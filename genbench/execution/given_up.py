"""Components that are not started again in a run, because they killed or stalled worker after worker."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping

from genbench.base.values import Status
from genbench.contract.jobs import JobOutcome

__all__ = ["GivenUp"]

CRASHES_BEFORE_SKIPPING = 3
"""On so many fits in a row."""


class GivenUp:
    """Counts crashes and timeouts of probes and measures.

    Parameters
    ----------
    below : mapping
        For each measure the probes that it needs.

    Attributes
    ----------
    skip : dict
        Spelling to status and reason, as jobs have it. They share this one, so that a job that waits in the
        executor knows what is given up meanwhile.
    """

    def __init__(self, below: Mapping[str, Iterable[str]]):
        self._below = below
        self._crashes: collections.Counter[str] = collections.Counter()
        self.skip: dict[str, dict[str, str]] = {}

    def count(self, outcome: JobOutcome) -> list[str]:
        """Count what became of a job's components; a line for each that is given up now."""
        lines = []
        for component, status in outcome.culprits.items():
            if outcome.job.company and ":" not in component:
                continue  # the core's own, in a process where other code may have spoilt it
            self._crashes[component] += 1
            if self._crashes[component] == CRASHES_BEFORE_SKIPPING and component not in self.skip:
                why = f"{component} {status} on {CRASHES_BEFORE_SKIPPING} fits in a row"
                self.skip[component] = {"status": str(Status.SKIPPED), "reason": why}
                lines.append(f"{why}; it is skipped for the rest of this run")
        for value in outcome.values:
            if not Status(value["status"]).is_fault:
                self._forgive(value["measure"])
        return lines

    def _forgive(self, spelling: str) -> None:
        """A measure that was computed clears itself and the probes below it."""
        for name in (spelling, *self._below[spelling]):
            if name not in self.skip:
                self._crashes.pop(name, None)
