"""Doing one job in a process of its own, whatever that process does: die, hang, or be told to stop.

Before each probe and measure the worker notes what it is about to compute. When it dies or passes the time
limit, that component is recorded as the culprit and a new worker goes on with what is left.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from genbench.contract.jobs import Job, JobOutcome

__all__ = ["Slot", "WorkerDied", "WorkerProcess", "WorkerStalled", "supervise"]

# A worker may take this long for what is not a component: importing torch, loading data.
STARTING_SECONDS = 600.0
# Training ends by itself at its limit; a worker that is still silent this much later is stuck.
GRACE_SECONDS = 60.0


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
    """

    # -P and the driver's own path: the worker imports what the driver imports, from wherever it runs.
    COMMAND = (sys.executable, "-P", "-m", "genbench.execution.worker")

    def __init__(self, threads: int, command: Sequence[str] = COMMAND):
        self.threads = threads
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        }
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the driver alone, which then ends its workers
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.last_words: collections.deque[str] = collections.deque(maxlen=20)
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._overhear, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def how_it_ended(self) -> str:
        """The exit code or the signal that ended the process, in words; waits for the end."""
        code = self._process.wait()
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
        """The next event of the job; raises `WorkerStalled` when none comes in time, or `WorkerDied`."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise WorkerStalled from None
        if not line:
            raise WorkerDied
        return json.loads(line)

    def kill(self) -> None:
        """End the process and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if stream is not None and stream is self._process.stdin:
                    stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(b"")

    def _overhear(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self.last_words.append(line.decode(errors="replace").rstrip())


class Slot:
    """A place for one job at a time: keeps one worker for training and one for measuring.

    The thread that supervises jobs here must live as long as the slot: a worker dies with the thread that
    started it.

    Parameters
    ----------
    spawn : callable
        ``spawn(threads)`` starts a worker: a `WorkerProcess`, or what behaves as one.
    """

    def __init__(self, spawn: Callable[[int], WorkerProcess] = WorkerProcess) -> None:
        self._spawn = spawn
        self._processes: dict[str, WorkerProcess] = {}
        self._guard = threading.Lock()
        self._closed = False

    def process(self, job: Job) -> WorkerProcess:
        """A living worker for this kind of job."""
        with self._guard:
            if self._closed:
                raise WorkerDied
            process = self._processes.get(job.kind)
            if process is None or not process.alive or process.threads != job.threads:
                if process is not None:
                    process.kill()
                process = self._processes[job.kind] = self._spawn(job.threads)
            return process

    def kill(self, kind: str) -> None:
        """Kill the worker for jobs of this kind, ``train`` or ``measure``, if there is one."""
        with self._guard:
            process = self._processes.pop(kind, None)
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Kill the workers; a job that runs ends as crashed."""
        with self._guard:
            self._closed = True
            processes = list(self._processes.values())
            self._processes.clear()
        for process in processes:
            process.kill()


def supervise(
    job: Job, slot: Slot, watch: Callable[[Mapping[str, Any]], None] = lambda event: None
) -> JobOutcome:
    """Do one job in the slot's worker and wait for its outcome.

    Parameters
    ----------
    watch : callable
        Is given each event: notes, values, epochs.
    """
    began = time.perf_counter()
    outcome = JobOutcome(job)
    if job.kind == "train":
        _supervise_training(job, slot, outcome, watch)
    else:
        _supervise_measuring(job, slot, outcome, watch)
    outcome.seconds = time.perf_counter() - began
    return outcome


def _supervise_training(job: Job, slot: Slot, outcome: JobOutcome, watch: Callable[..., None]) -> None:
    process: WorkerProcess | None = None
    try:
        process = slot.process(job)
        process.send(job.as_dict())
        deadline = time.monotonic() + STARTING_SECONDS + job.limits["training_seconds"] + GRACE_SECONDS
        for event in _events(process, lambda: deadline):
            watch(event)
            if event["event"] == "failed":
                outcome.status = "full" if event.get("disk_full") else "error"
                outcome.reason, outcome.detail = event["reason"], event["detail"]
            outcome.environment = event.get("environment", outcome.environment)
    except WorkerStalled:
        slot.kill(job.kind)
        outcome.status = "timeout"
        outcome.reason = f"training did not end within {job.limits['training_seconds']:g} s and was stopped"
    except WorkerDied:
        outcome.status = "crashed"
        outcome.reason = "training: " + (process.how_it_ended if process else "the executor was closed")
        outcome.detail = "\n".join(process.last_words) if process else ""


def _supervise_measuring(job: Job, slot: Slot, outcome: JobOutcome, watch: Callable[..., None]) -> None:
    left = list(job.measures)
    skip = dict(job.skip)
    silent_deaths = 0
    while left:
        current: tuple[str, str] | None = None
        process: WorkerProcess | None = None
        try:
            process = slot.process(job)
            part = dataclasses.replace(job, measures=left, skip=skip)
            process.send(part.as_dict())
            deadline = time.monotonic() + STARTING_SECONDS
            for event in _events(process, lambda: deadline):  # noqa: B023  (consumed within the loop)
                watch(event)
                if event["event"] == "note":
                    current = (event["component"], event["kind"])
                    deadline = time.monotonic() + job.limits["component_seconds"]
                elif event["event"] == "spent":
                    outcome.probes[event["probe"]] = event["cost"]
                elif event["event"] == "value":
                    _take(event["value"], outcome, left)
                elif event.get("disk_full"):
                    outcome.status, outcome.reason, outcome.detail = "full", event["reason"], event["detail"]
                elif event["event"] == "failed":
                    _give_up(left, outcome, "error", event["reason"], event["detail"])
                outcome.environment = event.get("environment", outcome.environment)
            return
        except WorkerStalled:
            status, why = "timeout", f"passed the time limit of {job.limits['component_seconds']:g} s"
        except WorkerDied:
            if process is None:
                return _give_up(left, outcome, "crashed", "the executor was closed", "")
            status, why = "crashed", process.how_it_ended
        slot.kill(job.kind)
        if current is None:
            silent_deaths += 1
            if silent_deaths == 2:
                return _give_up(left, outcome, status, f"before the first probe: {why}", "")
            continue
        component, kind = current
        outcome.culprits[component] = status
        # Whatever needs the culprit comes back from the next worker with this status and reason.
        skip[component] = {"status": status, "reason": f"{kind} {component}: {why}"}


def _events(process: WorkerProcess, deadline: Callable[[], float]) -> Iterator[dict[str, Any]]:
    while True:
        event = process.receive(max(0.0, deadline() - time.monotonic()))
        if event["event"] == "ready":
            continue
        yield event
        if event["event"] in ("done", "failed"):
            return


def _take(value: dict[str, Any], outcome: JobOutcome, left: list[str]) -> None:
    outcome.values.append(value)
    left.remove(value["measure"])


def _give_up(left: list[str], outcome: JobOutcome, status: str, reason: str, detail: str) -> None:
    for measure in list(left):
        _take({**_missing(measure, status, reason), **({"detail": detail} if detail else {})}, outcome, left)


def _missing(measure: str, status: str, reason: str) -> dict[str, Any]:
    return {
        "measure": measure,
        "value": None,
        "status": status,
        "reason": reason,
        "seconds": 0.0,
        "own_seconds": 0.0,
        "peak_memory": 0,
    }
