"""The process in which `genbench.testing.apart` has a plugin checked: a job in, events out."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from genbench.base.errors import GenbenchError, UsageError, nearest
from genbench.execution.worker import answers
from genbench.host import Host
from genbench.testing.checking import given_for, plugin_of, subjects


def main() -> None:
    """Read the job, do it, and write an event a line; what the plugin prints goes to standard error."""
    job = json.loads(sys.stdin.readline())
    say = answers()

    def emit(event: str, **content: Any) -> None:
        say({"event": event, **content})

    try:
        _check(job, emit)
    except GenbenchError as fault:
        emit("fault", text=str(fault), exit_code=fault.exit_code)
    emit("end")


def _check(job: Mapping[str, Any], emit: Any) -> None:
    given = given_for(job["plugin"])
    host = Host.load(given)
    plugin = plugin_of(job["plugin"], host)
    names = [name for each in plugin.components for name in (each.name, each.full_name)]
    if job["only"] and job["only"] not in names:
        raise UsageError(
            f"plugin '{plugin.name}' has no component '{job['only']}'{nearest(job['only'], names)}"
        )
    found = list(subjects(plugin, host, given, job["only"]))
    problems = [f"plugin '{plugin.name}' ({plugin.source.origin}): {each}" for each in plugin.problems]
    emit("plugin", name=plugin.name, problems=problems)
    for subject in found:
        emit("subject", kind=subject.kind, name=subject.name, needs=subject.needs)
        known = job["known"].get(f"{subject.kind} {subject.name}", [])
        kept = True
        for law in () if subject.needs else subject.laws.names():
            if law in known:
                kept = False  # an earlier process died at this law, or at one behind it
                continue
            emit("law", law=law)
            verdict = subject.laws.judged(law)
            kept = kept and verdict.status != "broken"
            emit("verdict", status=verdict.status, why=verdict.why)
        if kept and not subject.needs and "card" not in known:
            emit("law", law="card")
            emit("card", card=subject.card())


if __name__ == "__main__":
    main()
