"""The same measures against several targets: whose rank depends on what is to be predicted?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from genbench.ranking.api import rank
from genbench.ranking.board import Board, markdown_table, strict
from genbench.ranking.errors import RankingError
from genbench.ranking.targets import OUTCOMES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Flips", "rank_flips"]


@dataclass(frozen=True)
class Flips:
    """Ranks by target.

    Parameters
    ----------
    targets : tuple of str
    rows : list of dict
        One per measure, in the order of the first target: ``measure``, ``direction``, per target ``<target>``
        (the score, as published), ``<target>_rank_low`` and ``<target>_rank_high``; ``flips``: its intervals
        of ranks for two targets have no rank in common; ``reversed``: its score is surely positive for one
        target and surely negative for another.
    pairs : list of dict
        One per pair of targets: how many pairs of measures are surely ordered for both, and how many of those
        the other way round.
    boards : dict
        The board of each target.
    """

    targets: tuple[str, ...]
    rows: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    boards: dict[str, Board]

    def to_frame(self) -> pd.DataFrame:
        """One row per measure."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def to_json(self) -> str:
        """Strict JSON, without the boards."""
        content = strict({"targets": self.targets, "rows": self.rows, "pairs": self.pairs})
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """A table of ranks and scores, then one line for each pair of targets."""
        header = ["measure", "direction", *self.targets, "flips", "reversed"]
        body = []
        for row in self.rows:
            cells = [row["measure"], row["direction"]]
            for target in self.targets:
                low, high = row[f"{target}_rank_low"], row[f"{target}_rank_high"]
                ranks = "–" if low is None else f"{low}" if low == high else f"{low}–{high}"
                cells.append(f"{ranks} ({row[target]:.3f})")
            body.append([*cells, "yes" if row["flips"] else "", "yes" if row["reversed"] else ""])
        lines = [
            f"- {pair['first']} and {pair['second']}: of {pair['ordered']} pairs of measures surely ordered "
            f"for both, {pair['opposite']} are ordered the other way round."
            for pair in self.pairs
        ]
        return markdown_table(header, body) + "\n" + "\n".join(lines) + "\n"


def rank_flips(
    table: pd.DataFrame,
    targets: Sequence[str] = ("gap", "test_error", "loss_gap"),
    measures: Sequence[str] | None = None,
    rank_by: str = "psi",
    **options: Any,
) -> Flips:
    """Rank the same measures against several targets and say what changes.

    Parameters
    ----------
    table : pandas.DataFrame
    targets : sequence of str
        At least two.
    measures : names, optional
        As for `rank`; no target is ever taken for a measure unasked.
    rank_by : str
    **options
        Passed on to `genbench.ranking.rank`.

    Raises
    ------
    RankingError
        For fewer than two targets, and as `rank`.
    """
    wanted = tuple(dict.fromkeys(targets))
    if len(wanted) < 2:
        raise RankingError(
            "rank_flips compares targets; name at least two, e.g. targets=['gap', 'test_error']"
        )
    boards: dict[str, Board] = {}
    for target in wanted:
        if measures is None:  # the first board's choice, without the other targets
            others = set(wanted) - {target} - OUTCOMES  # which are no measures, and may be parts of this one
            rest = table.drop(columns=others & set(table.columns))
            measures = sorted(
                row["measure"] for row in rank(rest, None, target, rank_by="n", **_cheap(options)).rows
            )
        boards[target] = rank(table, measures, target, rank_by=rank_by, **options)
    rows = []
    for row in boards[wanted[0]].rows:
        entry: dict[str, Any] = {"measure": row["measure"], "direction": row["direction"]}
        there = [boards[target][row["measure"]] for target in wanted]
        for target, one in zip(wanted, there, strict=True):
            entry |= {
                target: one[rank_by],
                f"{target}_rank_low": one["rank_low"],
                f"{target}_rank_high": one["rank_high"],
            }
        entry["flips"] = any(_ahead(a, b) or _ahead(b, a) for a, b in combinations(there, 2))
        low, high = f"{rank_by}_low", f"{rank_by}_high"
        entry["reversed"] = any(one.get(low, 0) > 0 for one in there) and any(
            one.get(high, 0) < 0 for one in there
        )
        rows.append(entry)
    pairs = [_compare(first, second, boards) for first, second in combinations(wanted, 2)]
    return Flips(wanted, rows, pairs, boards)


def _cheap(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "statistics": "spearman", "bootstrap": 0}


def _ahead(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether the first has surely the smaller rank."""
    return (
        first["rank_high"] is not None
        and second["rank_low"] is not None
        and first["rank_high"] < second["rank_low"]
    )


def _compare(first: str, second: str, boards: dict[str, Board]) -> dict[str, Any]:
    ordered = opposite = 0
    rows = [row["measure"] for row in boards[first].rows]
    one, other = ({row["measure"]: row for row in boards[target].rows} for target in (first, second))
    for a, b in combinations(rows, 2):
        here = _ahead(one[a], one[b]) - _ahead(one[b], one[a])
        there = _ahead(other[a], other[b]) - _ahead(other[b], other[a])
        ordered += bool(here and there)
        opposite += here * there < 0
    return {"first": first, "second": second, "ordered": ordered, "opposite": opposite}
