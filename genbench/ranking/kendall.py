"""Kendall's rank correlation, tau-a and tau-b, weighted, many sets of weights at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from genbench.ranking.ranks import EXACT, dense_rank, stable_order, tied_weight

__all__ = ["PairCounts", "pair_counts", "rank_counts", "tau_a", "tau_b"]

LANES_AT_ONCE = 128
"""Sets of weights carried through one sort, twice as many in single precision.

Each row is met once in every round: what that costs is shared by many sets, whose sums still are in cache.
"""


@dataclass(frozen=True)
class PairCounts:
    """Weights of the unordered pairs of rows, by how measure and target order them; arrays of shape (B,).

    ``concordant + discordant + tied_values + tied_target − tied_both = total``; a pair tied in both
    is counted in `tied_values` and in `tied_target`.
    """

    concordant: np.ndarray
    discordant: np.ndarray
    tied_values: np.ndarray
    tied_target: np.ndarray
    tied_both: np.ndarray
    total: np.ndarray

    @property
    def tau_a(self) -> np.ndarray:
        """(C − D) / total; NaN where no pair has a weight."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return (self.concordant - self.discordant) / self.total

    @property
    def tau_b(self) -> np.ndarray:
        """(C − D) / √((total − ties in values)(total − ties in target)); NaN where either is constant."""
        free = (self.total - self.tied_values) * (self.total - self.tied_target)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(free > 0, (self.concordant - self.discordant) / np.sqrt(free), np.nan)


def pair_counts(values: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> PairCounts:
    """Count the pairs that two columns order alike, against each other, or not at all.

    Parameters
    ----------
    values, target : (n,) array
        Infinities are ordered values that tie with each other; NaN is not allowed.
    weights : (n, B) or (n,) array, optional
        B sets of weights; a pair counts with the product of its rows' weights. Default: all one.

    Returns
    -------
    PairCounts
        Sums over unordered pairs of different rows.

    Notes
    -----
    O(n log n) comparisons and O(B n log n) additions: rows are taken in the order of the target and sorted by
    the measure with a merge sort, which meets every concordant pair once (Knight 1966, JASA 61:436). Without
    weights they are counted by blocks of ranks, O(n √n) in vector instructions, which is faster up to
    millions of rows. The discordant pairs are what remains after the ties, which are counted by sorting too.
    """
    return rank_counts(dense_rank(values), dense_rank(target), weights)


def rank_counts(rank: np.ndarray, against: np.ndarray, weights: np.ndarray | None = None) -> PairCounts:
    """The same from the dense ranks of both columns, for whoever has them already."""
    from genbench.ranking.kernels import concordant_count, concordant_weight

    n = len(rank)
    falling = stable_order(int(rank.max(initial=0)) - rank)
    order = falling[stable_order(against[falling])]  # target ascending, within its ties values descending
    rank, against = rank[order], against[order]
    levels = int(against.max(initial=0)) + 1
    ties = levels < n and int(rank.max(initial=0)) + 1 < n
    both = dense_rank(rank * levels + against) if ties else np.arange(n)
    if weights is None:
        one = np.ones((n, 1))
        return _counts(np.array([float(concordant_count(rank))]), one, rank, against, both)
    lanes = np.asarray(weights)
    lanes = lanes[:, None] if lanes.ndim == 1 else lanes
    short = lanes.dtype.kind in "iu" and n * float(lanes.max(initial=0)) ** 2 <= EXACT
    at_once = LANES_AT_ONCE * (1 + short)
    parts = []
    for first in range(0, lanes.shape[1], at_once):
        weight = lanes[order, first : first + at_once].astype(np.float32 if short else float)
        parts.append(_counts(concordant_weight(rank, weight), weight, rank, against, both))
    return PairCounts(
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(PairCounts)
        }
    )


def _counts(
    concordant: np.ndarray, weight: np.ndarray, rank: np.ndarray, against: np.ndarray, both: np.ndarray
) -> PairCounts:
    """The discordant pairs are those neither concordant nor tied."""
    tied_values, tied_target = tied_weight(rank, weight), tied_weight(against, weight)
    tied_both = tied_weight(both, weight)
    sums, squares = (each.sum(axis=0).astype(float) for each in (weight, weight**2))
    total = (sums**2 - squares) / 2
    discordant = total - tied_target - concordant - (tied_values - tied_both)
    return PairCounts(concordant, discordant, tied_values, tied_target, tied_both, total)


def tau_a(values: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Kendall's tau-a: the mean of sign(μ_i − μ_j)·sign(g_i − g_j) over pairs of different rows, sign(0) = 0.

    A constant measure gets 0; NaN with fewer than two rows. O(n log n).

    References
    ----------
    Jiang et al. 2020, arXiv 1912.02178, eq. 4.
    """
    return float(pair_counts(values, target, weights).tau_a[0])


def tau_b(values: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Kendall's tau-b: as tau-a, with pairs tied in one column taken out of that column's norm.

    NaN where one of the columns is constant. O(n log n).

    References
    ----------
    Kendall 1945, Biometrika 33:239.
    """
    return float(pair_counts(values, target, weights).tau_b[0])
