"""Python's garbage collector, out of the way of commands that read much and let go of little."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no unreachable cycles within this context.

    The records of ten thousand fits are a million objects, all of them in use: looking them through again and
    again is a sixth of the time that a report needs beside its rankings.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
