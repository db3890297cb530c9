"""The report of anybody's table of trained networks: what a run folder's has, as far as a table can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import UsageError, nearest
from genbench.report.content import Content, boards_of
from genbench.report.correlation import correlation
from genbench.report.fits import axis_columns, endings
from genbench.report.numbers import column
from genbench.report.standing import standing

if TYPE_CHECKING:
    import pandas as pd

    from genbench.ranking import Board

__all__ = ["read_table_content"]

TEST_SIZE, SEED, ENDING = "test_size", "seed", "stop_reason"
NAMES = ("key", "name", "model", "network", "file", "weights")
"""Columns that may name a row; the first that is there counts."""


def read_table_content(
    path: Path,
    *,
    targets: Sequence[str] | None = None,
    axes: Sequence[str] | None = None,
    bootstrap: int | None = None,
    prepare: Callable[[pd.DataFrame], tuple[Mapping[str, str], str | None]] = lambda frame: ({}, "+"),
) -> Content:
    """Read a table, one row for each network, and rank its columns.

    Parameters
    ----------
    targets : sequence of str, optional
        ``gap`` where left out.
    axes : sequence of str, optional
        Columns of the grid, where they are not named like a grid's keys.
    prepare : callable
        Takes the table as read, on whose ``attrs`` it may write what it knows of the columns; returns the
        directions of measures by name, and that of all others, None where each must have one.

    Raises
    ------
    UsageError
        A target does not exist.
    RankingError
        The table, or none of its targets, can be ranked.
    """
    from genbench.ranking.errors import RankingError
    from genbench.ranking.files import read_file

    wanted = list(targets or ["gap"])
    frame = read_file(path, [*wanted, *(axes or [])])
    directions, others = prepare(frame)
    boards, refused = boards_of(
        lambda target: _board(frame, target, axes, bootstrap, directions, others), wanted
    )
    if not boards:
        raise RankingError("; ".join(dict.fromkeys(refused.values())))
    for target in refused:
        if target not in frame.columns and target not in _derived():
            raise UsageError(f"unknown target '{target}'{nearest(target, map(str, frame.columns))}")
    first = next(iter(boards.values()))
    rows = {row["measure"]: row for row in first.rows}
    levels = {axis: list(frame[axis]) for axis in _axes(frame, first, axes)}
    return Content(
        title=path.stem,
        folder=path.name,
        suite={"name": path.name, "version": None, "notes": ""},
        targets=list(boards),
        refused=refused,
        axes=axis_columns({axis: [_level(each) for each in found] for axis, found in levels.items()}),
        fits={"key": _rows(frame), "seed": _seeds(frame)}
        | {target: column(_target(frame, target)) for target in boards},
        measures={name: _measure(frame, name, row) for name, row in rows.items()},
        standings={target: standing(board) for target, board in boards.items()},
        correlation=correlation(
            _numbers(frame, list(rows)), {name: row["direction"] for name, row in rows.items()}
        ),
        curves={"epoch": [], "train_loss": [], "train_error": []},
        endings=_endings(frame, levels),
        provenance={
            "environments": [],
            "seeds": sorted(set(_seeds(frame))) if SEED in frame.columns else [],
            "test_examples": sorted(set(frame[TEST_SIZE])) if TEST_SIZE in frame.columns else [],
            "checksums": [],
            "suite": "",
        },
        tables=[],
        notes=[],
    )


def _board(
    frame: pd.DataFrame, target: str, axes: Sequence[str] | None, bootstrap: int | None,
    directions: Mapping[str, str], undirected: str | None,
) -> Board:  # fmt: skip
    from genbench import ranking

    size = TEST_SIZE if TEST_SIZE in frame.columns else None
    return ranking.rank(
        frame, target=target, axes=axes, bootstrap=bootstrap, test_size=size, directions=directions,
        undirected=undirected,
    )  # fmt: skip


def _derived() -> Any:
    from genbench.ranking.targets import DERIVED

    return DERIVED


def _target(frame: pd.DataFrame, target: str) -> Any:
    from genbench.ranking.targets import target_column

    return target_column(frame, target)


def _axes(frame: pd.DataFrame, board: Board, axes: Sequence[str] | None) -> list[str]:
    return list(axes) if axes is not None else list(board.axes)


def _level(cell: Any) -> Any:
    value = cell.item() if hasattr(cell, "item") else cell
    return value if isinstance(value, bool | int | float | str) and value == value else str(value)


def _rows(frame: pd.DataFrame) -> list[str]:
    found = next((name for name in NAMES if name in frame.columns), None)
    return [str(each) for each in (frame.index if found is None else frame[found])]


def _seeds(frame: pd.DataFrame) -> list[int]:
    """Seeds as whole numbers; those that are texts are counted."""
    if SEED not in frame.columns:
        return [0] * len(frame)
    cells = list(frame[SEED])
    order = {cell: place for place, cell in enumerate(dict.fromkeys(map(str, cells)))}
    return [int(each) if str(each).isdigit() else order[str(each)] for each in cells]


def _numbers(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    from genbench.ranking.columns import numeric_column

    return pd.DataFrame({name: numeric_column(frame, name) for name in names})


def _measure(frame: pd.DataFrame, name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a column of a table: its values, and what the ranking knows of it."""
    values = _numbers(frame, [name])[name]
    there = int(values.notna().sum())
    statuses = {"ok": there} | ({"missing": len(values) - there} if there < len(values) else {})
    return {
        "family": row.get("family") or "",
        "direction": row["direction"],
        "cost_class": "",
        "seconds": None,
        "held_out": bool(row.get("held_out")),
        "plugin": "",
        "version": None,
        "statuses": statuses,
        "aliases": [],
        "formula": "",
        "source": "",
        "documentation": "",
        "invariance": {},
        "values": column(values),
    }


def _endings(frame: pd.DataFrame, levels: dict[str, list[Any]]) -> dict[str, Any]:
    if ENDING not in frame.columns:
        return {"reasons": [], "total": [], "axes": []}
    known = {axis: [_level(each) for each in found] for axis, found in levels.items()}
    return endings(known, [str(each) for each in frame[ENDING]])
