"""Telling plugins what happened, without letting one of them hold up or break the run."""

from __future__ import annotations

import contextlib
import copy
import sys
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from genbench.host import Host

__all__ = ["Observers"]

PATIENCE_SECONDS = 5.0


class Observers:
    """The observing hooks of all plugins; one that raises or dawdles is named and switched off.

    Parameters
    ----------
    say : callable
        Takes the line that names an observer which is switched off.
    """

    def __init__(self, host: Host, say: Callable[[str], None]):
        self._host = host
        self._say = say
        self._off: set[str] = set()

    def tell(self, hook: str, **arguments: Any) -> None:
        """Call a hook of every plugin in turn, with frozen copies of the arguments."""
        for plugin, function in self._host.hooks(hook):
            if plugin.name in self._off:
                continue
            frozen = {name: _frozen(copy.deepcopy(each)) for name, each in arguments.items()}
            # What an observer prints must not end up among the results.
            with contextlib.redirect_stdout(sys.stderr):
                fault = _within(function, frozen, PATIENCE_SECONDS)
            if fault:
                self._off.add(plugin.name)
                self._say(f"observer {hook} of plugin '{plugin.name}' {fault}; it is switched off")


def _within(function: Callable[..., Any], arguments: Mapping[str, Any], seconds: float) -> str:
    """Call a function and wait for it a limited time; returns what was wrong with it."""
    faults: list[str] = []

    def call() -> None:
        try:
            function(**arguments)
        except BaseException as fault:  # a plugin may call sys.exit or raise anything
            faults.append(f"raised {type(fault).__name__}: {fault}")

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return f"took more than {seconds:g} s"
    return faults[0] if faults else ""


def _frozen(content: Any) -> Any:
    if isinstance(content, Mapping):
        return MappingProxyType({key: _frozen(value) for key, value in content.items()})
    if isinstance(content, list | tuple):
        return tuple(_frozen(each) for each in content)
    return content
