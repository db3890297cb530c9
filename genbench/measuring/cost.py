"""The clock and the memory gauge of a component: device synchronized before and after."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch

__all__ = ["Cost", "metered"]

_STATUS = "/proc/self/status"
_CLEAR = "/proc/self/clear_refs"
_STATUS_BYTES = 2**14


@dataclass
class Cost:
    """Filled in when the metered block ends.

    Attributes
    ----------
    seconds : float
        Wall-clock time.
    memory : int
        Bytes by which memory in use rose at its highest point above where it stood at the start: of torch's
        allocator on CUDA; elsewhere of the resident memory of the process, which is a lower bound because
        memory that the process held already is used again unseen.
    """

    seconds: float = 0.0
    memory: int = 0


@contextmanager
def metered(device: torch.device) -> Iterator[Cost]:
    """Measure the time and memory of a block; the cost is there also when the block raises."""
    cost = Cost()
    before = _start(device)
    started = time.perf_counter()
    try:
        yield cost
    finally:
        _synchronize(device)
        cost.seconds = time.perf_counter() - started
        cost.memory = max(0, _peak(device) - before)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _start(device: torch.device) -> int:
    """Reset the high-water mark and return the memory in use, in bytes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    if _resettable():
        _reset_peak()
    return _resident_peak()


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _resident_peak()


def _resident_peak() -> int:
    """The high-water mark, in bytes; it is the memory in use where it has just been reset."""
    return _status(b"VmHWM:") if _resettable() and _outlives_programs() else _lifetime_peak()


@cache
def _outlives_programs() -> bool:
    """Whether what the process had in use as another program, its parent as a rule, hides what it uses now.

    What hides it cannot be reset. Where there is nothing of the kind, all is known from a call of the
    system, where the file of `_status` takes five times as long.
    """
    return _lifetime_peak() > _status(b"VmHWM:")


@cache
def _resettable() -> bool:
    """Whether Linux lets the process reset the high-water mark of its resident memory."""
    try:
        _reset_peak()
        return _status(b"VmHWM:") > 0
    except (OSError, ValueError):
        return False


def _reset_peak() -> None:
    file = os.open(_CLEAR, os.O_WRONLY)
    try:
        os.write(file, b"5")
    finally:
        os.close(file)


def _status(field: bytes) -> int:
    """Bytes; read without a text file around it, for this is done before and after every component."""
    file = os.open(_STATUS, os.O_RDONLY)
    try:
        lines = os.read(file, _STATUS_BYTES)
    finally:
        os.close(file)
    return int(lines[lines.index(field) + len(field) :].split(None, 1)[0]) * 1024


def _lifetime_peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
