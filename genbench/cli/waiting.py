"""What a command shows while it reads, ranks or loads, when that takes longer than a glance."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

import click

__all__ = ["Waiting"]

SECONDS_OF_SILENCE = 2.0
"""How long a terminal shows nothing."""

SECONDS_BEFORE_A_LINE = 20.0
"""How long a log gets nothing; then a line, and others after twice, four times ... as long."""


class Waiting:
    """Tells on standard error what is going on, after a while of silence: a turning sign, or lines in a log.

    Used as ``with Waiting("reading the run") as at: ...; at.now("ranking it"); ...``.

    Parameters
    ----------
    what : str
        As in "ranking 208 measures".
    """

    def __init__(self, what: str):
        self._what = what
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._began = time.monotonic()

    def __enter__(self) -> Waiting:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def now(self, what: str) -> None:
        """Something else goes on."""
        self._what = what

    def stop(self) -> None:
        """Show nothing any more; what comes next may print. Stopping twice is stopping once."""
        self._over.set()
        self._thread.join()

    def _show(self) -> None:
        # What is over at once imports nothing.
        if not sys.stderr.isatty():
            self._log()
        elif not self._over.wait(SECONDS_OF_SILENCE):
            self._turn()

    def _turn(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as sign:
            task = sign.add_task(self._what, total=None)
            sign.tasks[0].start_time = self._began
            while not self._over.wait(0.2):
                sign.update(task, description=self._what)

    def _log(self) -> None:
        pause = SECONDS_BEFORE_A_LINE
        while not self._over.wait(pause - (time.monotonic() - self._began)):
            click.echo(f"genbench: {self._what}, {time.monotonic() - self._began:.0f} s so far", err=True)
            pause *= 2
