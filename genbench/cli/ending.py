"""How the process of a command ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["ending_at_once"]


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Let the process end with the code that the block exits with, and take no library apart before.

    The system frees all that a process has; torch, as built for CUDA, takes a second and 120 MB for it.
    What was registered since then to be done at the exit is done.
    """
    code = 1  # of an exception, which the interpreter shows
    # The first that is registered is the last that is called.
    atexit.register(lambda: _leave(code))
    try:
        yield
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)
