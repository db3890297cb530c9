"""A worker process, as whoever supervises it sees it: it is sent jobs, heard, and ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from genbench.base.children import child_environment, kill_group
from genbench.base.machine import is_stopped
from genbench.execution.apart import Scratch
from genbench.execution.channel import BELL, CHANNEL, Lines, Overheard

__all__ = ["WorkerDied", "WorkerProcess", "WorkerStalled"]

# How often it is looked whether a silent worker is still there, and for how long one may stand still.
LOOK_SECONDS = 1.0
STOPPED_SECONDS = 30.0
# A process that is heard no more has so long to end.
ENDING_SECONDS = 10.0
# What a process printed is read by a thread that may be late; others may hold its output open for ever.
LAST_WORDS_SECONDS = 2.0


class WorkerDied(Exception):
    """The worker process is gone."""


class WorkerStalled(Exception):
    """The worker process said nothing within the time that it had."""


class WorkerProcess:
    """A worker process and the lines that it writes.

    Parameters
    ----------
    threads : int
        For each of its libraries that has threads.
    command : sequence of str
        The program and its arguments.
    scratch : Scratch, optional
        The folder of a process that measures for plugins, which ends with it.
    """

    # -P and the driver's own path: the worker imports what the driver imports, from wherever it runs.
    COMMAND = (sys.executable, "-P", "-m", "genbench.execution.worker")

    def __init__(self, threads: int, command: Sequence[str] = COMMAND, scratch: Scratch | None = None):
        self.threads = threads
        self.scratch = scratch
        environment = child_environment(
            OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), CUBLAS_WORKSPACE_CONFIG=":4096:8"
        )
        if scratch is not None:
            command, environment = (*command, scratch.argument), scratch.environment(environment)
        heard, spoken = os.pipe()
        bell, rung = os.pipe()
        try:
            self._process = subprocess.Popen(
                command,
                cwd=None if scratch is None else scratch.place,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**environment, CHANNEL: str(spoken), BELL: str(rung)},
                pass_fds=(spoken, rung),
                start_new_session=True,  # Ctrl-C reaches the driver alone, which then ends its workers
            )
        except OSError:
            os.close(heard)
            os.close(bell)
            raise
        finally:
            os.close(spoken)
            os.close(rung)
        assert self._process.stdout is not None
        self._lines = Lines(os.fdopen(heard, "rb"), os.fdopen(bell, "rb"))
        self._printed = Overheard(self._process.stdout)
        self._stopped_since: float | None = None

    @property
    def last_words(self) -> list[str]:
        """The end of what the process printed, in lines; waits a moment for what is not read yet."""
        self._printed.wait(LAST_WORDS_SECONDS)
        return self._printed.lines

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def how_it_ended(self) -> str:
        """The exit code or the signal that ended the process, in words; waits for the end, or makes it."""
        try:
            code = self._process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return "the worker closed its channel and was killed"
        if self._stopped_since is not None:
            return f"the worker stood still for {STOPPED_SECONDS:g} s (SIGSTOP) and was killed"
        if code >= 0:
            return f"the worker exited with code {code}"
        with contextlib.suppress(ValueError):
            return f"the worker was killed by signal {-code} ({signal.Signals(-code).name})"
        return f"the worker was killed by signal {-code}"

    def send(self, job: Mapping[str, Any]) -> None:
        """Hand a job over; raises `WorkerDied`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise WorkerDied from None

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next event.

        Raises
        ------
        WorkerStalled
            None came in time.
        WorkerDied
            The process is gone, or does not run on.
        ChannelBroken
            What came is no event.
        """
        deadline = time.monotonic() + seconds
        gone = False
        while True:
            left = deadline - time.monotonic()
            try:
                event = self._lines.next(max(0.0, min(left, LOOK_SECONDS)))
            except queue.Empty:
                # Its children may hold the channel open behind its death.
                if gone or self._stands_still():
                    raise WorkerDied from None
                if left <= 0:
                    raise WorkerStalled from None
                gone = not self.alive
                continue
            if event is None:
                raise WorkerDied
            return event

    def _stands_still(self) -> bool:
        """Whether somebody stopped the process long ago; it is killed then."""
        if not is_stopped(self._process.pid):
            self._stopped_since = None
            return False
        now = time.monotonic()
        self._stopped_since = self._stopped_since or now
        if now - self._stopped_since < STOPPED_SECONDS:
            return False
        self.kill()
        return True

    def kill(self) -> None:
        """End the process and all that it started."""
        kill_group(self._process)
        if self.scratch is not None:
            self.scratch.remove()
