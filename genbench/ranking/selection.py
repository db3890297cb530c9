"""Choosing one network by a measure: how good is the one chosen? The definitions are this package's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.ranks import dense_rank, stable_order

__all__ = ["Choice", "choose_best"]

BEST_SHARE = 0.1


@dataclass(frozen=True)
class Choice:
    """Of M measures under B sets of weights, arrays of shape (M, B).

    Parameters
    ----------
    hit_rate : array
        Whether the chosen network is among the tenth with the smallest target; the share of them among
        networks that tie for the best value.
    regret : array
        (g_chosen − g_best)/(g_mean − g_best): 0 for the best network, 1 for no better than one at random.
    """

    hit_rate: np.ndarray
    regret: np.ndarray


def choose_best(values: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> Choice:
    """Choose the network with the smallest value and compare its target with the best and the mean.

    Parameters
    ----------
    values : (n, M) or (n,) array
        Oriented: smaller should mean a smaller target. A network without a value (NaN) is not chosen.
    target : (n,) array
        Finite; smaller is better.
    weights : (n, B) array, optional
        Networks of weight zero are absent.

    Notes
    -----
    O(M n log n) to sort, then O(B (n + M)) as a rule: the best network present is found early.
    """
    from genbench.ranking.jit import in_threads
    from genbench.ranking.kernels import best_choices

    matrix = values[:, None] if values.ndim == 1 else values
    lanes = np.ones((len(target), 1)) if weights is None else np.asarray(weights)
    best, good, mean = _targets(target, lanes)

    def one(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = np.flatnonzero(~np.isnan(column))
        rank = dense_rank(column[known])
        order = stable_order(rank)
        tie_end = np.searchsorted(rank[order], rank[order], side="right")
        return best_choices(known[order], tie_end, lanes, target, good)

    found = in_threads(one, matrix.T, len(target))
    chosen, hits = (np.stack(each) for each in zip(*found, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return Choice(hits, np.where(mean > best, (chosen - best) / (mean - best), np.nan))


def _targets(target: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smallest target, bound of the best tenth and mean target of the rows with a weight, each (B,)."""
    rising = np.argsort(target)
    ordered, weight = target[rising], weights[rising].astype(np.float64)
    passed = np.cumsum(weight, axis=0)
    total = passed[-1]
    best = ordered[np.argmax(weight > 0, axis=0)]
    good = ordered[np.argmax(passed >= BEST_SHARE * total * (1 - 1e-9), axis=0)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return best, good, target @ weights / total
