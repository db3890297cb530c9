"""The clock and the memory gauge of a component: device synchronized before and after."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

__all__ = ["Cost", "metered"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


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
        _CLEAR.write_text("5")
        return _status("VmRSS:")
    return _lifetime_peak()


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _status("VmHWM:") if _resettable() else _lifetime_peak()


@cache
def _resettable() -> bool:
    """Whether Linux lets the process reset the high-water mark of its resident memory."""
    try:
        _CLEAR.write_text("5")
        return _status("VmHWM:") > 0
    except (OSError, StopIteration):
        return False


def _status(field: str) -> int:
    with _STATUS.open() as lines:
        line = next(line for line in lines if line.startswith(field))
    return int(line.split()[1]) * 1024


def _lifetime_peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
