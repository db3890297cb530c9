"""What a runner tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genbench.planning.plan import Trial

__all__ = ["Progress"]


class Progress:
    """What the runner tells while it works; this one keeps silent."""

    def started(self, total: int, done: int) -> None:
        """The run begins; `done` of `total` trials need nothing."""

    def more(self, trials: int) -> None:
        """So many trials that needed nothing of their own are compared with siblings that are there now."""

    def trained(self, trial: Trial, record: Mapping[str, Any]) -> None:
        """A fit is on disk."""

    def measured(self, trial: Trial, values: Sequence[Mapping[str, Any]]) -> None:
        """Values of a fit are on disk; for those that compare it with its siblings there is a second call."""

    def busy(self, key: str, component: str, seconds: float) -> None:
        """A probe or measure of a fit has been at work for so long; called from a thread of its own."""

    def say(self, line: str) -> None:
        """Something that the user should know."""

    def finished(self) -> None:
        """Nothing is left to do."""
