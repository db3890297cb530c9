"""Choosing one network by a measure: how good is the one chosen? The definitions are this package's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import missing_patterns
from genbench.ranking.ranks import dense_rank, stable_order

__all__ = ["Choice", "choose_best"]

BEST_SHARE = 0.1


@dataclass(frozen=True)
class Choice:
    """Of M measures under B sets of weights, arrays of shape (M, B); NaN below two networks with a value.

    Parameters
    ----------
    hit_rate : array
        Whether the chosen network is among the tenth with the smallest target of those with a value; the
        share of them among networks that tie for the best value.
    regret : array
        (g_chosen − g_best)/(g_mean − g_best), best and mean of the networks with a value: 0 for the best
        network, 1 for no better than one at random.
    """

    hit_rate: np.ndarray
    regret: np.ndarray


def choose_best(values: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> Choice:
    """Choose the network with the smallest value and compare its target with the best and the mean.

    Parameters
    ----------
    values : (n, M) or (n,) array
        Oriented: smaller should mean a smaller target. A network without a value (NaN) is absent for that
        measure.
    target : (n,) array
        Finite; smaller is better.
    weights : (n, B) array, optional
        Networks of weight zero are absent.

    Notes
    -----
    O(M n log n) to sort, then O(B n) for each set of networks that have a value, and as a rule O(B M): the
    best network present is found early.
    """
    from genbench.ranking.jit import in_threads
    from genbench.ranking.kernels import best_choices, target_levels

    matrix = values[:, None] if values.ndim == 1 else values
    lanes = np.ones((len(target), 1)) if weights is None else np.asarray(weights)
    hits, regret = (np.full((matrix.shape[1], lanes.shape[1]), np.nan) for _ in range(2))

    rising = np.argsort(target)

    def fill(pattern: tuple[np.ndarray, np.ndarray]) -> None:
        columns, rows = pattern
        known = np.flatnonzero(rows)
        if len(known) < 2:
            return
        best, good, mean = target_levels(rising[rows[rising]], lanes, target, BEST_SHARE)
        for measure in columns:
            rank = dense_rank(matrix[known, measure])
            order = stable_order(rank)
            tie_end = np.searchsorted(rank[order], rank[order], side="right")
            chosen, hits[measure] = best_choices(known[order], tie_end, lanes, target, good)
            with np.errstate(invalid="ignore", divide="ignore"):
                regret[measure] = np.where(mean > best, (chosen - best) / (mean - best), np.nan)

    in_threads(fill, missing_patterns(~np.isnan(matrix)), lanes.size)
    return Choice(hits, regret)
