"""Telling plugins what happened, without letting one of them hold up, break or end the run."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genbench.base.children import child_environment, kill_group
from genbench.base.errors import GenbenchError
from genbench.base.files import cache_folder
from genbench.execution.channel import CHANNEL, ChannelBroken, Lines
from genbench.host import Host
from genbench.host.plugin import Plugin, PluginSource

__all__ = ["Observers"]

PATIENCE_SECONDS = 5.0
# To import the plugin, which may need torch.
STARTING_SECONDS = 60.0


class Observers:
    """The observing hooks of all plugins, each in a process of its own, which may die.

    One that raises, dawdles or ends is named and switched off.

    Parameters
    ----------
    say : callable
        Takes the line that names an observer which is switched off.
    run : Path, optional
        The run folder. They write where they like, but neither there nor in the cache, where the system has
        the means (`genbench.base.read_only`).
    """

    def __init__(self, host: Host, say: Callable[[str], None], run: Path | None = None):
        self._host = host
        self._say = say
        self._kept = [] if run is None else [str(run.absolute())]
        with contextlib.suppress(GenbenchError):
            self._kept += [str(cache_folder().absolute())] if self._kept else []
        self._off: set[str] = set()
        self._listeners: dict[str, _Listener] = {}

    def hear(self, *hooks: str) -> bool:
        """Whether any plugin has one of the hooks: what it is told may be long, and need not be made else."""
        return any(self._host.plugins_with(each) for each in hooks)

    def start(self, *hooks: str) -> None:
        """Start the processes of those that have one of the hooks; else each starts when it is first told."""
        for plugin in (each for hook in hooks for each in self._host.plugins_with(hook)):
            self._listener(plugin)

    def tell(self, hook: str, **arguments: Any) -> None:
        """Call a hook of every plugin in turn, with copies of the arguments."""
        for plugin in self._host.plugins_with(hook):
            if plugin.name in self._off:
                continue
            fault = self._listener(plugin).tell(hook, arguments)
            if fault:
                self._off.add(plugin.name)
                self._listeners.pop(plugin.name).close()
                self._say(f"observer {hook} of plugin '{plugin.name}' {fault}; it is switched off")

    def close(self) -> None:
        """End the processes."""
        for each in self._listeners.values():
            each.close()
        self._listeners.clear()

    def _listener(self, plugin: Plugin) -> _Listener:
        if plugin.name not in self._listeners:
            self._listeners[plugin.name] = _Listener(plugin.source, self._kept)
        return self._listeners[plugin.name]


class _Listener:
    """The process of one plugin's observers."""

    def __init__(self, source: PluginSource, kept: Sequence[str]):
        heard, spoken = os.pipe()
        sys.stderr.flush()
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-m", "genbench.execution.observing"),
            stdin=subprocess.PIPE,
            stdout=2,  # what an observer prints must not end up among the results
            env=child_environment(**{CHANNEL: str(spoken)}),
            pass_fds=(spoken,),
            start_new_session=True,
        )
        os.close(spoken)
        self._lines = Lines(os.fdopen(heard, "rb"))
        self._fault = self._send({"plugin": asdict(source), "kept": kept}) or self._answer(STARTING_SECONDS)

    def tell(self, hook: str, arguments: dict[str, Any]) -> str:
        """Have a hook called; returns what was wrong with it."""
        return (
            self._fault
            or self._send({"hook": hook, "arguments": arguments})
            or self._answer(PATIENCE_SECONDS)
        )

    def close(self) -> None:
        """End the process and all that it started."""
        kill_group(self._process)

    def _send(self, content: Any) -> str:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(content).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return self._ended()
        return ""

    def _answer(self, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        try:
            event = self._lines.next(max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return f"took more than {seconds:g} s" if self._process.poll() is None else self._ended()
        except ChannelBroken as fault:
            return f"was ended: {fault}"
        return self._ended() if event is None else str(event.get("fault", ""))

    def _ended(self) -> str:
        return "ended its process"
