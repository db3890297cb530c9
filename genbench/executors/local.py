"""The local executor: slots on this machine, each with worker processes of its own."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import genbench
from genbench.contract.jobs import Job, JobOutcome
from genbench.execution.crew import Crew
from genbench.execution.places import measuring_device
from genbench.execution.supervision import Slot, WorkerProcess, supervise

__all__ = ["LocalExecutor"]

STACKED_AT_HAND = 32
"""Trainings to have at hand for the process that stacks them; as many again are handed over ahead."""

AT_ONCE = 16
"""Trainings to have at hand for a process that finds out how many it does at once."""


@genbench.executor(name="local")
class LocalExecutor:
    """Runs jobs on this machine, one at a time in each slot; trainings on CUDA side by side in one process.

    Parameters
    ----------
    devices : sequence of str
        One slot for each entry; an entry may repeat, so that several slots share a GPU.
    per_device : int, optional
        Trainings at once in the process of each device; found out on CUDA where left out. On the CPU
        trainings share a process only where it is given, or where their protocol is ``stacked``.
    watch : callable, optional
        Is given each event of each job, from the slots' threads; the last one is ``over``.

    Attributes
    ----------
    worker : type
        Class of the workers, `WorkerProcess` or what behaves as it; an executor derived from this one may
        start its own kind.
    crew_worker : callable
        The same for the processes that train many trials at once.
    """

    worker: ClassVar[type[WorkerProcess]] = WorkerProcess
    crew_worker: ClassVar[Callable[..., WorkerProcess]] = WorkerProcess

    def __init__(
        self,
        *,
        devices: Sequence[str] = ("cpu",),
        per_device: int | None = None,
        watch: Callable[[Job, Mapping[str, Any]], None] = lambda job, event: None,
    ):
        self._watch = watch
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[JobOutcome] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._open = 0
        self._crews = self._crews_for(devices, per_device)
        self._stacking: Crew | None = None
        self._apart: dict[tuple[Any, ...], Crew] = {}
        self._stacks = per_device is None and "cpu" in devices
        self.slots = len(devices) + len(self._crews) * (per_device or AT_ONCE)
        self._places = [Slot(self.worker) for _ in devices]
        for slot, device in zip(self._places, devices, strict=True):
            threading.Thread(target=self._serve, args=(slot, device), daemon=True).start()
        for crew in self._crews:
            threading.Thread(target=crew.serve, daemon=True).start()

    def _crews_for(self, devices: Sequence[str], per_device: int | None) -> list[Crew]:
        shared = dict.fromkeys(each for each in devices if per_device or each.startswith("cuda"))
        return [Crew(each, per_device, self._outcomes.put, self._watch, self.crew_worker) for each in shared]

    def submit(self, job: Job) -> str:
        """Queue a job; returns its id."""
        self._open += 1
        crew = self._crew_for(job) if job.kind == "train" and not job.device else None
        if crew is not None and job.company:
            crew = self._crew_apart(crew, job)
        if crew is not None:
            crew.submit(job)
        else:
            self._waiting.put(job)
        return job.id

    def _crew_for(self, job: Job) -> Crew | None:
        if self._crews:
            return min(self._crews, key=lambda crew: crew.jobs)
        asks = job.trial.get("protocol", {}).get("settings", {}).get("stacked", False)
        if not (self._stacks and asks):
            return None
        if self._stacking is None:
            self._stacking = Crew("cpu", None, self._outcomes.put, self._watch, self.crew_worker)
            threading.Thread(target=self._stacking.serve, daemon=True).start()
            self.slots += STACKED_AT_HAND
        return self._stacking

    def _crew_apart(self, crew: Crew, job: Job) -> Crew:
        """One like it for trainings with the same plugins, whose code is not to run beside anybody else's."""
        key = (id(crew), *job.company)
        if key not in self._apart:
            self._apart[key] = crew.another()
            threading.Thread(target=self._apart[key].serve, daemon=True).start()
        return self._apart[key]

    def results(self) -> Iterator[JobOutcome]:
        """Yield outcomes as they come, until no submitted job is left.

        Jobs may be submitted while iterating.
        """
        while self._open:
            # Waiting in short turns lets a signal through on every platform.
            try:
                outcome = self._outcomes.get(timeout=0.5)
            except queue.Empty:
                continue
            self._open -= 1
            yield outcome

    def cancel(self, id: str) -> None:
        """Forget a job that has not started; it yields no values."""
        self._cancelled.add(id)

    def close(self) -> None:
        """Stop at once: kill the workers, forget what waits."""
        for _ in self._places:
            self._waiting.put(None)
        for slot in self._places:
            slot.close()
        for crew in filter(None, (*self._crews, self._stacking, *self._apart.values())):
            crew.close()

    def _serve(self, slot: Slot, device: str) -> None:
        while (job := self._waiting.get()) is not None:
            if job.id in self._cancelled:
                outcome = JobOutcome(job, status="cancelled")
            else:
                here = measuring_device(device) if job.kind == "measure" else device
                placed = dataclasses.replace(job, device=job.device or here)
                try:
                    outcome = supervise(placed, slot, partial(self._watch, placed))
                except Exception as fault:  # a job must have an outcome, or the run would wait for ever
                    outcome = JobOutcome(job, status="error", reason=f"{type(fault).__name__}: {fault}")
                self._watch(placed, {"event": "over"})
            self._outcomes.put(outcome)
