"""Reading one column of a table: numbers, levels of an axis, yes and no."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.ranking.cells import MISSING, number
from genbench.ranking.errors import RankingError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "boolean_column",
    "count_numbers",
    "is_index",
    "level_column",
    "numeric_column",
    "same_but_rounding",
]

INDEX = re.compile(r"Unnamed: [0-9.]+( .*)?|__index_level_[0-9]+__|level_[0-9]+|index|")
"""Names that are given to an index that has none."""

LONGEST = 60
"""Characters of a cell that a message shows."""

ROUNDING = 8 * 2.0**-52
"""Numbers that are no further apart than this, as a share of the larger, differ by rounding only."""

ABSENT = "-"
"""Level of a setting that a component lacks; an empty cell of an axis counts as that."""


def numeric_column(table: pd.DataFrame, name: str) -> np.ndarray:
    """A column as float64, empty cells as NaN; texts that spell numbers are numbers.

    Raises
    ------
    RankingError
        A cell holds something that is no number; row and cell are named, and the file if it is known.
    """
    column = table[name]
    kind = getattr(column.dtype, "kind", "O")
    if kind in "biuf" and isinstance(column.dtype, np.dtype):
        return column.to_numpy(dtype=float)
    values = np.full(len(column), np.nan)
    for place, (row, cell) in enumerate(zip(table.index, column, strict=True)):
        value = _number(cell)
        if value is None:
            raise RankingError(
                f"{_file(table)}column '{name}' is not numeric: row {row} holds {_shown(cell)}; "
                "leave it out or give it numbers"
            )
        values[place] = value
    return values


def count_numbers(column: pd.Series) -> tuple[int, int]:
    """How many cells of a column are numbers, and how many are not empty; truth values are no numbers."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return len(column), len(column)
    filled = [cell for cell in column if not _is_empty(cell)]
    found = [not isinstance(cell, bool | np.bool_) and _number(cell) is not None for cell in filled]
    return sum(found), len(filled)


def is_index(name: str, column: pd.Series) -> bool:
    """Whether a column only numbers the rows, as programs write it that keep an index."""
    if not INDEX.fullmatch(name) or column.dtype.kind not in "iuf":
        return False
    values = column.to_numpy(dtype=float, na_value=np.nan)
    return bool(np.isin(np.sort(values) - np.arange(len(values)), (0.0, 1.0)).all()) and column.is_unique


def _file(table: pd.DataFrame) -> str:
    return f"{table.attrs['file']}: " if "file" in table.attrs else ""


def _shown(cell: Any) -> str:
    text = repr(cell.item() if isinstance(cell, np.generic) else cell)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _is_empty(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(cell, str):
        return cell.strip() in MISSING
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))


def _number(cell: Any) -> float | None:
    """The number in a cell, NaN where it is empty, None where it holds something else."""
    if _is_empty(cell) and type(cell).__name__ != "NaTType":
        return float("nan")
    if isinstance(cell, str):
        cell = number(cell)
    if cell is None or isinstance(cell, complex | np.complexfloating | np.datetime64 | np.timedelta64):
        return None
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


def boolean_column(column: Any, name: str) -> np.ndarray:
    """A column of yes and no (or 1 and 0); an empty cell counts as no."""
    values = []
    for place, cell in enumerate(np.asarray(column, dtype=object)):
        if _is_empty(cell):
            values.append(False)
        elif isinstance(cell, bool | np.bool_) or cell in (0, 1):
            values.append(bool(cell))
        else:
            raise RankingError(f"'{name}' must hold true and false (or 1 and 0), not {cell!r} (row {place})")
    return np.array(values, dtype=bool)


def level_column(column: Any) -> tuple[np.ndarray, list[Any]]:
    """The levels of an axis, sorted (numbers, then texts), and each row's place among them.

    1, 1.0 and numpy's versions of them are one level, and so are numbers that differ by rounding only. Lists
    and mappings are compared by content.

    Returns
    -------
    codes : (n,) int64 array
    levels : list
    """
    plain = [_plain(cell) for cell in np.asarray(column, dtype=object)]
    one_of = {level: group[0] for group in _without_rounding(set(plain)) for level in group}
    levels = sorted(set(one_of.values()), key=_level_order)
    codes = {level: code for code, level in enumerate(levels)}
    place = {level: codes[one] for level, one in one_of.items()}
    return np.array([place[cell] for cell in plain], dtype=np.int64), levels


def same_but_rounding(column: Any) -> list[list[float]]:
    """Groups of numbers in a column that are one level, since rounding alone tells them apart."""
    groups = _without_rounding({_plain(cell) for cell in np.asarray(column, dtype=object)})
    return [group for group in groups if len(group) > 1]


def _without_rounding(levels: set[Any]) -> list[list[Any]]:
    """Levels in groups that are one, each with the shortest to write in front: 0.3, 0.30000000000000004."""
    groups: list[list[Any]] = []
    for level in sorted(levels, key=_level_order):
        last = groups[-1][-1] if groups else None
        if isinstance(level, str) or last is None or not _next_to(last, level):
            groups.append([level])
        else:
            groups[-1].append(level)
    return [sorted(group, key=lambda level: len(repr(level))) for group in groups]


def _next_to(low: float, high: float) -> bool:
    if isinstance(low, int) and isinstance(high, int):
        return False
    if max(abs(low), abs(high)) > sys.float_info.max:  # a whole number that no float comes near, or infinite
        return False
    return high - low <= ROUNDING * max(abs(low), abs(high))


def _plain(cell: Any) -> Any:
    if isinstance(cell, np.generic):
        cell = cell.item()
    if cell is None or type(cell).__name__ in ("NAType", "NaTType") or cell != cell:
        return ABSENT
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, int | float | str):
        return cell
    return json.dumps(cell, sort_keys=True, default=str)


def _level_order(level: Any) -> tuple[int, Any]:
    return (1, level) if isinstance(level, str) else (0, level)
