"""Who takes long, while it does: the probe or measure that each job is at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from genbench.contract.jobs import Job

__all__ = ["Slowness"]

SECONDS = 10.0
"""From when on a component is named."""

SECONDS_BETWEEN_LOOKS = 1.0


class Slowness:
    """Hears the events of all jobs, and tells of components that take longer than `SECONDS`.

    Parameters
    ----------
    tell : callable
        ``tell(key, component, seconds)``, called about every second from a thread of its own.
    """

    def __init__(self, tell: Callable[[str, str, float], None]):
        self._tell = tell
        self._at: dict[str, tuple[str, str, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Slowness:
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._over.set()
        self._thread.join()

    def heard(self, job: Job, event: Mapping[str, Any]) -> None:
        """One event of one job: a component is at work from its note to the event behind it."""
        if event["event"] == "note":
            self._at[job.id] = (job.key, event["component"], time.monotonic())
        else:
            self._at.pop(job.id, None)

    def look(self, now: float) -> None:
        """Tell of what has been at work for long."""
        for key, component, since in list(self._at.values()):
            if now - since >= SECONDS:
                self._tell(key, component, now - since)

    def _look(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self.look(time.monotonic())
