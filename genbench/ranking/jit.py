"""How the computing is done: compiled inner loops kept on disk, and threads.

Numba keeps compiled code beside the source (``__pycache__``), or, where that folder cannot be written, in
the user's cache folder; ``NUMBA_CACHE_DIR`` overrides both. Where none of them can be written the loops
are compiled anew in every process, which costs seconds and changes no result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import numba

__all__ = ["compiled", "in_threads", "one_thread_each"]

WORTH_A_THREAD = 100_000
"""Numbers to work on, below which threads are not started: some milliseconds' work."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first call, to run without the interpreter's lock, in threads."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no folder to keep compiled code in
        return numba.njit(nogil=True)(function)


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], size: int = WORTH_A_THREAD
) -> list[Result]:
    """Apply `function` to every item, results in the order of the items.

    Every result is computed by one thread alone, so it does not depend on their number. `size` is how many
    numbers one item is about; little work is done at once, for starting threads would take longer.
    """
    listed = list(items)
    workers = min(len(listed), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)
    if workers <= 1 or size * len(listed) < WORTH_A_THREAD:
        return [function(each) for each in listed]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, listed))


def one_thread_each() -> AbstractContextManager[Any]:
    """Within this context matrix products use the calling thread alone.

    They are small here, and are divided among `in_threads` instead: libraries that split small products
    wait longer than they compute, above all on a busy machine, and round differently for each number of
    threads. Does nothing where threadpoolctl (which comes with scikit-learn) is missing.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1, user_api="blas")
