"""Many trainings at once in one process, watched: what is in flight when it dies is trained anew."""

from __future__ import annotations

import collections
import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from genbench.base.errors import DiskFull
from genbench.contract.jobs import Job, JobOutcome
from genbench.execution.channel import ChannelBroken, Expected
from genbench.execution.supervision import (
    GRACE_SECONDS,
    STARTING_SECONDS,
    WorkerDied,
    WorkerProcess,
    WorkerStalled,
    bounds_of,
)
from genbench.execution.trained_apart import scratch_of

__all__ = ["Crew"]

LISTEN_SECONDS = 0.05
SILENCE_SECONDS = STARTING_SECONDS
"""A process that does not even say that it is alive for so long is stuck."""

Watch = Callable[[Job, Mapping[str, Any]], None]


class Crew:
    """Hands training jobs to one process for a device, all at once, and tells their outcomes.

    When the process dies, what was in flight is trained anew, together; when it dies of the same jobs again,
    one by one, so that a training that kills its process is found and costs itself only.

    `serve` must be run by a thread that lives as long as the crew.

    Parameters
    ----------
    device : str
    per_device : int or None
        Trainings at once; found out where None.
    ended : callable
        Is given each outcome.
    watch : callable
        Is given each event of each job.
    spawn : callable
        ``spawn(threads, command)`` starts a process.
    """

    def __init__(
        self, device: str, per_device: int | None, ended: Callable[[JobOutcome], None], watch: Watch,
        spawn: Callable[..., WorkerProcess] = WorkerProcess,
    ):  # fmt: skip
        self._command = (
            sys.executable, "-P", "-m", "genbench.execution.company", json.dumps([device, per_device]),
        )  # fmt: skip
        self._device, self._per_device = device, per_device
        self._ended, self._watch, self._spawn = ended, watch, spawn
        self._new: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._waiting: collections.deque[Job] = collections.deque()
        self._sent: dict[str, Job] = {}
        self._expected: dict[str, Expected] = {}
        self._begun: dict[str, float] = {}
        self._deaths: collections.Counter[str] = collections.Counter()
        self._process: WorkerProcess | None = None
        self._guard = threading.Lock()
        self._closed = False
        self._heard = 0.0
        self._lie = ""
        self.jobs = 0

    def another(self) -> Crew:
        """A crew like this one, with a process of its own."""
        return Crew(self._device, self._per_device, self._ended, self._watch, self._spawn)

    def submit(self, job: Job) -> None:
        """Take on a training."""
        self.jobs += 1
        self._new.put(job)

    def close(self) -> None:
        """Kill the process; jobs that are in flight have no outcome."""
        with self._guard:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def serve(self) -> None:
        """Work until `close`."""
        while not self._closed:
            self._collect()
            if not self._waiting and not self._sent:
                continue
            try:
                process = self._living(self._waiting[0] if self._waiting else None)
                self._send(process)
                self._listen(process)
            except WorkerDied:
                self._died()
            except OSError as fault:  # no process can be started: whoever waits for these jobs is told
                self._fail_all(f"{type(fault).__name__}: {fault}")

    def _collect(self) -> None:
        idle = not self._waiting and not self._sent
        try:
            self._waiting.append(self._new.get(timeout=0.5) if idle else self._new.get_nowait())
            while True:
                self._waiting.append(self._new.get_nowait())
        except queue.Empty:
            return

    def _living(self, job: Job | None) -> WorkerProcess:
        with self._guard:
            if self._closed:
                raise WorkerDied
            if self._process is None:
                assert job is not None
                self._process = self._spawn(job.threads, self._command, **bounds_of(job))
                self._heard = time.monotonic()
            return self._process

    def _send(self, process: WorkerProcess) -> None:
        """Hand over what waits; of the jobs that were there at two deaths, one at a time."""
        while self._waiting:
            suspect = any(self._deaths[each] > 1 for each in (*self._sent, self._waiting[0].id))
            if suspect and self._sent:
                return
            job = self._waiting[0]
            expected = self._expected[job.id] = Expected(job.id, job.key)
            scratch = scratch_of(process)
            sent = job if scratch is None else scratch.asked(job)
            process.send(expected.asked({**sent.as_dict(), "device": self._device}))
            self._sent[job.id] = self._waiting.popleft()

    def _listen(self, process: WorkerProcess) -> None:
        try:
            event = process.receive(LISTEN_SECONDS)
            job = self._sent.get(str(event.get("job", "")))
            if job is not None:
                self._expected[job.id].check(event)
        except WorkerStalled:
            self._look_at_the_clock(process)
            return
        except ChannelBroken as fault:  # nothing that it says is believed; what is in flight is trained anew
            self._lie = str(fault)
            process.kill()
            raise WorkerDied from None
        self._heard = time.monotonic()
        if job is None:
            self._look_at_the_clock(process)  # such words may come for ever
            return
        if event["event"] == "begun":
            self._begun[job.id] = self._heard
        self._watch(job, event)
        if event["event"] in ("done", "failed"):
            self._finish(job, event)

    def _finish(self, job: Job, event: Mapping[str, Any]) -> None:
        outcome = JobOutcome(job, environment=event.get("environment", ""))
        outcome.seconds = time.monotonic() - self._begun.get(job.id, time.monotonic())
        if event["event"] == "failed":
            outcome.status = "full" if event.get("disk_full") else "error"
            outcome.reason, outcome.detail = event["reason"], event["detail"]
        elif (scratch := scratch_of(self._process)) is not None:
            try:
                scratch.take_over(job, outcome.environment)
            except DiskFull as fault:
                outcome.status, outcome.reason = "full", str(fault)
        self._forget(job, outcome)

    def _look_at_the_clock(self, process: WorkerProcess) -> None:
        now = time.monotonic()
        if not process.alive:
            raise WorkerDied
        late = [
            job
            for job in self._sent.values()
            if now - self._begun.get(job.id, now) > job.limits["training_seconds"] + GRACE_SECONDS
        ]
        if not late and now - self._heard < SILENCE_SECONDS:
            return
        for job in late:
            limit = job.limits["training_seconds"]
            reason = f"training did not end within {limit:g} s and was stopped"
            self._forget(job, JobOutcome(job, status="timeout", reason=reason))
        process.kill()
        raise WorkerDied

    def _died(self) -> None:
        """Have what was in flight trained anew, unless the one job that was is what killed the process."""
        with self._guard:
            process, self._process = self._process, None
        if self._closed or process is None:
            return
        process.kill()
        begun = [job for job in self._sent.values() if job.id in self._begun]
        lie, self._lie = self._lie, ""
        if len(begun) == 1 and not (lie and not self._deaths[begun[0].id]):
            reason = f"training: {lie or process.how_it_ended}"
            detail = "\n".join(process.last_words)
            self._forget(begun[0], JobOutcome(begun[0], status="crashed", reason=reason, detail=detail))
        else:
            self._deaths.update(job.id for job in begun)
        if not begun and self._sent:
            self._died_before_the_first(process)
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()
        self._begun.clear()

    def _died_before_the_first(self, process: WorkerProcess) -> None:
        """Twice before any training began, it will not begin the next time either."""
        self._deaths[""] += 1
        if self._deaths[""] > 1:
            self._fail_all(
                f"before the first training: {process.how_it_ended}", "\n".join(process.last_words)
            )

    def _fail_all(self, reason: str, detail: str = "") -> None:
        for job in [*self._sent.values(), *self._waiting]:
            self._forget(job, JobOutcome(job, status="crashed", reason=reason, detail=detail))
        self._waiting.clear()

    def _forget(self, job: Job, outcome: JobOutcome) -> None:
        self._sent.pop(job.id, None)
        self._begun.pop(job.id, None)
        self._expected.pop(job.id, None)
        self.jobs -= 1
        self._ended(outcome)
