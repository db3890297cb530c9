"""How many trainings at once: found by watching how many steps they make together."""

from __future__ import annotations

__all__ = ["Pace"]

FIRST = 4
WINDOW_SECONDS = 4.0
WORTH = 1.05
"""A larger company stays if it is so many times as fast as the smaller one."""


class Pace:
    """Doubles a company as long as this makes it faster, and goes back by one doubling where it does not.

    Parameters
    ----------
    most : int
        Members at once, at most.
    first : int
        To begin with.

    Attributes
    ----------
    at_once : int
    """

    def __init__(self, most: int, first: int = FIRST):
        self._most = most
        self.at_once = min(first, most)
        self._settled = self.at_once == most
        self._best = 0.0
        self._before = 0
        self._since: tuple[float, int] | None = None

    def watch(self, now: float, steps: int, company: int) -> None:
        """Look at the clock and at the steps made so far; a company that is not whole is not judged."""
        if self._settled:
            return
        if company < self.at_once:
            self._since = None
        elif self._since is None:
            self._since = (now, steps)
        elif now - self._since[0] >= WINDOW_SECONDS:
            rate = (steps - self._since[1]) / (now - self._since[0])
            self._since = None
            self._judge(rate)

    def halved(self, at_once: int) -> None:
        """Memory ran out: stay with so many."""
        self.at_once, self._settled = at_once, True

    def _judge(self, rate: float) -> None:
        if rate < WORTH * self._best:
            self.at_once, self._settled = self._before, True
            return
        self._best, self._before = rate, self.at_once
        self.at_once = min(self._most, 2 * self.at_once)
        self._settled = self.at_once == self._before
