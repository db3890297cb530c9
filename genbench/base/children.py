"""Processes that this one starts and ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["child_environment", "die_with_parent", "kill_group"]


def child_environment(**more: str) -> dict[str, str]:
    """The environment of a child that is to import what this process imports, from wherever it runs."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **more}


def kill_group(process: subprocess.Popen[Any]) -> None:
    """End a process that began a session of its own, and all that it started in it; waits for its end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:  # Windows knows no groups
            process.kill()
    process.wait()
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()


def die_with_parent() -> None:
    """Let Linux end this process when the thread ends that started it, whatever it does by then.

    Also the first one to go when memory runs out: what it does can be done again, unlike what started it.
    """
    if sys.platform != "linux":
        return
    import ctypes

    set_death_signal = 1
    # Systems that filter this call refuse it; the end of the input remains.
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
