"""The process that logs one run while it goes on.

A line of its input says that there is more, the end of its input that this is all. It also ends when the
run is interrupted or killed; what is on disk by then is logged.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from genbench.base.errors import GenbenchError
from genbench_mlflow.logbook import log_run

REST = 10.0
"""Seconds between two looks at least, and as many times as long as the last one took."""


def main(folder: Path) -> None:
    """Log what is in a run folder until there will be no more."""
    due = 0.0
    for _ in sys.stdin:
        if time.monotonic() >= due:
            began = time.monotonic()
            _log(folder)
            due = time.monotonic() + max(REST, REST * (time.monotonic() - began))
    if fault := _log(folder):
        sys.stderr.write(f"genbench-mlflow: {fault}; 'genbench mlflow {folder}' logs the run\n")


def _log(folder: Path) -> str:
    """Log what is there; returns why that was impossible."""
    if not folder.is_dir():
        return ""  # nothing was trained
    try:
        log_run(folder)
    except GenbenchError as fault:
        return str(fault)
    return ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
