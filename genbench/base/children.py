"""Processes that this one starts and ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any

__all__ = ["child_environment", "kill_group"]


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
