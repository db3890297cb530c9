"""Text to numbers, cell by cell: what a table's file spells out, read in one way or left as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["MISSING", "as_column", "number", "point_spelling", "repeated"]

MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
     "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip
"""Cells that count as empty, the same as those of pandas."""

TRUTH = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
WHOLE = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf(inity)?", re.IGNORECASE)
GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
DECIMAL_COMMA = re.compile(r"[+-]?([0-9]*|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+([eE][+-]?[0-9]+)?")
GROUPED_BY_POINTS = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+")


def number(text: str) -> int | float | None:
    """The number that a text spells with a decimal point, None where it spells none."""
    text = text.strip()
    if WHOLE.fullmatch(text) and len(text) < 300:
        return int(text)
    return float(text) if NUMBER.fullmatch(text) else None


def as_column(texts: Sequence[str]) -> list[Any]:
    """The cells of a column: numbers if all are, truth values if all are, else texts as they stand.

    Among texts a cell that spells a number or a truth value in the way in which they are printed is one, so
    that an axis has the same levels whatever file it came from.
    """
    cells = [None if text.strip() in MISSING else text.strip() for text in texts]
    numbers = [None if cell is None else number(cell) for cell in cells]
    if all(cell is None or found is not None for cell, found in zip(cells, numbers, strict=True)):
        return numbers
    return [
        cell if cell is None else _printed(cell, found) for cell, found in zip(cells, numbers, strict=True)
    ]


def _printed(cell: str, found: int | float | None) -> Any:
    if cell in TRUTH:
        return TRUTH[cell]
    return found if found is not None and str(found) == cell else cell


def point_spelling(rows: list[list[str]]) -> list[list[str]]:
    """The rows with commas in numbers gone: thousands left out, decimal commas made points.

    What a comma means is read off the whole table: ``0,5`` can only be a decimal comma, ``1,234.5`` or a
    ``0.5`` elsewhere only go with thousands. Where both occur, or neither, nothing is changed.
    """
    cells = [cell for row in rows for cell in row]
    if not any("," in cell for cell in cells):
        return rows
    decimal = any(DECIMAL_COMMA.fullmatch(cell) and not _may_be_grouped(cell) for cell in cells)
    point = any(_has_decimal_point(cell) for cell in cells)
    if decimal == point:
        return rows
    spelled, drop, becomes = (DECIMAL_COMMA, ".", ",") if decimal else (GROUPED, ",", ".")
    columns = [list(column) for column in zip(*rows, strict=True)]
    for place, column in enumerate(columns):
        if all(_is_spelled(cell, spelled, decimal) for cell in column):
            columns[place] = [
                cell if cell in MISSING else cell.replace(drop, "").replace(becomes, ".") for cell in column
            ]
    return [list(row) for row in zip(*columns, strict=True)]


def _may_be_grouped(cell: str) -> bool:
    return GROUPED.fullmatch(cell) is not None and not cell.lstrip("+-").startswith("0")


def _has_decimal_point(cell: str) -> bool:
    if "." not in cell or GROUPED_BY_POINTS.fullmatch(cell):
        return False
    return NUMBER.fullmatch(cell) is not None or GROUPED.fullmatch(cell) is not None


def _is_spelled(cell: str, spelled: re.Pattern[str], decimal: bool) -> bool:
    if cell in MISSING or spelled.fullmatch(cell):
        return True
    if decimal and "." in cell:
        return GROUPED_BY_POINTS.fullmatch(cell) is not None
    return NUMBER.fullmatch(cell) is not None


def repeated(names: Iterable[Any]) -> list[Any]:
    """What occurs more than once, in the order of first occurrence."""
    seen: set[Any] = set()
    twice: dict[Any, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)
