"""An executor of a plugin, whose code runs in a process of its own: what stands for it in the command."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from genbench.base.children import child_environment, kill_group
from genbench.base.errors import DiskFull, GenbenchError, InvalidInput, MissingResult, UsageError, printable
from genbench.contract.jobs import Job, JobOutcome
from genbench.execution.channel import CHANNEL, ChannelBroken, Lines
from genbench.execution.mirror import Mirror

__all__ = ["OUTCOME", "EngineApart", "EngineFault"]

PATIENCE_SECONDS = 600.0
"""For an answer to anything but the question for the next outcome; clusters may take long to be reached."""
SECONDS_TO_CLOSE = 30.0
LOOK_SECONDS = 0.5
"""How often it is looked whether a silent process is still there."""

OUTCOME: Mapping[str, type | tuple[type, ...]] = {
    "status": str, "reason": str, "detail": str, "values": list, "probes": dict, "seconds": (int, float),
    "culprits": dict, "environment": str,
}  # fmt: skip
"""What a `JobOutcome` holds beside its job, in plain data."""

_FAULTS = {each.__name__: each for each in (DiskFull, MissingResult, UsageError)}


class EngineFault(Exception):
    """The executor's code raised, or its process ended; the text says which."""


class EngineApart:
    """Does what `genbench.contract.jobs.Executor` says, by asking a process that has the executor.

    `genbench.execution.serving` is that process. It answers one question after the other, so that the
    executor's own code is called by one thread as it would be here.

    Parameters
    ----------
    name : str
        The executor's, with its plugin's.
    asked : mapping
        Fields of `genbench.execution.engines.Asked`.
    sources : sequence of mapping
        The core's rooms and the plugin that has it.
    say : callable
        Takes lines for the user.
    mirror : Mirror, optional
        Where its jobs are done. Without one they are done in the run folder.

    Attributes
    ----------
    slots : int
    remote : bool
    name : str

    Raises
    ------
    UsageError, InvalidInput
        It does not take what is asked for.
    EngineFault
    """

    def __init__(
        self, name: str, asked: Mapping[str, Any], sources: Sequence[Mapping[str, Any]],
        say: Callable[[str], None], mirror: Mirror | None = None,
    ):  # fmt: skip
        self.name = name
        self.slots, self.remote = 1, False
        self._say = say
        self._heard: Callable[[Job, Mapping[str, Any]], None] = lambda job, event: None
        self._jobs: dict[str, Job] = {}
        self._mirror = mirror
        kept = [] if mirror is None else [str(each) for each in mirror.kept]
        places = {} if mirror is None else mirror.environment()
        heard, spoken = os.pipe()
        sys.stderr.flush()
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-m", "genbench.execution.serving", json.dumps(kept)),
            stdin=subprocess.PIPE,
            stdout=2,  # what it prints must not end up among the results
            env=child_environment(**{CHANNEL: str(spoken)}, **places),
            pass_fds=(spoken,),
            start_new_session=True,
        )
        os.close(spoken)
        self._lines = Lines(os.fdopen(heard, "rb"))
        self._ended = weakref.finalize(self, _end, self._process, mirror)
        try:
            self._ask("begin", name=name, sources=list(sources), asked=dict(asked))
        except BaseException:
            self._ended()
            raise

    def make(self, heard: Callable[[Job, Mapping[str, Any]], None]) -> str:
        """Have the executor made; returns its kind of device. `heard` takes each job's events."""
        self._heard = heard
        told = self._ask("make")
        self.remote = told["remote"] is True
        return str(told["device"])

    def submit(self, job: Job) -> str:
        """Hand a job over; returns its id."""
        self._jobs[job.id] = job
        given = job if self._mirror is None else self._mirror.asked(job)
        self._ask("submit", job=given.as_dict())
        return job.id

    def results(self) -> Iterator[JobOutcome]:
        """Outcomes as they come, whatever they hold."""
        while (told := self._ask("next", seconds=None)) is not None:
            yield self._outcome(told)

    def cancel(self, id: str) -> None:
        """Leave out a job that has not begun."""
        self._ask("cancel", id=id)

    def close(self) -> None:
        """Stop at once; what does not, is ended with its process."""
        if not self._ended.alive:
            return
        fault: Mapping[str, Any] = {}
        deadline = time.monotonic() + SECONDS_TO_CLOSE
        try:
            with contextlib.suppress(EngineFault, ChannelBroken, queue.Empty):  # it is ended in any case
                self._send({"what": "close"})
                while event := self._lines.next(max(0.0, deadline - time.monotonic())):
                    fault = event if event["event"] == "fault" else fault
        finally:
            self._ended()
        if fault:
            raise _fault(fault)

    def _outcome(self, told: Any) -> JobOutcome:
        sound = isinstance(told, dict) and set(told) == {"job", *OUTCOME}
        if not sound or not all(isinstance(told[each], kind) for each, kind in OUTCOME.items()):
            return cast("JobOutcome", told)  # whoever holds the executor to its word says what this is
        job = self._jobs.pop(told["job"], None) if isinstance(told["job"], str) else None
        outcome = JobOutcome(cast("Job", job), **{each: told[each] for each in OUTCOME})
        if job is not None and self._mirror is not None:
            try:
                self._mirror.settle(job, outcome)
            except DiskFull as fault:
                outcome.status, outcome.reason = "full", str(fault)
        return outcome

    # --- the channel -------------------------------------------------------------------------------

    def _ask(self, what: str, *, seconds: float | None = PATIENCE_SECONDS, **given: Any) -> Any:
        """The answer to a question; what the process says before it is passed on."""
        deadline = None if seconds is None else time.monotonic() + seconds
        self._send({"what": what, **given})
        while True:
            try:
                event = self._lines.next(LOOK_SECONDS)
            except queue.Empty:
                if self._process.poll() is not None:
                    raise EngineFault(self._what_became()) from None
                if deadline is not None and time.monotonic() > deadline:
                    self._ended()
                    raise EngineFault(f"took more than {seconds:g} s") from None
                continue
            except ChannelBroken as fault:
                raise EngineFault(f"was ended: {fault}") from None
            if event is None:
                raise EngineFault(self._what_became())
            if event["event"] == "fault":
                raise _fault(event)
            if event["event"] == "answer":
                if type(event.get("slots")) is int:
                    self.slots = event["slots"]
                return event.get("answer")
            self._pass_on(event)

    def _pass_on(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "said":
            self._say(printable(str(event.get("line"))))
        elif event["event"] == "watched":
            job, told = self._jobs.get(str(event.get("job"))), event.get("told")
            if job is not None and isinstance(told, dict) and isinstance(told.get("event"), str):
                self._heard(job, told)

    def _send(self, content: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(content).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):  # closed by the other side, or here
            raise EngineFault(self._what_became()) from None

    def _what_became(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(5.0)
            return (
                f"ended its process with code {code}" if code >= 0 else f"lost its process (signal {-code})"
            )
        return "closed its channel"


def _end(process: subprocess.Popen[bytes], mirror: Mirror | None) -> None:
    kill_group(process)
    if mirror is not None:
        mirror.close()


def _fault(event: Mapping[str, Any]) -> Exception:
    """What the process says went wrong, as it would have been raised here."""
    problems = [printable(str(each)) for each in event.get("problems") or ["no message"]]
    if event.get("kind") == "InvalidInput":
        return InvalidInput(problems)
    kind: type[GenbenchError] | None = _FAULTS.get(str(event.get("kind")))
    return EngineFault(problems[0]) if kind is None else kind("\n".join(problems))
