"""What a process that has loaded plugins answers of an audit, in plain data; `genbench.auditing.apart` asks.

Each function takes the host of that process, the spellings of the measures, and what else it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genbench.host import Host
from genbench.host.selection import select

__all__ = ["cost", "invariance", "repeatability"]


def invariance(host: Host, measures: Sequence[str]) -> dict[str, Any]:
    """The measures' entries of `genbench.auditing.invariance.audit`."""
    from genbench.auditing import invariance as audit

    _, found = audit.audit(select(measures, host), host, say=_say)
    return found


def repeatability(
    host: Host, measures: Sequence[str], run: str, keys: Sequence[str], repeats: int, data: str | None
) -> dict[str, Any]:
    """What `genbench.auditing.repeatability.samples` returns."""
    from genbench.auditing.repeatability import samples

    root = None if data is None else Path(data)
    found = samples(Path(run), keys, select(measures, host), host, repeats=repeats, data=root, say=_say)
    return dict(found)


def cost(host: Host, measures: Sequence[str]) -> dict[str, Any]:
    """``milliseconds`` of each measure that has a value, and ``battery_milliseconds`` of all together."""
    from genbench.auditing import cost as audit

    about, found = audit.audit(select(measures, host), host)
    return {
        "battery_milliseconds": about["battery_milliseconds"],
        "milliseconds": {name: each["milliseconds"] for name, each in found.items()},
    }


def _say(line: str) -> None:
    """As the command says it, whose standard error this is."""
    sys.stderr.write(f"genbench: {line}\n")
