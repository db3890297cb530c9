"""What can be said of a run folder without running anything: counts, faults, damage, conflicts."""

from __future__ import annotations

import collections
from functools import cache, partial
from pathlib import Path
from typing import Any

from genbench.base.errors import UsageError
from genbench.base.values import Status
from genbench.runs.results import read_table
from genbench.runs.store import Folder

__all__ = ["read_status", "read_trial"]


def read_status(path: Path) -> dict[str, Any]:
    """Read everything in a run folder and check it, weights included.

    Returns
    -------
    dict
        ``folder, suite, fits, stop_reasons, failures, measures, faults, damaged, conflicts, warnings``;
        plain data.

    Raises
    ------
    InvalidInput
        The folder is no run folder.
    """
    damaged: list[str] = []
    folder = Folder(path, damaged.append)
    records = _ReadOnce(folder)
    suite = folder.suite_content()
    stops: collections.Counter[str] = collections.Counter()
    failures: list[dict[str, str]] = []
    faults: list[dict[str, str]] = []
    reasons: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    conflicts: list[str] = []
    for key in records.fit_keys():
        stored = records.fit(key)
        if stored is None:
            failure = records.failure(key)
            if failure is not None:
                failures.append({"key": key, "status": failure["status"], "reason": failure["reason"]})
            continue
        stops[stored.record["stop_reason"]] += 1
        measured = records.measured(key)
        conflicts += measured.conflicts
        for name, value in measured.values.items():
            if value["status"] != Status.OK:
                reasons[name][value["reason"] or value["status"]] += 1
        faults += [
            {"key": key, "measure": name, "status": value["status"], "reason": value["reason"]}
            for name, value in measured.values.items()
            if Status(value["status"]).is_fault
        ]
    table = read_table(records)
    measures = {
        name: {
            "family": each.family,
            "direction": each.direction,
            "cost_class": each.cost_class,
            "plugin": each.plugin,
            "held_out": each.held_out,
            "statuses": dict(each.statuses),
            "reasons": dict(reasons[name].most_common()),
        }
        for name, each in table.measures.items()
    }
    return {
        "folder": str(path),
        "suite": suite.get("name", ""),
        "fits": sum(stops.values()),
        "stop_reasons": dict(stops),
        "failures": failures,
        "measures": measures,
        "faults": faults,
        "damaged": damaged,
        "conflicts": conflicts,
        "warnings": [*table.notes, *_changed_sources(folder)],
    }


def read_trial(folder: Folder, start: str) -> dict[str, Any]:
    """What there is of one trial.

    Parameters
    ----------
    start : str
        Its key, or the beginning of it.

    Returns
    -------
    dict
        ``key``; the records ``fit`` and ``failure``, None where there is none; ``values`` by measure.

    Raises
    ------
    UsageError
        No trial, or several, have a key that begins so.
    InvalidInput
        The folder is no run folder.
    """
    folder.suite_content()
    keys = [each for each in folder.fit_keys() if each.startswith(start)]
    if len(keys) != 1:
        found = (
            f"{len(keys)} trials of '{folder.path}' begin" if keys else f"no trial of '{folder.path}' begins"
        )
        raise UsageError(f"{found} with '{start}'; 'genbench export' lists the keys")
    stored = folder.fit(keys[0])
    return {
        "key": keys[0],
        "fit": stored.record if stored else None,
        "failure": folder.failure(keys[0]),
        "values": folder.measured(keys[0]).values,
    }


class _ReadOnce:
    """The records of a run folder, each read once, fits with their weights checked."""

    def __init__(self, folder: Folder):
        self.suite_content = folder.suite_content
        self.fit_keys = cache(folder.fit_keys)
        self.fit = cache(partial(folder.fit, check_weights=True))
        self.failure = cache(folder.failure)
        self.measured = cache(folder.measured)


def _changed_sources(folder: Folder) -> list[str]:
    """Components whose code changed from one environment to the next while their version did not."""
    seen: dict[tuple[str, str, str], set[str]] = {}
    for environment in folder.environments().values():
        for plugin in environment["plugins"]:
            for component, source in plugin["components"].items():
                seen.setdefault((plugin["name"], plugin["version"], component), set()).add(source)
    changed = sorted({(plugin, version) for (plugin, version, _), hashes in seen.items() if len(hashes) > 1})
    return [
        f"plugin '{plugin}' {version}: its code changed during this run while its version did not"
        for plugin, version in changed
    ]
