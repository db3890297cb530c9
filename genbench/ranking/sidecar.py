"""What is known of a table's columns beyond their numbers: written beside the file, read with it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from genbench.ranking.errors import RankingError

__all__ = ["beside", "carried", "described"]

FORMAT = 1
"""Raised when a key changes its meaning."""

ENDING = ".about.json"


def beside(file: Path) -> Path:
    """The sidecar of a table: ``table.csv.about.json``."""
    return file.with_name(file.name + ENDING)


def described(
    columns: Sequence[str],
    axes: Sequence[str],
    measures: Mapping[str, Mapping[str, Any]],
    test_size: float | None,
) -> dict[str, Any]:
    """The content of a sidecar, as JSON can hold it.

    Parameters
    ----------
    columns : names
        All that the table has; those that somebody adds later are looked at as in any other table.
    axes : names
    measures : mapping
        Measure to its ``direction``, ``family`` and ``held_out``; more may be told.
    test_size : number, optional
        Of the test set behind each row, where it is one for all.
    """
    return {
        "format": FORMAT,
        "columns": list(columns),
        "axes": list(axes),
        "test_size": test_size,
        "measures": {name: dict(each) for name, each in measures.items()},
    }


def carried(file: Path, columns: Collection[str]) -> dict[str, Any]:
    """What the sidecar of a table tells of these columns; empty without a sidecar.

    Returns
    -------
    dict
        ``columns``, ``axes``, ``measures`` and ``held_out``, names; ``directions`` and ``families``, by
        measure; ``test_size``, a number or None: what `genbench.ranking.rank` reads from ``table.attrs``.

    Raises
    ------
    RankingError
        There is a sidecar that cannot be read.
    """
    path = beside(file)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise RankingError(f"{path}: format {content['format']} is not known; export the table again")
        told = {name: each for name, each in content["measures"].items() if name in columns}
        return {
            "columns": list(content["columns"]),
            "axes": [axis for axis in content["axes"] if axis in columns],
            "measures": list(told),
            "directions": {name: each["direction"] for name, each in told.items()},
            "families": {name: each["family"] for name, each in told.items()},
            "held_out": [name for name, each in told.items() if each["held_out"]],
            "test_size": content["test_size"],
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        if isinstance(fault, RankingError):
            raise
        why = f"{type(fault).__name__} {fault}".splitlines()[0]
        raise RankingError(f"{path}: cannot be read ({why}); export the table again or remove it") from None
