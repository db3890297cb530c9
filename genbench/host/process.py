"""What belongs to the whole process and code of a plugin may change while it is imported, kept and put back.

A command must go on as if it had not been imported: answer to Ctrl-C, find its files, see its children end.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import os
import resource
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

__all__ = ["Lasting", "kept_environment", "kept_process", "put_back_modules"]

_STREAMS = ("stdin", "stdout", "stderr", "excepthook", "displayhook", "unraisablehook")
_LISTS = ("path", "meta_path", "path_hooks")


@contextlib.contextmanager
def kept_process(strangers: Collection[str] = ()) -> Iterator[None]:
    """Behind the block signals, timers, streams, folder, limits and ways of the interpreter are as before.

    Parameters
    ----------
    strangers : collection of str
        Top-level modules that may not have anything called when the process ends.
    """
    put_back = [keep() for keep in (_interpreter, _signals, _descriptors, _place, _limits)]
    register = atexit.register

    def register_unless_stranger(function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        asking = str(sys._getframe(1).f_globals.get("__name__", "")).partition(".")[0]
        return function if asking in strangers else register(function, *arguments, **more)

    atexit.register = register_unless_stranger  # type: ignore[assignment]
    try:
        yield
    finally:
        atexit.register = register
        for each in put_back:
            each()


@contextlib.contextmanager
def kept_environment() -> Iterator[None]:
    """Behind the block the variables that children of this process see are as before it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        if dict(os.environ) != before:
            os.environ.clear()
            os.environ.update(before)


def put_back_modules(before: Mapping[str, Any], own: str) -> list[str]:
    """Undo what took the place of a module, or pretends to be one that can be imported; returns their names.

    Parameters
    ----------
    before : mapping
        `sys.modules` as it was.
    own : str
        The top-level module that may do so for itself.
    """
    replaced = [
        name
        for name, module in before.items()
        if sys.modules.get(name) is not module and name.partition(".")[0] != own
    ]
    invented = [
        name
        for name, module in list(sys.modules.items())
        if name not in before
        and "." not in name
        and name != own
        and getattr(module, "__spec__", None) is None
        # Extensions make modules of their own, of names that nobody can import.
        and (name in sys.stdlib_module_names or PathFinder.find_spec(name) is not None)
    ]
    for name in invented:
        del sys.modules[name]
    sys.modules.update({name: before[name] for name in replaced})
    return [f"module {name}" for name in sorted([*replaced, *invented])]


class Lasting:
    """What an import may leave behind that nobody can take back."""

    def __init__(self) -> None:
        self._threads = {each.ident for each in threading.enumerate()}
        self._limits = _hard_limits()

    def __str__(self) -> str:
        """What there is of it now, in words; empty where there is nothing."""
        if any(each.ident not in self._threads for each in threading.enumerate()):
            return "starts a thread, which stays"
        return "" if _hard_limits() == self._limits else "lowers a limit of the process for good"


def _signals() -> Callable[[], None]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    handlers = {}
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if handler is not None:  # one that is not Python's cannot be put back
            handlers[number] = handler
    alarm = signal.getitimer(signal.ITIMER_REAL)

    def put_back() -> None:
        # The clock first: its handler may be the default, which ends the process.
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            if signal.getitimer(timer)[0] and not (timer == signal.ITIMER_REAL and alarm[0]):
                signal.setitimer(timer, 0)
        faulthandler.cancel_dump_traceback_later()
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                with contextlib.suppress(OSError, ValueError, TypeError):
                    signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals() - blocked)

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return put_back


def _descriptors() -> Callable[[], None]:
    """Standard input, output and error may be closed, or lead elsewhere."""
    copies = {}
    for number in (0, 1, 2):
        with contextlib.suppress(OSError):
            copies[number] = os.dup(number)

    def put_back() -> None:
        for number, copy in copies.items():
            with contextlib.suppress(OSError):
                same = _is_open(number) and os.path.sameopenfile(number, copy)
                if not same:
                    os.dup2(copy, number)
                os.close(copy)

    return put_back


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _interpreter() -> Callable[[], None]:
    streams = {name: getattr(sys, name) for name in _STREAMS}
    lists = {name: list(getattr(sys, name)) for name in _LISTS}
    limit, collecting = sys.getrecursionlimit(), gc.isenabled()
    trace, profile, filters = sys.gettrace(), sys.getprofile(), warnings.filters[:]

    def put_back() -> None:
        sys.setrecursionlimit(limit)
        sys.settrace(trace)
        sys.setprofile(profile)
        threading.settrace(trace)
        threading.setprofile(profile)
        (gc.enable if collecting else gc.disable)()
        warnings.filters[:] = filters  # type: ignore[index]
        for name, stream in streams.items():
            setattr(sys, name, stream)
        for name, entries in lists.items():
            now: list[Any] = getattr(sys, name)
            if not isinstance(now, list) or any(each not in now for each in entries):
                setattr(sys, name, entries)

    return put_back


def _place() -> Callable[[], None]:
    mask = os.umask(0o077)
    os.umask(mask)
    try:
        folder: Path | None = Path.cwd()
    except OSError:
        folder = None

    def put_back() -> None:
        os.umask(mask)
        if folder is not None:
            with contextlib.suppress(OSError):
                os.chdir(folder)

    return put_back


def _limits() -> Callable[[], None]:
    kinds = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
    before = {kind: resource.getrlimit(kind) for kind in kinds}

    def put_back() -> None:
        for kind, limits in before.items():
            if resource.getrlimit(kind) != limits:
                with contextlib.suppress(ValueError, OSError):  # whoever lowered the hard one cannot raise it
                    resource.setrlimit(kind, limits)

    return put_back


def _hard_limits() -> list[int]:
    kinds = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    return [resource.getrlimit(getattr(resource, name))[1] for name in kinds]
