"""What a command shows while it works: a live bar on a terminal, plain lines elsewhere, on standard error."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from genbench.base.errors import printable
from genbench.execution.runner import Progress
from genbench.planning.plan import Trial

__all__ = ["Lines", "Live", "progress"]

SECONDS_BETWEEN_LINES = 10.0


def progress() -> Progress:
    """The progress display that suits standard error."""
    console = Console(stderr=True)
    return Live(console) if console.is_terminal else Lines()


class Counter(Progress):
    """Counts trials, each once however often it is measured."""

    def __init__(self) -> None:
        self._before, self._keys = 0, set[str]()
        self.total = 0

    @property
    def done(self) -> int:
        """Trials that are done, those of earlier runs among them."""
        return self._before + len(self._keys)

    def started(self, total: int, done: int) -> None:
        """Note how many trials there are, and how many were done before."""
        self.total, self._before = total, done

    def measured(self, trial: Trial, values: Sequence[Mapping[str, Any]]) -> None:
        """Count the trial, unless it is counted already."""
        self._keys.add(trial.key)


class Lines(Counter):
    """Plain lines, at most one each ten seconds, for logs."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True, width=200, highlight=False, markup=False)
        self._last = self._began = time.monotonic()

    def started(self, total: int, done: int) -> None:
        """Print how many trials there are, and how many were done before."""
        super().started(total, done)
        self.say(f"{total} trials, {done} of them done before")

    def measured(self, trial: Trial, values: Sequence[Mapping[str, Any]]) -> None:
        """Count the trial; print the count if the last one is ten seconds old."""
        super().measured(trial, values)
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self.say(f"{self.done}/{self.total} trials, {now - self._began:.0f} s")

    def say(self, line: str) -> None:
        """Print a line whole, however long it is."""
        self._console.print(printable(line), soft_wrap=True)

    def finished(self) -> None:
        """Print how many seconds it all took."""
        self.say(f"finished after {time.monotonic() - self._began:.0f} s")


class Live(Counter):
    """A bar with counts, elapsed and remaining time."""

    def __init__(self, console: Console):
        super().__init__()
        self._bar = Bar(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[last]}", style="dim"),
            console=console,
            transient=True,
        )
        self._console = console
        self._task = self._bar.add_task("trials", total=None, last="")

    def started(self, total: int, done: int) -> None:
        """Show the bar, with what was done before."""
        super().started(total, done)
        self._bar.update(self._task, total=total, completed=done)
        self._bar.start()

    def trained(self, trial: Trial, record: Mapping[str, Any]) -> None:
        """Show beside the bar how this training ended, and its test error."""
        ended = f"{record['stop_reason']} after {record['epochs']} epochs"
        last = f"{ended}, test error {record['test_error']:.3f}"
        self._bar.update(self._task, last=last)

    def measured(self, trial: Trial, values: Sequence[Mapping[str, Any]]) -> None:
        """Count the trial and move the bar."""
        super().measured(trial, values)
        self._bar.update(self._task, completed=self.done)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(printable(line), markup=False, highlight=False)

    def finished(self) -> None:
        """Take the bar away."""
        self._bar.stop()
