"""What a worker and its supervisor say to each other: one JSON text a line, on a descriptor of its own.

Standard output is not the channel, so that what a component prints cannot be taken for an answer. Every event
names its job, its fit and a token that only this job was given, and counts up from 0: a line that comes from
elsewhere, twice or too late is noticed, and who reads it trusts nothing that this worker says.

A worker says hundreds of things in a second, each at once, for it may die of what comes next. To wake up
for each takes much longer than to read it: what was said lies in the pipe for a moment, until more has come
or the worker rings.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import queue
import secrets
import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

__all__ = [
    "BELL", "CHANNEL", "ChannelBroken", "Epochs", "Expected", "Lines", "Overheard", "Speaker", "stamped",
]  # fmt: skip

CHANNEL = "GENBENCH_CHANNEL"
"""Environment variable that tells a worker the descriptor on which it is heard."""

BELL = "GENBENCH_BELL"
"""Environment variable that tells a worker the descriptor on which it rings."""

GATHERING_SECONDS = 0.05
EPOCH_SECONDS = 0.1
CAN_WAIT = frozenset({"note", "spent", "value", "epoch"})
"""Events that are not rung for: others follow, and nobody waits for these."""

MOST_UNRUNG = 16_384
MOST_AT_ONCE = 65_536
LONGEST_LINE = 8 << 20
MOST_WAITING = 100_000
LAST_WORDS_BYTES = 16_384
LAST_WORDS_LINES = 20
# A process that goes on where another one was forked from it has no business on its channel.
FORKED = 70


_PARTS: Mapping[str, Mapping[str, type]] = {
    "note": {"component": str, "kind": str},
    "spent": {"probe": str, "cost": dict},
    "value": {"value": dict},
    "spoilt": {"component": str, "kind": str, "reason": str},
    "described": {"description": dict},
    "failed": {"reason": str, "detail": str},
}
"""What events of a kind must hold."""


class ChannelBroken(Exception):
    """A line on the channel is not what this job's worker should say next; the text says why."""


def stamped(job: Mapping[str, Any], number: int) -> dict[str, Any]:
    """What the event with this number says of its job."""
    return {"job": job["id"], "fit": job["key"], "token": job["token"], "number": number}


@dataclasses.dataclass
class Expected:
    """The events of one attempt at one job, checked one by one.

    Attributes
    ----------
    job, fit : str
        The job's id and the fit's key.
    token : str
        Made anew for each attempt.
    """

    job: str
    fit: str
    token: str = dataclasses.field(default_factory=lambda: secrets.token_hex(16))
    number: int = 0

    def asked(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """The job as it is sent, with what its events have to name."""
        return {**job, "id": self.job, "token": self.token}

    def check(self, event: Mapping[str, Any]) -> None:
        """Raise `ChannelBroken` unless the event is the next one of this job."""
        stamp = event.get("job"), event.get("fit"), event.get("token"), event.get("number")
        if stamp != (self.job, self.fit, self.token, self.number):
            raise ChannelBroken("it spoke of another job than the one that it was given")
        for name, kind in _PARTS.get(event["event"], {}).items():
            if not isinstance(event.get(name), kind):
                raise ChannelBroken(f"an event '{event['event']}' lacks its {name}")
        self.number += 1


class Speaker:
    """The worker's side: writes events, from the process that it was made in and from no other.

    Parameters
    ----------
    stream : file
    bell : int, optional
        The descriptor on which it rings.
    """

    def __init__(self, stream: IO[str], bell: int | None = None):
        self._stream = stream
        self._bell = bell
        self._unrung = 0
        self._process = os.getpid()
        self._guard = threading.Lock()
        # Only what the system forks by itself, or native code does, still holds the descriptor.
        os.register_at_fork(after_in_child=self._abandon)

    def __call__(self, message: Mapping[str, Any]) -> None:
        """Say a message; a copy of this process ends here instead."""
        if os.getpid() != self._process:
            os._exit(FORKED)
        text = json.dumps(message)
        with self._guard:
            self._stream.write(text + "\n")
            self._stream.flush()
            self._unrung += len(text)
            # Whoever filled the pipe would have to wait for room.
            if self._bell is not None and (message["event"] not in CAN_WAIT or self._unrung > MOST_UNRUNG):
                os.write(self._bell, b"\a")
                self._unrung = 0

    def _abandon(self) -> None:
        # Not `close`: that would write what the parent has not flushed, and free the number for other files.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), self._stream.fileno(), inheritable=False)
            if self._bell is not None:
                os.dup2(nowhere.fileno(), self._bell, inheritable=False)


class Epochs:
    """Says the epochs of a training by `say`, of many short ones now and then one."""

    def __init__(self, say: Callable[[Mapping[str, Any]], None]):
        self._say = say
        self._silent_until = -math.inf

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Hear of an epoch."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + EPOCH_SECONDS
            self._say({"event": "epoch", **row})


class Lines:
    """The supervisor's side: a thread reads lines, each within limits, until the other end is closed.

    Parameters
    ----------
    stream : file
    bell : file, optional
        Rung for what is not to wait; nothing waits where there is none.
    """

    def __init__(self, stream: IO[bytes], bell: IO[bytes] | None = None):
        self._stream = stream
        self._bell = bell
        self._waiting: queue.SimpleQueue[bytes | ChannelBroken | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self, seconds: float) -> dict[str, Any] | None:
        """The next event, None at the end; raises `queue.Empty` in silence, `ChannelBroken` at nonsense."""
        line = self._waiting.get(timeout=seconds)
        if line is None:
            return None
        if isinstance(line, ChannelBroken):
            raise line
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            raise ChannelBroken("something else than an event was written to its channel") from None
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            raise ChannelBroken("something else than an event was written to its channel")
        return event

    def _read(self) -> None:
        begun = b""
        with self._stream as stream, self._bell or contextlib.nullcontext():
            self._gather()
            while chunk := os.read(stream.fileno(), MOST_AT_ONCE):
                *lines, begun = (begun + chunk).split(b"\n")
                if len(begun) >= LONGEST_LINE or self._waiting.qsize() + len(lines) > MOST_WAITING:
                    self._waiting.put(ChannelBroken("its channel was flooded"))
                    return
                for line in lines:
                    self._waiting.put(line)
                if len(chunk) < MOST_AT_ONCE // 2:  # else more is there, and its writer may wait for room
                    self._gather()
        if begun:
            self._waiting.put(begun)
        self._waiting.put(None)

    def _gather(self) -> None:
        """Wait until something is said, then a moment for more."""
        if self._bell is None:
            return
        _wait_for(self._stream)
        if _wait_for(self._bell, GATHERING_SECONDS):
            os.read(self._bell.fileno(), MOST_AT_ONCE)


def _wait_for(stream: IO[bytes], seconds: float | None = None) -> bool:
    """Whether there is something to read, or the end."""
    there = select.poll()  # `select.select` knows no descriptors from 1024 on
    there.register(stream, select.POLLIN)
    return bool(there.poll(None if seconds is None else seconds * 1000))


class Overheard:
    """The end of what a process prints, however much that is and wherever its lines end."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self._end = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self, seconds: float) -> None:
        """Wait until all is read and nobody can print more, at most for so long."""
        self._reader.join(seconds)

    @property
    def lines(self) -> list[str]:
        """The last lines, oldest first."""
        return self._end.decode(errors="replace").splitlines()[-LAST_WORDS_LINES:]

    def _read(self) -> None:
        with self._stream as stream:
            while chunk := os.read(stream.fileno(), LAST_WORDS_BYTES):
                self._end = (self._end + chunk)[-LAST_WORDS_BYTES:]
