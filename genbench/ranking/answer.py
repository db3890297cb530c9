"""What a ranking says, in a few plain sentences: for who will not read the table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from genbench.ranking.across import PREDICTOR, Across
from genbench.ranking.board import Board
from genbench.ranking.ordering import as_claimed
from genbench.ranking.rank_ranges import surely_better
from genbench.ranking.targets import DERIVED, OUTCOMES

__all__ = ["SMALL_SHARE", "answer", "answer_across", "leaders"]

NAMED = 5
"""How many measures a sentence names before it counts the rest."""

SMALL_SHARE = 0.1
"""A table in which fewer of the pairs than this are told apart is too small to rank."""

TEST_SET_CEILING = "The noise of the test set sets a ceiling of"
KNOWS_NO_SEED = "What knows the configuration and not the seed would score"


def answer(board: Board) -> list[str]:
    """Who stands at the top, whether that beats the hyperparameters, how near the ceiling, how sure it is.

    Returns
    -------
    list of str
        Up to four sentences, plain text in this order, each for itself. Scores are oriented: larger is
        better. A question that the board does not touch (pairs of a single measure) has none.
    """
    ranked = board.ranked()
    if not ranked:
        return [_without_ranks(board)]
    found = [_top(board, ranked), _beside_hyperparameters(board, ranked), _beside_ceiling(board, ranked[0])]
    return [*found, *_pairs(board)]


def leaders(board: Board) -> list[dict[str, Any]]:
    """The ranked rows that no measure is surely ahead of: one winner, or several not told apart.

    Without intervals, those of the highest score.
    """
    return [row for row in board.ranked() if row["rank_low"] == 1]


def answer_across(across: Across) -> list[str]:
    """The same for several suites together: who stands at the top, whether it beats the hyperparameters."""
    ranked = [row for row in across.rows if row["rank_low"] is not None]
    if not ranked:
        return ["No measure has a rank over the suites: none has a score in every one of them."]
    count = len(across.suites)
    top = [row for row in ranked if row["rank_low"] == 1]
    scored = [(row["measure"], f"{row['mean']:+.2f}") for row in top]
    target = _target(across.target)
    if len(top) == 1:
        name, score = scored[0]
        first = f"Over {count} suites {name} predicts the {target} best: mean {across.rank_by} {score}."
    else:
        first = (
            f"Over {count} suites, {len(top)} of {len(ranked)} measures share the first place for predicting "
            f"the {target} and cannot be told apart: {_listed(scored, f'mean {across.rank_by} ')}."
        )
    return [first, _beats(across, ranked), *_apart(across.pairs)]


def _top(board: Board, ranked: Sequence[Mapping[str, Any]]) -> str:
    target, by, best = _target(board.target), board.rank_by, ranked[0]
    scored = [(row["measure"], f"{_score(board, row):+.2f}") for row in leaders(board)]
    name, score = scored[0]
    if _is_chance(board, best):
        return (
            f"No measure is seen to predict the {target} better than chance: the best of {len(ranked)}, "
            f"{name}, has {by} {score}."
        )
    if len(ranked) == 1:
        return f"{name}, the only measure ranked, predicts the {target} with {by} {score}."
    if board.uncertainty is None:
        rest = [(row["measure"], f"{_score(board, row):+.2f}") for row in ranked]
        return (
            f"Of {len(ranked)} measures the best scores for the {target} are those of "
            f"{_listed(rest, f'{by} ', count=False)}; without intervals nobody knows which can be told apart."
        )
    if len(scored) == 1:
        return (
            f"{name} predicts the {target} best of {len(ranked)} measures, with {by} {score}, and is told "
            "apart from every other."
        )
    return (
        f"{len(scored)} of {len(ranked)} measures share the first place for predicting the {target} and "
        f"cannot be told apart: {_listed(scored, f'{by} ')}."
    )


def _without_ranks(board: Board) -> str:
    scored = [
        (row["measure"], f"{row[board.rank_by]:+.2f}")
        for row in board.rows
        if not row["held_out"] and not math.isnan(row[board.rank_by])
    ]
    if not scored:
        return "No measure has a rank: none has both a direction and a score."
    names = _listed(scored, f"{board.rank_by} ", count=False)
    return (
        f"No measure has a rank, for none claims a direction; the largest scores for the "
        f"{_target(board.target)}, whatever their sign, are those of {names}."
    )


def _is_chance(board: Board, row: Mapping[str, Any]) -> bool:
    """Whether a score is one that random measures have or the wrong way round, or its interval holds 0."""
    low, high = board.null_band.get(board.rank_by, (math.nan, math.nan))
    if low <= row[board.rank_by] <= high or (not math.isnan(low) and _score(board, row) <= 0):
        return True
    below, above = (row.get(f"{board.rank_by}_{end}", math.nan) for end in ("low", "high"))
    return not math.isnan(low) and bool(below <= 0 <= above)


def _beside_hyperparameters(board: Board, ranked: Sequence[dict[str, Any]]) -> str:
    control = next((row for row in board.controls if row["measure"] == PREDICTOR), None)
    if control is None or math.isnan(control[board.rank_by]):
        return (
            "What the hyperparameters alone would predict is not known here: it takes axes, and three "
            "configurations or more."
        )
    scores, uncertainty = board.oriented(board.rank_by, [*ranked, control])
    alone = f"the hyperparameters alone ({_score(board, control):+.2f})"
    predictor = "a predictor that sees the settings of the grid and no network"
    better, _ = surely_better(scores, uncertainty)
    above = _names(ranked, scores[:-1] > scores[-1])
    if not above:
        if uncertainty is None:
            return f"No measure beats {alone}, {predictor}."
        best = "is surely better than" if better[-1, 0] else "cannot be told apart from"
        return f"No measure beats {alone}: {predictor} {best} the best of them."
    surely = _names(ranked, better[:-1, -1]) if uncertainty is not None else []
    if surely:
        return f"{_listed(surely)} surely {'beats' if len(surely) == 1 else 'beat'} {alone}, {predictor}."
    return f"{_listed(above)} {'stands' if len(above) == 1 else 'stand'} above {alone}, but not surely."


def _names(rows: Sequence[Mapping[str, Any]], chosen: Iterable[bool]) -> list[tuple[str, str]]:
    return [(row["measure"], "") for row, true in zip(rows, chosen, strict=True) if true]


def _beside_ceiling(board: Board, best: Mapping[str, Any]) -> str:
    ceiling = {source: each[board.rank_by] for source, each in board.ceiling.items() if board.rank_by in each}
    score = _score(board, best)
    test_set, seeds = ceiling.get("test_set"), ceiling.get("seeds")
    if test_set is None and seeds is None:
        return "How much could be reached is not known: it takes the size of the test set, or several seeds."
    if test_set is None:
        return f"{KNOWS_NO_SEED} {seeds:+.2f}; the best {_reaches(score, seeds)}."
    first = f"{TEST_SET_CEILING} {test_set:+.2f}; the best {_reaches(score, test_set)}"
    if seeds is None:
        return f"{first}."
    return f"{first}. {KNOWS_NO_SEED} {seeds:+.2f}."


def _reaches(score: float, ceiling: float | None) -> str:
    """``reaches 82 % of it``; without shares where they would mean nothing."""
    assert ceiling is not None
    if score <= 0 or ceiling <= 0:
        return f"has {score:+.2f}"
    return "is at it" if score >= ceiling else f"reaches {_percent(score / ceiling)} of it"


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _pairs(board: Board) -> list[str]:
    pairs = board.summary["pairs"]
    if not pairs.get("all"):
        return []
    if pairs["apart"] is None:
        return [f"How many of the pairs of measures are told apart is not known ({pairs['all']:,} in all)."]
    found = _apart(pairs)
    if board.uncertainty is not None and board.uncertainty.alone is None:
        return [f"{found[0]} One seed does not tell what another training would change; train two or more."]
    return found


def _apart(pairs: Mapping[str, int | None]) -> list[str]:
    every, apart = pairs["all"], pairs["apart"]
    if not every or apart is None:
        return []
    if every == 1:
        return [f"The two measures are {'' if apart else 'not '}told apart."]
    small = "The table is too small to rank: of" if apart < SMALL_SHARE * every else "Of"
    return [f"{small} {every:,} pairs of measures {apart:,} ({_percent(apart / every)}) are told apart."]


def _beats(across: Across, ranked: Sequence[Mapping[str, Any]]) -> str:
    most = max(row["beats"] for row in ranked)
    if not most:
        return "In no suite does a measure stand above the hyperparameters alone."
    names = _listed(_names(ranked, [row["beats"] == most for row in ranked]))
    every = len(across.suites)
    where = "every suite" if most == every else f"{most} of {every} suites, and no measure in more"
    return f"Above the hyperparameters alone stand in {where}: {names}."


def _score(board: Board, row: Mapping[str, Any]) -> float:
    """As it is shown: times the direction claimed, where the column knows directions."""
    return as_claimed(board.rank_by, row["direction"], board.better) * float(row[board.rank_by])


def _listed(scored: Sequence[tuple[str, str]], unit: str = "", count: bool = True) -> str:
    """``a (psi +0.53), b (+0.47) and 7 more``; without scores the names alone."""
    names = [
        f"{name} ({'' if place else unit}{score})" if score else name
        for place, (name, score) in enumerate(scored[:NAMED])
    ]
    if count and len(scored) > NAMED:
        names.append(f"{len(scored) - NAMED} more")
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _target(name: str) -> str:
    """The target as words: ``test error``; a column of somebody's table stays as it is written."""
    return name.replace("_", " ") if name in OUTCOMES or name in DERIVED else name
