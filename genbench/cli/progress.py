"""What a command shows while it works: a live bar on a terminal, plain lines elsewhere, on standard error."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from genbench.base.counting import counted
from genbench.base.errors import printable
from genbench.cli.waiting import Waiting
from genbench.execution.runner import Progress
from genbench.planning.plan import Trial

__all__ = ["Lines", "Live", "progress"]

SECONDS_BETWEEN_LINES = 10.0


def progress(before: Waiting | None = None) -> Progress:
    """The progress display that suits standard error; it takes over from what was shown `before`."""
    console = Console(stderr=True)
    return Live(console, before) if console.is_terminal else Lines(before)


class Counter(Progress):
    """Counts the trials that this command has to do something for, each once however often it is measured."""

    def __init__(self, before: Waiting | None = None) -> None:
        self._shown_before, self._keys = before, set[str]()
        self.total = 0

    @property
    def done(self) -> int:
        """Trials that this command is done with."""
        return len(self._keys)

    def started(self, total: int, done: int) -> None:
        """Note how many trials there are to do."""
        self.total = total - done
        if self._shown_before is not None:
            self._shown_before.stop()

    def more(self, trials: int) -> None:
        """There is more to do than was known at the start."""
        self.total += trials

    def measured(self, trial: Trial, values: Sequence[Mapping[str, Any]]) -> None:
        """Count the trial, unless it is counted already."""
        self._keys.add(trial.key)


class Lines(Counter):
    """Plain lines, at most one each ten seconds, for logs."""

    def __init__(self, before: Waiting | None = None) -> None:
        super().__init__(before)
        self._named = set[str]()
        self._console = Console(stderr=True, width=200, highlight=False, markup=False)
        self._last = self._began = time.monotonic()

    def started(self, total: int, done: int) -> None:
        """Print how many trials there are, and how many were done before."""
        super().started(total, done)
        self.say(f"{counted(total, 'trial')}, {done} of them done before")

    def measured(self, trial: Trial, values: Sequence[Mapping[str, Any]]) -> None:
        """Count the trial; print the count if the last one is ten seconds old."""
        super().measured(trial, values)
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self.say(f"{self.done}/{self.total} trials, {now - self._began:.0f} s")

    def busy(self, key: str, component: str, seconds: float) -> None:
        """Name what takes long, once in a run."""
        if component not in self._named:
            self._named.add(component)
            self.say(f"{component} has taken {seconds:.0f} s on trial {key[:10]} and goes on")

    def say(self, line: str) -> None:
        """Print a line whole, however long it is."""
        self._console.print(printable(line), soft_wrap=True)

    def finished(self) -> None:
        """Print how many seconds it all took; it may have been interrupted, so nothing is called finished."""
        self.say(f"ended after {time.monotonic() - self._began:.0f} s")


class Live(Counter):
    """A bar with counts, elapsed and remaining time."""

    def __init__(self, console: Console, before: Waiting | None = None):
        super().__init__(before)
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
        """Show the bar of what is to be done."""
        super().started(total, done)
        self._bar.update(self._task, total=self.total)
        if self.total:
            self._bar.start()

    def more(self, trials: int) -> None:
        """Lengthen the bar."""
        super().more(trials)
        self._bar.update(self._task, total=self.total)
        if trials:
            self._bar.start()

    def trained(self, trial: Trial, record: Mapping[str, Any]) -> None:
        """Show beside the bar how this training ended, and its test error."""
        ended = f"{record['stop_reason']} after {record['epochs']} epochs"
        last = f"{ended}, test error {record['test_error']:.3f}"
        self._bar.update(self._task, last=last)

    def busy(self, key: str, component: str, seconds: float) -> None:
        """Show beside the bar what takes long."""
        self._bar.update(self._task, last=f"{component}, {seconds:.0f} s")

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
