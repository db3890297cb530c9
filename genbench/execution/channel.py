"""What a worker and its supervisor say to each other: one JSON text a line, on a descriptor of its own.

Standard output is not the channel, so that what a component prints cannot be taken for an answer. Every event
names its job, its fit and a token that only this job was given, and counts up from 0: a line that comes from
elsewhere, twice or too late is noticed, and who reads it trusts nothing that this worker says.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import secrets
import threading
from collections.abc import Mapping
from typing import IO, Any

__all__ = ["CHANNEL", "ChannelBroken", "Expected", "Lines", "Overheard", "Speaker", "stamped"]

CHANNEL = "GENBENCH_CHANNEL"
"""Environment variable that tells a worker the descriptor on which it is heard."""

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
        due = {"job": self.job, "fit": self.fit, "token": self.token, "number": self.number}
        if any(event.get(name) != value for name, value in due.items()):
            raise ChannelBroken("it spoke of another job than the one that it was given")
        for name, kind in _PARTS.get(event["event"], {}).items():
            if not isinstance(event.get(name), kind):
                raise ChannelBroken(f"an event '{event['event']}' lacks its {name}")
        self.number += 1


class Speaker:
    """The worker's side: writes events, from the process that it was made in and from no other."""

    def __init__(self, stream: IO[str]):
        self._stream = stream
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

    def _abandon(self) -> None:
        # Not `close`: that would write what the parent has not flushed, and free the number for other files.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), self._stream.fileno(), inheritable=False)


class Lines:
    """The supervisor's side: a thread reads lines, each within limits, until the other end is closed."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
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
        with self._stream as stream:
            while line := stream.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE or self._waiting.qsize() > MOST_WAITING:
                    self._waiting.put(ChannelBroken("its channel was flooded"))
                    return
                self._waiting.put(line)
        self._waiting.put(None)


class Overheard:
    """The end of what a process prints, however much that is and wherever its lines end."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self._end = b""
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def lines(self) -> list[str]:
        """The last lines, oldest first."""
        return self._end.decode(errors="replace").splitlines()[-LAST_WORDS_LINES:]

    def _read(self) -> None:
        with self._stream as stream:
            while chunk := os.read(stream.fileno(), LAST_WORDS_BYTES):
                self._end = (self._end + chunk)[-LAST_WORDS_BYTES:]
