"""How the computing is done: compiled inner loops kept on disk, and threads.

Numba keeps compiled code beside the source (``__pycache__``), or, where that folder cannot be written, in
the user's cache folder; ``NUMBA_CACHE_DIR`` overrides both. Where none of them can be written the loops
are compiled anew in every process, which costs seconds and changes no result.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import numba

__all__ = ["compiled", "in_threads", "one_thread_each", "side_by_side"]

WORTH_A_THREAD = 100_000
"""Numbers to work on, below which threads are not started: some milliseconds' work."""

AT_ONCE = 2
"""Long pieces of work done side by side at most: each needs memory of its own."""

_given_up = threading.Event()
"""Set where what works side by side shall not be finished."""

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
    function = _unless_given_up(function)
    workers = min(len(listed), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)
    if workers <= 1 or size * len(listed) < WORTH_A_THREAD:
        return [function(each) for each in listed]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, listed))


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Apply `function`, which takes long and uses `in_threads` itself, to two items at a time.

    What one of them does alone then leaves no processor idle. An interruption, or an error of one, ends the
    others before their next piece of work, not when they are done.
    """
    listed = list(items)
    if len(listed) < 2:
        return [function(each) for each in listed]
    with one_thread_each(), ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(function, each) for each in listed]
        try:
            return [each.result() for each in futures]
        except BaseException:
            _given_up.set()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            _given_up.clear()


class _GivenUp(Exception):
    """Nobody waits for the result any more."""


def _unless_given_up(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    def checked(item: Item) -> Result:
        if _given_up.is_set():
            raise _GivenUp
        return function(item)

    return checked


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
