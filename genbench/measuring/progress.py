"""How far `genbench.evaluate` is: a bar on a terminal or in a notebook, told to a function, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from genbench.base.values import Value

__all__ = ["Report", "reporting"]

SECONDS_BETWEEN_LINES = 10.0


class Report:
    """Counts measures and tells a function: ``tell(done, all, name)``, the name of what is computed now."""

    def __init__(self, tell: Callable[[int, int, str], object], total: int):
        self._tell, self._total, self._done = tell, total, 0

    def now(self, spelling: str, kind: str) -> None:
        """A measure or a probe starts."""
        self._tell(self._done, self._total, spelling)

    def done(self, value: Value) -> None:
        """A measure has ended."""
        self._done += 1
        self._tell(self._done, self._total, value.name)


@contextmanager
def reporting(progress: bool | Callable[[int, int, str], object], total: int) -> Iterator[Report]:
    """A report to a function, a bar where `progress` is true, nobody where it is false."""
    if callable(progress):
        yield Report(progress, total)
    elif not progress:
        yield Report(lambda *what: None, total)
    else:
        from rich.console import Console

        console = Console(stderr=True)
        if console.is_terminal or console.is_jupyter:
            with _bar(console, total) as tell:
                yield Report(tell, total)
        else:
            yield Report(_Lines(console), total)


@contextmanager
def _bar(console: Any, total: int) -> Iterator[Callable[[int, int, str], object]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, now="")
        yield lambda done, whole, name: bar.update(task, completed=done, now=name)


class _Lines:
    """A plain line each ten seconds, for logs."""

    def __init__(self, console: Any):
        self._console, self._last = console, time.monotonic()

    def __call__(self, done: int, total: int, name: str) -> None:
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self._console.print(f"{done}/{total} measures, at {name}", markup=False, highlight=False)
