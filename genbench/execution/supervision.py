"""Doing one job in a process of its own, whatever that process does: die, hang, babble, or be told to stop.

Before each probe and measure the worker notes what it is about to compute. When it dies or passes the time
limit, that component is recorded as the culprit and a new worker goes on with what is left. When something is
said on its channel that it should not say, nothing that it said counts: the job is done again.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from genbench.base.errors import DiskFull
from genbench.contract.jobs import Job, JobOutcome
from genbench.execution.apart import HandingFailed, Scratch, handing, without_the_run
from genbench.execution.channel import ChannelBroken, Expected
from genbench.execution.outcomes import give_up, sound, take
from genbench.execution.processes import WorkerDied, WorkerProcess, WorkerStalled
from genbench.execution.trained_apart import TrainingScratch, scratch_of
from genbench.runs.store import Folder

__all__ = ["Slot", "WorkerDied", "WorkerProcess", "WorkerStalled", "bounds_of", "supervise"]

# A worker may take this long for what is not a component: importing torch, loading data.
STARTING_SECONDS = 600.0
# Training ends by itself at its limit; a worker that is still silent this much later is stuck.
GRACE_SECONDS = 60.0
# Idle workers that a slot keeps because they have loaded plugins.
MOST_WITH_PLUGINS = 4


class Slot:
    """A place for one job at a time: keeps one worker for training and one for measuring.

    Jobs that need plugins get workers of their own, for each set of plugins one; those used last are kept.

    The thread that supervises jobs here must live as long as the slot: a worker dies with the thread that
    started it.

    Parameters
    ----------
    spawn : callable
        ``spawn(threads)`` starts a worker: a `WorkerProcess`, or what behaves as one; with the argument
        ``scratch`` one that measures for plugins.
    """

    def __init__(self, spawn: Callable[..., WorkerProcess] = WorkerProcess) -> None:
        self._spawn = spawn
        self._processes: dict[tuple[str, ...], WorkerProcess] = {}
        self._guard = threading.Lock()
        self._closed = False

    def process(self, job: Job) -> WorkerProcess:
        """A living worker for this kind of job."""
        with self._guard:
            if self._closed:
                raise WorkerDied
            key = _place(job)
            process = self._processes.pop(key, None)
            if process is None or not process.alive or process.threads != job.threads:
                if process is not None:
                    process.kill()
                process = self._spawn(job.threads, **bounds_of(job))
            self._processes[key] = process  # as the one used last
            with_plugins = [each for each in self._processes if len(each) > 1]
            for oldest in with_plugins[:-MOST_WITH_PLUGINS]:
                self._processes.pop(oldest).kill()
            return process

    def kill(self, job: Job) -> None:
        """Kill the worker for jobs like this one, if there is one."""
        with self._guard:
            process = self._processes.pop(_place(job), None)
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Kill the workers; a job that runs ends as crashed."""
        with self._guard:
            self._closed = True
            # Who hands over before those whom it hands to, whose folder goes with them.
            processes = [
                self._processes[each] for each in sorted(self._processes, key=lambda at: (len(at), at))
            ]
            self._processes.clear()
        for process in processes:
            process.kill()


def bounds_of(job: Job) -> dict[str, Scratch]:
    """What keeps the process of a job to itself, as an argument for whoever starts it."""
    if not job.company or job.kind == "hand":
        return {}
    return {"scratch": Scratch(job) if job.is_apart else TrainingScratch(job)}


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
        try:
            _supervise_training(job, slot, outcome, watch)
        except DiskFull as fault:
            outcome.status, outcome.reason = "full", str(fault)
    else:
        _supervise_measuring(job, slot, outcome, watch)
    outcome.seconds = time.perf_counter() - began
    return outcome


def _supervise_training(job: Job, slot: Slot, outcome: JobOutcome, watch: Callable[..., None]) -> None:
    for last_try in (False, True):
        process: WorkerProcess | None = None
        deadline = time.monotonic() + STARTING_SECONDS + job.limits["training_seconds"] + GRACE_SECONDS
        try:
            process = slot.process(job)
            scratch = scratch_of(process)
            sent = job if scratch is None else scratch.asked(job)
            for event in _events(process, sent, lambda: deadline):  # noqa: B023  (consumed within the loop)
                watch(event)
                if event["event"] == "failed":
                    outcome.status = "full" if event.get("disk_full") else "error"
                    outcome.reason, outcome.detail = event["reason"], event["detail"]
                    if event.get("spoilt"):
                        slot.kill(job)
                outcome.environment = event.get("environment", outcome.environment)
            if scratch is not None and outcome.status == "ok":
                scratch.take_over(job, outcome.environment)
            return
        except WorkerStalled:
            slot.kill(job)
            outcome.status = "timeout"
            limit = job.limits["training_seconds"]
            outcome.reason = f"training did not end within {limit:g} s and was stopped"
            return
        except WorkerDied:
            outcome.status = "crashed"
            outcome.reason = "training: " + (process.how_it_ended if process else "the executor was closed")
            outcome.detail = "\n".join(process.last_words) if process else ""
            return
        except ChannelBroken as fault:
            slot.kill(job)
            if last_try:
                outcome.status, outcome.reason = "crashed", f"training: the worker was killed: {fault}"


def _supervise_measuring(job: Job, slot: Slot, outcome: JobOutcome, watch: Callable[..., None]) -> None:
    left = list(job.measures)
    skip = dict(job.skip)
    silent_deaths = 0
    while left:
        current: tuple[str, str] | None = None
        process: WorkerProcess | None = None
        before = len(outcome.values)
        spoilt = False
        try:
            process = slot.process(job)
            part = dataclasses.replace(job, measures=list(left), skip=dict(skip))
            if job.is_apart:
                part = _handed(part, slot, process)
            deadline = time.monotonic() + STARTING_SECONDS
            for event in _events(process, part, lambda: deadline):  # noqa: B023  (consumed within the loop)
                watch(event)
                if event["event"] == "note":
                    current = (event["component"], event["kind"])
                    deadline = time.monotonic() + job.limits["component_seconds"]
                elif event["event"] == "spent":
                    outcome.probes[event["probe"]] = event["cost"]
                elif event["event"] == "described":
                    outcome.environment = Folder(Path(job.folder)).add_environment(event["description"])
                elif event["event"] == "value":
                    take(sound(event["value"], left), outcome, left)
                elif event["event"] == "spoilt":
                    skip[event["component"]] = {"status": "error", "reason": event["reason"]}
                    spoilt = True
                elif event.get("disk_full"):
                    outcome.status, outcome.reason, outcome.detail = "full", event["reason"], event["detail"]
                elif event["event"] == "failed":
                    give_up(left, outcome, "error", event["reason"], event["detail"])
                outcome.environment = event.get("environment", outcome.environment)
                if spoilt:
                    break
            if spoilt:
                slot.kill(job)
                continue
            if left and outcome.status != "full":
                raise ChannelBroken("it ended its job without a word on " + left[0])
            return
        except HandingFailed as fault:
            if fault.event.get("disk_full"):
                outcome.status, outcome.reason, outcome.detail = "full", fault.reason, fault.detail
            else:
                give_up(left, outcome, "error", fault.reason, fault.detail)
            return
        except WorkerStalled:
            status, why = "timeout", f"passed the time limit of {job.limits['component_seconds']:g} s"
        except WorkerDied:
            if process is None:
                return give_up(left, outcome, "crashed", "the executor was closed", "")
            status, why = "crashed", process.how_it_ended
        except ChannelBroken as fault:
            status, why = "crashed", f"the worker was killed: {fault}"
            # Whoever wrote there may have written what was taken for a value.
            del outcome.values[before:]
            left = list(part.measures)
        slot.kill(job)
        if current is None:
            silent_deaths += 1
            if silent_deaths == 2:
                return give_up(left, outcome, status, f"before the first probe: {why}", "")
            continue
        component, kind = current
        outcome.culprits[component] = status
        # Whatever needs the culprit comes back from the next worker with this status and reason.
        skip[component] = {"status": status, "reason": f"{kind} {component}: {why}"}


def _place(job: Job) -> tuple[str, ...]:
    """Jobs of one place share a worker: the core's own hands over what it could measure."""
    return ("measure" if job.kind == "hand" and not job.company else job.kind, *job.company)


def _handed(job: Job, slot: Slot, process: WorkerProcess) -> Job:
    """The job as it is sent to a process that is to see nothing of the run, which is handed what it needs.

    Raises
    ------
    HandingFailed
        It cannot be read, for a reason that is told.
    ChannelBroken
        The process that reads it died or stalled.
    """
    if job.handed:  # once for all the processes that measure it
        return without_the_run(job, Path(job.handed))
    scratch = process.scratch
    assert scratch is not None
    asked = handing(job, scratch)
    reader = slot.process(asked)
    deadline = time.monotonic() + STARTING_SECONDS
    try:
        for event in _events(reader, asked, lambda: deadline):
            if event["event"] == "failed":
                raise HandingFailed(event)
    except (WorkerDied, WorkerStalled):
        slot.kill(asked)
        raise ChannelBroken(f"the fit could not be handed to it: {reader.how_it_ended}") from None
    return without_the_run(job, scratch.handed)


def _events(process: WorkerProcess, job: Job, deadline: Callable[[], float]) -> Iterator[dict[str, Any]]:
    """Send a job and yield what its worker says of it; see `WorkerProcess.receive` for what this raises."""
    expected = Expected(job.id, job.key)
    process.send(expected.asked(job.as_dict()))
    ready = False
    while True:
        event = process.receive(max(0.0, deadline() - time.monotonic()))
        if event == {"event": "ready"} and not ready:  # for ever would be no silence
            ready = True
            continue
        expected.check(event)
        yield event
        if event["event"] in ("done", "failed"):
            return
