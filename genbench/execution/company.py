"""The process that trains many trials at once on one device: ``python -m genbench.execution.company``.

It reads jobs from standard input as `genbench.execution.worker` does, but takes them all, and answers of each
as it goes: every event names its job. What becomes of one job is no matter of the others.
"""

from __future__ import annotations

import gc
import json
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import first_line
from genbench.base.files import disk_full
from genbench.execution.apart import enter
from genbench.execution.channel import Epochs
from genbench.execution.worker import Emit, Worker, serve
from genbench.runs.environment import describe_environment, now
from genbench.runs.store import Folder

if TYPE_CHECKING:
    from genbench.fitting.work import SharedData
    from genbench.host import Host
    from genbench.training.conductor import Conductor, Ended

__all__ = ["Company"]

EMPTYING_SECONDS = 2.0

ALIVE_SECONDS = 5.0
"""So often the process says that it is there, while its interpreter runs."""

MOST_AT_ONCE = 32
"""Of trainings whose number is found out."""

MOST_STACKED = 64
"""Of trainings on the CPU that make their steps together."""

SHARE_OF_MEMORY = 0.9
"""Of the device's free memory that predictions may fill."""


class Voice:
    """Says events of one job, numbered."""

    def __init__(self, emit: Emit, job: Mapping[str, Any]):
        self._emit = emit
        self._stamp = {"job": job["id"], "fit": job["key"], "token": job.get("token")}
        self._said = 0

    def __call__(self, message: Mapping[str, Any]) -> None:
        """Say a message."""
        self._emit({**message, **self._stamp, "number": self._said})
        self._said += 1


class Company:
    """Trains the jobs that it is given, side by side.

    Parameters
    ----------
    emit : callable
        Says an event.
    device : str
    per_device : int or None
        Trainings at once; found out where None. On the CPU None is for those that are stacked.
    """

    def __init__(self, emit: Emit, device: str, per_device: int | None):
        self._emit = emit
        self._device = device
        self._stacks = device == "cpu" and per_device is None
        self._plugins = Worker(emit)
        self._voices: dict[str, tuple[Voice, Mapping[str, Any], str]] = {}
        self._data: dict[str | None, SharedData] = {}
        self._conductor, self._pace = self._make_conductor(per_device)
        self._on_pace = self._conductor.at_once

    @property
    def busy(self) -> bool:
        """Whether a job has not ended."""
        return self._conductor.works > 0

    def take(self, job: Mapping[str, Any]) -> None:
        """Queue a job; a fault in it is an answer."""
        voice = Voice(self._emit, job)
        try:
            host = self._plugins._host(job["plugins"])
            folder = Folder(job["folder"])
            environment = folder.add_environment(describe_environment(host, self._device))
            self._voices[job["id"]] = (voice, job, environment)
            self._conductor.admit(self._work(job, host, voice))
        except Exception as fault:
            self._voices.pop(job["id"], None)
            _say_failed(voice, fault)

    def go_on(self) -> None:
        """Let all members advance; say and store what ended."""
        conductor, pace = self._conductor, self._pace
        for ended in conductor.round():
            self._end(ended)
        if pace is None:
            return
        if conductor.at_once < self._on_pace:
            pace.halved(conductor.at_once)
        pace.watch(time.monotonic(), conductor.steps, conductor.company)
        self._on_pace = conductor.at_once = pace.at_once

    def _make_conductor(self, per_device: int | None) -> tuple[Conductor, Any]:
        import torch

        from genbench.networks.compiler import leave_out_compiler
        from genbench.training.conductor import Conductor
        from genbench.training.pace import Pace
        from genbench.training.stacking import StackingConductor

        leave_out_compiler()
        device = torch.device(self._device)
        if self._stacks:
            return StackingConductor(device, MOST_STACKED), None
        if per_device is not None:
            return Conductor(device, per_device), None
        pace = Pace(MOST_AT_ONCE)

        return Conductor(device, pace.at_once, _Room(device) if device.type == "cuda" else _always), pace

    def _work(self, job: Mapping[str, Any], host: Host, voice: Voice) -> Any:
        import torch

        from genbench.fitting.prediction import predict
        from genbench.fitting.work import FitWork, SharedData
        from genbench.planning.plan import Trial
        from genbench.planning.suite import Limits

        torch.set_num_threads(job["trial"]["threads"])
        device = torch.device(self._device)
        trial = Trial.from_dict(job["trial"])
        root = Path(job["data"]) if job["data"] else None
        data = self._data.setdefault(job["data"], SharedData(root, device))
        return FitWork(
            trial, host, data, device=device, keep=job["keep"], limits=Limits(**job["limits"]),
            on_epoch=Epochs(voice), name=job["id"],
            memory=predict([trial], host, job["keep"], on_cuda=device.type == "cuda").memory_bytes,
            on_begin=lambda: voice({"event": "begun"}), stacks=self._stacks,
        )  # fmt: skip

    def _end(self, ended: Ended) -> None:
        voice, job, environment = self._voices.pop(ended.work.name)
        try:
            if ended.fault is not None:
                raise ended.fault
            record, states = ended.result
            made = {"environment": environment, "device": self._device, "time": now()}
            Folder(job["folder"]).write_fit(job["key"], {**record, **made}, states)
        except Exception as fault:
            _say_failed(voice, fault)
        else:
            voice({"event": "done", "seconds": record["seconds"], "environment": environment})


class _Room:
    """Whether a device has so many bytes free; what torch keeps of ended trainings is given back for that."""

    def __init__(self, device: Any):
        self._device = device
        self._emptied = 0.0

    def __call__(self, memory: float) -> bool:
        """Whether a training fits that is predicted to take so many bytes."""
        import torch

        if memory < SHARE_OF_MEMORY * torch.cuda.mem_get_info(self._device)[0]:
            return True
        # Giving back waits for the device, hence not at every round.
        if time.monotonic() - self._emptied < EMPTYING_SECONDS:
            return False
        self._emptied = time.monotonic()
        torch.cuda.empty_cache()
        return memory < SHARE_OF_MEMORY * torch.cuda.mem_get_info(self._device)[0]


def _always(memory: float) -> bool:
    return True


def _say_failed(voice: Voice, fault: Exception) -> None:
    full = disk_full(fault)
    reason = str(full) if full else f"{type(fault).__name__}: {first_line(fault)}"
    detail = "".join(traceback.format_exception(fault))
    voice({"event": "failed", "reason": reason, "detail": detail, "disk_full": bool(full)})


def _conduct(device: str, per_device: int | None) -> Callable[[Emit, queue.SimpleQueue[Any]], None]:
    def conduct(emit: Emit, jobs: queue.SimpleQueue[Any]) -> None:
        threading.Thread(target=_stay_heard, args=(emit,), daemon=True).start()
        first = jobs.get()
        company = Company(emit, device, per_device)
        company.take(first)
        gc.freeze()  # what was imported stays, and need not be looked through at each collection
        while True:
            while not jobs.empty() or not company.busy:
                company.take(jobs.get())
            company.go_on()

    return conduct


def _stay_heard(emit: Emit) -> None:
    while True:
        emit({"event": "alive"})
        time.sleep(ALIVE_SECONDS)


if __name__ == "__main__":
    device, per_device = json.loads(sys.argv[1])
    if sys.argv[2:]:
        enter(sys.argv[2])
    serve(_conduct(device, per_device))
