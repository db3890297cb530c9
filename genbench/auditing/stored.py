"""The tables that come with genbench: what the audits found, read without torch, for cards and reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.files import as_json

if TYPE_CHECKING:
    from genbench.contract.components import Component
    from genbench.host import Host

__all__ = ["entry", "environment", "stored", "table_content"]


FORMAT = 1


@cache
def stored(audit: str) -> Mapping[str, Any]:
    """The table of an audit as it came with genbench; its ``measures`` are empty where there is none."""
    path = Path(__file__).parent / f"{audit}.json"
    if not path.is_file():
        return {"measures": {}}
    return json.loads(path.read_text(encoding="utf-8"))


def entry(audit: str, component: Component) -> Mapping[str, Any] | None:
    """What an audit found of a measure with its default settings; None where this version was not audited."""
    found = stored(audit)["measures"].get(component.full_name)
    return found if found is not None and found["version"] == component.version else None


def environment(host: Host) -> dict[str, Any]:
    """What tables say of where they were made: versions and hardware, no time, no commit."""
    from genbench.runs.environment import describe_environment

    found = describe_environment(host, "cpu")
    return {name: found[name] for name in ("genbench", "python", "system", "processor", "cores", "packages")}


def table_content(audit: str, about: Mapping[str, Any], measures: Mapping[str, Any], host: Host) -> bytes:
    """A table as a file: `about` says how it was made, `measures` has an entry for each by full name."""
    content = {"audit": audit, "format": FORMAT, **about, "environment": environment(host)}
    head = [f"{json.dumps(key)}: {_line(value)}," for key, value in sorted(content.items())]
    rows = [f" {json.dumps(name)}: {_line(found)}" for name, found in sorted(measures.items())]
    return "\n".join(["{", *head, '"measures": {', ",\n".join(rows), "}}", ""]).encode()


def _line(value: Any) -> str:
    """Strict JSON in one line, so that a table has a line for each measure."""
    return json.dumps(json.loads(as_json(value)), sort_keys=True, ensure_ascii=False)
