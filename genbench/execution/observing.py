"""The process that runs a plugin's observers: reads what happened, one JSON text a line, answers each.

See `genbench.execution.observers`, which starts it. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from genbench.base.children import die_with_parent
from genbench.base.errors import first_line
from genbench.base.read_only import hold_read_only
from genbench.execution.channel import CHANNEL, Speaker
from genbench.host import Host
from genbench.host.plugin import PluginSource


def main() -> None:
    """Load the plugin that the first line describes, then call a hook for each line that follows."""
    die_with_parent()
    begin = json.loads(sys.stdin.readline())
    hold_read_only([Path(each) for each in begin["kept"]])
    die_with_parent()  # whoever changes namespaces is no longer held to it
    spoken = int(os.environ.pop(CHANNEL))
    os.set_inheritable(spoken, False)
    say = Speaker(os.fdopen(spoken, "w", buffering=1))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # this process ends by a signal
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)  # whatever the plugin still does

    threading.Thread(target=listen, daemon=True).start()
    host = Host.of([PluginSource(**begin["plugin"])])
    say({"event": "ready"})
    while True:
        told = json.loads(lines.get())
        faults = [_fault(function, told["arguments"]) for _, function in host.hooks(told["hook"])]
        say({"event": "heard", "fault": "".join(faults)})


def _fault(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    try:
        function(**{name: _frozen(each) for name, each in arguments.items()})
    except BaseException as fault:  # a plugin may call sys.exit or raise anything
        return f"raised {type(fault).__name__}: {first_line(fault)}"
    return ""


def _frozen(content: Any) -> Any:
    if isinstance(content, Mapping):
        return MappingProxyType({key: _frozen(value) for key, value in content.items()})
    if isinstance(content, list | tuple):
        return tuple(_frozen(each) for each in content)
    return content


if __name__ == "__main__":
    main()
