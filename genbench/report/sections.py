"""Further tables of a report: each takes plain rows, and is nothing where there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genbench.report.numbers import rounded

__all__ = ["claims_section", "regularizers_section"]


def regularizers_section(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Regularizers compared, paired over the other axes and seeds; a row each, in the order given."""
    return _section(
        "regularizers",
        "Regularizers",
        "What each regularizer does to the targets, paired over the other hyperparameters and the seeds.",
        rows,
    )


def claims_section(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What papers claim and what this run says of it; a row for each claim, in the order given."""
    return _section(
        "claims",
        "Claims",
        "What the papers say, and what the intervals of this run say of it.",
        rows,
    )


def _section(
    identity: str, title: str, note: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """A section whose columns are the keys of the first row; the first column names the rows."""
    if not rows:
        return None
    columns = list(rows[0])
    return {
        "id": identity,
        "title": title,
        "note": note,
        "columns": columns,
        "rows": [[_cell(row.get(column)) for column in columns] for row in rows],
    }


def _cell(value: Any) -> Any:
    return rounded(value) if isinstance(value, float) else value
