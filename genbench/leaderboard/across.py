"""One answer over all the suites of a leaderboard: what a reader sees first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genbench.ranking.across import of_same_data, rank_across

if TYPE_CHECKING:
    from genbench.ranking import Board

__all__ = ["Ranked", "across"]


@dataclass(frozen=True)
class Ranked:
    """The ranking of one suite by one target.

    Attributes
    ----------
    suite : str
    data : tuple of str
        Names of its data sets.
    target : str
    """

    suite: str
    data: tuple[str, ...]
    target: str
    board: Board


def across(ranked: Sequence[Ranked]) -> dict[str, Any] | None:
    """The summary over suites by the target that most of them have; None for fewer than two of them.

    Returns
    -------
    dict
        ``target``, ``suites``, ``rows``, ``pairs``, ``notes`` and ``weighed_as_one`` of
        `genbench.ranking.Across`. Suites of the same data weigh as one.
    """
    counts = {each.target: sum(other.target == each.target for other in ranked) for each in ranked}
    target = max(counts, key=lambda name: counts[name], default="")
    chosen = {each.suite: each for each in ranked if each.target == target}
    if len(chosen) < 2:
        return None
    same = of_same_data({name: each.data for name, each in chosen.items()})
    found = rank_across({name: each.board for name, each in chosen.items()}, same)
    return {
        "target": found.target,
        "suites": list(found.suites),
        "rows": [_without_nan(row) for row in found.rows],
        "pairs": found.pairs,
        "notes": found.notes,
        "weighed_as_one": found.weighed_as_one,
    }


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if value != value else value for key, value in row.items()}
