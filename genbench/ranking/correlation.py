"""Spearman's and Pearson's correlation, weighted, many sets of weights at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from genbench.ranking.ranks import dense_rank, stable_order

__all__ = ["midranks", "pearson", "spearman", "spearman_replicates"]

LANES_AT_ONCE = 64


def midranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted midranks: the weight below each row plus half the weight tied with it, its own included.

    With whole numbers as weights these are the midranks of the table with rows repeated, less one half.

    Parameters
    ----------
    values : (n,) array
    weights : (n, B) array

    Returns
    -------
    (n, B) array
    """
    rank = dense_rank(values)
    order = stable_order(rank)
    ordered = rank[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    sums = np.add.reduceat(weights[order].astype(float), starts, axis=0)
    middle = np.cumsum(sums, axis=0) - sums / 2
    return middle[rank]


def spearman_replicates(values: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's correlation under each column of `weights`: Pearson's of the weighted midranks.

    Parameters
    ----------
    values : (n, M) array
        Infinities are ordered values that tie with each other; NaN is not allowed.
    target : (n,) array
    weights : (n, B) array

    Returns
    -------
    (M, B) array
        NaN where one of the columns is constant.

    Notes
    -----
    O(M n log n) for the orders, then O(M B n).
    """
    from genbench.ranking.jit import in_threads
    from genbench.ranking.kernels import rank_moments

    orders = []
    for column in values.T:
        rank = dense_rank(column)
        order = stable_order(rank)
        orders.append((order, np.searchsorted(rank[order], rank[order], side="right")))
    result = np.empty((len(orders), weights.shape[1]))
    for first in range(0, weights.shape[1], LANES_AT_ONCE):
        chunk = slice(first, first + LANES_AT_ONCE)
        weight = weights[:, chunk].astype(float)
        against = midranks(target, weight)
        total = weight.sum(axis=0)
        offset = total**3 / 4  # the mean of weighted midranks is half the total weight
        target_spread = (weight * against**2).sum(axis=0) - offset
        floor = (np.finfo(float).eps * total**3) ** 2
        moments = in_threads(_with(rank_moments, weight, against), orders, weight.size)
        for row, (cross, square) in enumerate(moments):
            spread = (square - offset) * target_spread
            with np.errstate(invalid="ignore", divide="ignore"):
                result[row, chunk] = np.where(spread > floor, (cross - offset) / np.sqrt(spread), np.nan)
    return np.clip(result, -1.0, 1.0)


def _with(function: Callable[..., Any], *further: np.ndarray) -> Callable[[tuple[Any, ...]], Any]:
    """`function` of a tuple of arguments and `further` ones."""
    return lambda first: function(*first, *further)


def spearman(values: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN for a constant column. O(n log n).

    References
    ----------
    Spearman 1904, American Journal of Psychology 15:72.
    """
    lanes = np.ones((len(values), 1)) if weights is None else np.asarray(weights, dtype=float)[:, None]
    return float(spearman_replicates(np.asarray(values)[:, None], np.asarray(target), lanes)[0, 0])


def pearson(values: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Pearson's linear correlation of two finite columns; NaN for a constant one. O(n).

    References
    ----------
    Pearson 1895, Proceedings of the Royal Society 58:240.
    """
    from genbench.ranking.regression import linear_fit

    return float(linear_fit(values, target, weights).pearson[0, 0])
