"""What this machine lets this process have: cores and memory, limits of containers included."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

__all__ = ["cores", "is_running", "is_stopped", "memory"]

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells the limits of a container, in its second version and in its first."""


def cores() -> int:
    """The cores that this process may use; systems that do not tell have them all counted."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota, period = _limits("cpu.max", 2) or (
        *_limits("cpu/cpu.cfs_quota_us", 1), *_limits("cpu/cpu.cfs_period_us", 1)
    ) or (0.0, 0.0)  # fmt: skip
    return max(1, min(allowed, math.ceil(quota / period))) if quota > 0 and period > 0 else allowed


def memory() -> float | None:
    """Bytes of memory that this process may use; None where the system does not tell."""
    try:
        whole = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return None
    (limit,) = _limits("memory.max", 1) or _limits("memory/memory.limit_in_bytes", 1) or (0.0,)
    return min(whole, limit) if limit > 0 else whole


def _limits(file: str, count: int) -> tuple[float, ...]:
    """The numbers in a file of the container's limits; none where it is absent or sets no limit."""
    try:
        words = (CGROUP / file).read_text().split()
        return tuple(float(each) for each in words[:count]) if len(words) >= count else ()
    except (OSError, ValueError):  # "max" is no number: no limit
        return ()


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal, as far as the system tells."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state == b"T"


def is_running(pid: int) -> bool:
    """Whether a process of this machine runs, whoever owns it."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return True  # not known: what asks elsewhere would end the process there
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
