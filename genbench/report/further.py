"""Rows of a report's tables beside the ranking of measures: its regularizers, and the claims of papers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genbench.runs.results import RunTable

__all__ = ["claim_rows", "regularizer_rows"]


def regularizer_rows(results: RunTable) -> list[dict[str, Any]]:
    """A row for each regularizer and target, best first; none where the run has one alternative."""
    from genbench.runs.regularizers import has_alternatives, rank_regularizers

    if not has_alternatives(results):
        return []
    found = rank_regularizers(results)
    name, *header = found.header
    return [
        {name: row[0], "target": target, **dict(zip(header, row[1:], strict=True))}
        for target in found.targets
        for row in found.cells(target)
    ]


def claim_rows(suite: Mapping[str, Any], results: RunTable) -> list[dict[str, Any]]:
    """A row for each claim of the run's suite; none where they cannot be read."""
    from genbench.claims.table import COLUMNS, table_rows
    from genbench.claims.verdict import judge_run
    from genbench.planning.claims import read_claims

    claims = read_claims(suite.get("claim"), lambda where, what: None)
    rows = table_rows(judge_run(claims, results)) if claims else []
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]
