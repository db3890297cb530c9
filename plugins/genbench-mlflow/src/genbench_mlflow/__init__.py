"""An observer that has every fit of a run logged to MLflow.

The hooks hand a run to `genbench_mlflow.__main__`, a process that may take its time: MLflow is slow to
import, and a server may be slow to answer. It reads the run folder; all it is told is that there is more.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from genbench.base.children import child_environment

__all__ = ["genbench_run_finished", "genbench_run_started", "genbench_trial_finished"]

_loggers: list[subprocess.Popen[bytes]] = []


def genbench_run_started(run: Mapping[str, Any]) -> None:
    """Start what logs the run, where MLFLOW_TRACKING_URI says where to."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return
    _loggers.append(
        subprocess.Popen(
            (sys.executable, "-P", "-m", "genbench_mlflow", run["folder"]),
            stdin=subprocess.PIPE,
            env=child_environment(),
            start_new_session=True,  # this process is ended with the run, that one has values left to log
        )
    )


def genbench_trial_finished() -> None:
    """Say that there is more to log."""
    for each in _loggers:
        assert each.stdin is not None
        with suppress(OSError):  # it said itself why it ended
            each.stdin.write(b"\n")
            each.stdin.flush()


def genbench_run_finished() -> None:
    """Say that there will be no more."""
    for each in _loggers:
        assert each.stdin is not None
        with suppress(OSError):
            each.stdin.close()
    _loggers.clear()
