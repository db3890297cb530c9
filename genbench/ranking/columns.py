"""Reading one column of a table: numbers, levels of an axis, yes and no."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.ranking.errors import RankingError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["boolean_column", "level_column", "numeric_column"]

ABSENT = "-"
"""Level of a setting that a component lacks; an empty cell of an axis counts as that."""


def numeric_column(table: pd.DataFrame, name: str) -> np.ndarray:
    """A column as float64, empty cells as NaN.

    Raises
    ------
    RankingError
        A cell holds something that is no number.
    """
    column = table[name]
    try:
        if getattr(column.dtype, "kind", "O") in "mM":  # dates, which numpy would turn into nanoseconds
            raise TypeError
        return column.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        pass
    for row, cell in zip(table.index, column, strict=True):
        if not _is_number(cell):
            raise RankingError(
                f"column '{name}' is not numeric: row {row} holds {cell!r}; leave it out or give it numbers"
            )
    raise RankingError(
        f"column '{name}' is not numeric (type {column.dtype}); leave it out or give it numbers"
    )


def _is_number(cell: Any) -> bool:
    if cell is None:
        return True
    if isinstance(cell, str):
        return False
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def boolean_column(column: Any, name: str) -> np.ndarray:
    """A column of yes and no (or 1 and 0); an empty cell counts as no."""
    values = []
    for cell in np.asarray(column, dtype=object):
        if cell is None or cell != cell:
            values.append(False)
        elif isinstance(cell, bool | np.bool_) or cell in (0, 1):
            values.append(bool(cell))
        else:
            raise RankingError(f"'{name}' must hold true and false (or 1 and 0), not {cell!r}")
    return np.array(values, dtype=bool)


def level_column(column: Any) -> tuple[np.ndarray, list[Any]]:
    """The levels of an axis, sorted (numbers, then texts), and each row's place among them.

    1, 1.0 and numpy's versions of them are one level. Lists and mappings are compared by content.

    Returns
    -------
    codes : (n,) int64 array
    levels : list
    """
    plain = [_plain(cell) for cell in np.asarray(column, dtype=object)]
    levels = sorted(set(plain), key=_level_order)
    place = {level: code for code, level in enumerate(levels)}
    return np.array([place[cell] for cell in plain], dtype=np.int64), levels


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
