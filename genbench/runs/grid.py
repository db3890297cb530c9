"""How large the whole grid of a run is, beside its records, so that a table can say that it is partial.

The file is derived: each run of the whole suite writes it anew, and nothing depends on it but a note.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

from genbench.base.canonical import canonical_json
from genbench.base.files import as_json, unwritable, write_atomically
from genbench.planning.balance import level_counts
from genbench.planning.plan import Trial

__all__ = ["GRID_FILE", "partial_notes", "planned_trials", "write_grid"]

GRID_FILE = "grid.json"


def write_grid(run: Path, trials: Sequence[Trial]) -> None:
    """Write down how many trials and configurations there are, and how many have each level of each axis."""
    seeds = {each.configuration: each for each in trials}
    levels = level_counts([each.coordinates() for each in seeds.values()])
    content = as_json(
        {
            "trials": len(trials),
            "configurations": len(seeds),
            "levels": {axis: list(map(list, counts.items())) for axis, counts in levels.items()},
        }
    )
    path = run / GRID_FILE
    try:
        if not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)
    except OSError as fault:
        raise unwritable(path, fault) from None


def planned_trials(run: Path) -> int | None:
    """How many trials the whole grid of a run has; None where that was not written down."""
    grid = _read(run)
    return grid.trials if grid else None


def partial_notes(run: Path, records: Sequence[Mapping[str, Any]], failures: int) -> list[str]:
    """A line where the records of fits are part of the grid, with whether that part is balanced.

    Parameters
    ----------
    failures : int
        How many trials have no fit because training failed.
    """
    grid = _read(run)
    if grid is None or len(records) + failures >= grid.trials or not records:
        return []
    found = {
        canonical_json([coordinates.get(axis) for axis in grid.levels]): coordinates
        for coordinates in (Trial.from_dict(each["trial"]).coordinates() for each in records)
    }
    return [
        f"partial: {len(records)} of {grid.trials} trials, {len(found)} of {grid.configurations} "
        f"configurations; {_balance(list(found.values()), grid)}"
    ]


@dataclass(frozen=True)
class _Grid:
    """What the file says."""

    trials: int
    configurations: int
    levels: dict[str, list[tuple[Any, int]]]


def _read(run: Path) -> _Grid | None:
    """The grid of a run; None where it was not written down, or is not what this version writes."""
    try:
        content = json.loads((run / GRID_FILE).read_bytes())
        levels = {
            axis: [(level, index(count)) for level, count in counts]
            for axis, counts in content["levels"].items()
        }
        grid = _Grid(index(content["trials"]), index(content["configurations"]), levels)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return grid if grid.configurations > 0 else None


def _balance(found: Sequence[dict[str, Any]], grid: _Grid) -> str:
    """Whether each level has its share, to one configuration; else the level that is furthest from it."""
    shares = [
        (
            sum(each.get(axis) == level for each in found),
            len(found) * count / grid.configurations,
            axis,
            level,
        )
        for axis, counts in grid.levels.items()
        for level, count in counts
    ]
    has, share, axis, level = max(shares, key=lambda each: abs(each[0] - each[1]), default=(0, 0.0, "", ""))
    if abs(has - share) <= 1:
        return "each level of each axis has its share of them"
    return f"unbalanced: {axis} = {level} has {has} of them, its share would be {share:.0f}"
