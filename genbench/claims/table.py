"""Verdicts as a table: claim, published value, ours with its interval, verdict, reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from genbench.claims.verdict import Judgement, Verdict
from genbench.ranking.board import markdown_table

__all__ = ["COLUMNS", "FORMAT", "as_markdown", "table_rows", "tally"]

FORMAT = 1
"""Raised when a key of the JSON changes its meaning."""

COLUMNS = (
    "claim",
    "says",
    "place",
    "statistic",
    "published",
    "ours",
    "best epoch",
    "seeds",
    "verdict",
    "reason",
)

WORDS = {"higher": "above", "lower": "below", "same": "equal to"}


def table_rows(judgements: Sequence[Judgement]) -> list[list[str]]:
    """One row of texts for each claim, under `COLUMNS`."""
    return [
        [
            each.claim.id,
            each.claim.text,
            f"{each.claim.paper}, {each.claim.place}",
            _statistic(each),
            _published(each),
            _ours(each.estimate, each.low, each.high),
            _ours(each.best, each.best_low, each.best_high),
            str(each.seeds),
            str(each.verdict),
            each.reason,
        ]
        for each in judgements
    ]


def as_markdown(judgements: Sequence[Judgement]) -> str:
    """The table and, below it, how many claims have which verdict."""
    return f"{markdown_table(COLUMNS, table_rows(judgements))}\n{tally(judgements)}\n"


def tally(judgements: Sequence[Judgement]) -> str:
    """How many claims have which verdict, in words."""
    counts = Counter(each.verdict for each in judgements)
    found = [f"{counts[each]} {each}" for each in Verdict if counts[each]]
    return f"{len(judgements)} claims: {', '.join(found)}" if found else "no claims"


def _statistic(judgement: Judgement) -> str:
    claim = judgement.claim
    than = "" if math.isnan(claim.null) else f" {claim.null:g}"
    return f"{claim.statistic} of {claim.column} {WORDS[claim.expect]}{than}"


def _published(judgement: Judgement) -> str:
    claim = judgement.claim
    if claim.published is None:
        return "–"
    return f"{claim.published:g} ± {claim.tolerance:g}"


def _ours(estimate: float, low: float, high: float) -> str:
    if math.isnan(estimate):
        return "–"
    return f"{estimate:.4g}" if math.isnan(low) else f"{estimate:.4g} [{low:.4g}, {high:.4g}]"
