"""What can be said of a run folder without running anything: counts, faults, damage, conflicts."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np

from genbench.base.errors import UsageError
from genbench.base.values import Status
from genbench.runs.grid import partial_notes, planned_trials
from genbench.runs.standing import read_standing
from genbench.runs.store import Folder

__all__ = ["read_status", "read_trial"]


def read_status(path: Path) -> dict[str, Any]:
    """Read everything in a run folder and check it, weights included.

    Returns
    -------
    dict
        ``folder, suite, planned`` (trials of the whole grid, None where that is not known)``, fits,
        stop_reasons, failures, measures, faults, damaged, conflicts, warnings``; plain data.

    Raises
    ------
    InvalidInput
        The folder is no run folder.
    """
    damaged: list[str] = []
    folder = Folder(path, damaged.append)
    suite = folder.suite_content()
    standing = read_standing(folder, check_weights=True)
    faulty = {
        number: meaning
        for number, meaning in enumerate(standing.meanings)
        if Status(meaning["status"]).is_fault
    }
    reasons: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    said = np.concatenate([np.zeros(0, dtype=np.int32), *(row.said for row in standing.everything)])
    for meaning, count in zip(standing.meanings, np.bincount(said), strict=False):
        if count and meaning["status"] != Status.OK:
            reasons[meaning["measure"]][meaning["reason"] or meaning["status"]] += int(count)
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
        for name, each in standing.measures.items()
    }
    return {
        "folder": str(path),
        "suite": suite.get("name", ""),
        "planned": planned_trials(path),
        "fits": len(standing.everything),
        "stop_reasons": dict(collections.Counter(each.record["stop_reason"] for each in standing.everything)),
        "failures": [
            {"key": key, "status": each["status"], "reason": each["reason"]}
            for key, each in standing.failures.items()
        ],
        "measures": measures,
        "faults": [
            {"key": row.key, **{name: faulty[said][name] for name in ("measure", "status", "reason")}}
            for row in standing.everything
            for said in row.said.tolist()
            if said in faulty
        ]
        if faulty
        else [],
        "damaged": damaged,
        "conflicts": [line for row in standing.everything for line in row.conflicts],
        "warnings": [
            *standing.notes,
            *partial_notes(path, [each.record for each in standing.rows], len(standing.failed)),
            *_changed_sources(folder),
        ],
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
