"""What more seeds or more configurations would do for a ranking: how many pairs it would tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from genbench.ranking.board import Board
from genbench.ranking.errors import RankingError
from genbench.ranking.uncertainty import student_quantile

__all__ = ["expected_apart", "outlook"]

CHOICES = (
    ("as it is", 1.0, 1.0),
    ("twice the seeds", 2.0, 1.0),
    ("twice the configurations", 1.0, 2.0),
    ("four times the seeds", 4.0, 1.0),
    ("four times the configurations", 1.0, 4.0),
    ("half the seeds, twice the configurations", 0.5, 2.0),
    ("half the configurations, twice the seeds", 2.0, 0.5),
)


def outlook(board: Board) -> list[dict[str, Any]]:
    """The pairs that grids of other sizes can be expected to tell apart.

    Returns
    -------
    list of dict
        ``design`` in words, ``seeds`` and ``configurations`` as multiples, ``cost``, their product,
        ``apart``, the expected number, and ``pairs``. Grids with fewer than two seeds are left out.

    Raises
    ------
    RankingError
        For a board without intervals, or of one seed.
    """
    # Where no column tells seeds apart, the fits of a configuration are its seeds.
    seeds = board.summary["seeds"] or board.summary["ranked"] / board.summary["configurations"]
    return [
        {
            "design": words,
            "seeds": times,
            "configurations": wider,
            "cost": times * wider,
            "apart": expected_apart(board, times, wider),
            "pairs": board.summary["pairs"]["all"],
        }
        for words, times, wider in CHOICES
        if times == 1 or times * seeds >= 2
    ]


def expected_apart(board: Board, seeds: float, configurations: float) -> int:
    """How many pairs a grid with so many times the seeds and configurations is expected to tell apart.

    The true scores are taken to be those to expect on a rerun. A pair is told apart where its estimated
    difference exceeds Student's quantile times its standard error, which happens with probability
    Φ(|d|/se − q). Of the variance of a difference d, what seeds do to all configurations alike falls with the
    number of seeds, what fits do alone with that of fits, and what configurations do with theirs.
    """
    if len(board.ranked()) < 2:
        raise RankingError("fewer than two measures are ranked; there are no pairs to tell apart")
    if board.uncertainty is None:
        raise RankingError(
            "without intervals nothing is known of larger grids; rank with --bootstrap above 0"
        )
    if board.uncertainty.alone is None:
        raise RankingError("one seed does not tell what more seeds would do; train two or more")
    from scipy.special import ndtr

    scores, uncertainty = board.oriented("expected")
    assert uncertainty is not None
    variance, freedom = uncertainty.differences(seeds, configurations)
    above = np.triu_indices(len(scores), 1)
    error = np.sqrt(variance[above])
    distance = np.abs(scores[:, None] - scores[None, :])[above]
    reach = student_quantile(freedom[above])
    certain = np.where(distance > 0, np.inf, -np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        return round(float(ndtr(np.where(error > 0, distance / error - reach, certain)).sum()))
