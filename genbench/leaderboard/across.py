"""One answer over all the suites of a leaderboard: what a reader sees first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genbench.ranking.across import PREDICTOR, of_same_data, rank_across
from genbench.ranking.answer import answer_across

if TYPE_CHECKING:
    from genbench.ranking import Board

__all__ = ["Ranked", "across", "newest"]


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


def newest(tables: Iterable[tuple[Mapping[str, Any], Sequence[Ranked]]]) -> tuple[list[Ranked], list[str]]:
    """The rankings of genbench's own suites, each in the newest version that has entries.

    Parameters
    ----------
    tables : iterable of (dict, sequence of Ranked)
        Tables of `genbench.leaderboard.build.read_leaderboard` with their rankings, later versions later.

    Returns
    -------
    list of Ranked, list of str
        The rankings, and a line for each suite that is installed in a newer version than that.
    """
    found: dict[str, tuple[str, Sequence[Ranked]]] = {}
    for table, ranked in tables:
        suite, superseded = table["suite"], table["superseded"]
        is_older = suite in found and superseded and not found[suite][0]
        if ranked and not table["own"] and not is_older:
            found[suite] = (superseded, ranked)
    lines = [f"{suite}: {why}, which has no entry yet" for suite, (why, _) in found.items() if why]
    return [each for _, ranked in found.values() for each in ranked], lines


def across(ranked: Sequence[Ranked], notes: Iterable[str] = ()) -> dict[str, Any] | None:
    """The summary over suites by the target that most of them have; None for fewer than two of them.

    Parameters
    ----------
    notes : iterable of str
        What else is to be said of the rankings.

    Returns
    -------
    dict
        ``target``, ``suites``, ``rows``, ``pairs``, ``notes`` and ``weighed_as_one`` of
        `genbench.ranking.Across`; suites of the same data weigh as one. ``answer``: what that says, in
        sentences. ``judges``: what measures are held against, each with its ``name`` and its ``scores`` in
        the suites that have it. ``band``: what holds the scores of 95 % of random measures in every suite.
    """
    counts = {each.target: sum(other.target == each.target for other in ranked) for each in ranked}
    target = max(counts, key=lambda name: counts[name], default="")
    chosen = {each.suite: each for each in ranked if each.target == target}
    if len(chosen) < 2:
        return None
    same = of_same_data({name: each.data for name, each in chosen.items()})
    boards = {name: each.board for name, each in chosen.items()}
    found = rank_across(boards, same)
    return {
        "target": found.target,
        "suites": list(found.suites),
        "rows": [_without_nan(row) for row in found.rows],
        "pairs": found.pairs,
        "notes": [*found.notes, *notes],
        "weighed_as_one": found.weighed_as_one,
        "answer": answer_across(found),
        "judges": _judges(boards.values()),
        "band": _band(boards.values()),
    }


def _judges(boards: Iterable[Board]) -> list[dict[str, Any]]:
    scores: dict[str, list[float]] = {"hyperparameters": [], "ceiling: test set": []}
    for board in boards:
        alone = [row[board.rank_by] for row in board.controls if row["measure"] == PREDICTOR]
        ceiling = board.ceiling.get("test_set", {}).get(board.rank_by, math.nan)
        for found, score in zip(scores.values(), ([*alone, math.nan][0], ceiling), strict=True):
            found += [] if math.isnan(score) else [float(score)]
    return [{"name": name, "scores": found} for name, found in scores.items() if found]


def _band(boards: Iterable[Board]) -> list[float | None]:
    known = [board.null_band[board.rank_by] for board in boards if board.rank_by in board.null_band]
    return [min(low for low, _ in known), max(high for _, high in known)] if known else [None, None]


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if value != value else value for key, value in row.items()}
