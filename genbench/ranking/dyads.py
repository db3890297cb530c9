"""Sampling covariance of means over pairs of configurations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genbench.ranking.uncertainty import Covariance

__all__ = ["DyadicSums", "combined"]


def combined(
    strata: Sequence[DyadicSums], shares: Sequence[np.ndarray], groups: Sequence[np.ndarray]
) -> Covariance:
    """Covariance of weighted sums of means, one mean for each stratum of pairs.

    Parameters
    ----------
    strata : sequence of DyadicSums
        Residuals of each stratum's mean.
    shares : sequence of (M,) arrays
        Weight of each stratum's mean in the sum.
    groups : sequence of (M,) arrays
        Independent groups G behind each mean: its variance is enlarged by G/(G − 1) and has G − 1 degrees of
        freedom, which combine as in Satterthwaite 1946, Biometrics Bulletin 2:110. With a single one the
        variance is NaN.
    """
    whole = DyadicSums(*strata[0].shape)
    total, scatter = np.zeros(strata[0].shape[1]), np.zeros(strata[0].shape[1])
    for sums, share, count in zip(strata, shares, groups, strict=True):
        used = share > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = np.where(used, share * np.sqrt(np.where(count > 1, count / (count - 1), np.nan)), 0.0)
        whole.add_sums(sums, factor)
        variance = sums.variance() * factor**2
        total += variance
        scatter += np.divide(variance**2, count - 1, out=np.zeros_like(total), where=used & (count > 1))
    freedom = np.divide(total**2, scatter, out=np.full_like(total, np.inf), where=scatter > 0)
    return whole.covariance(freedom)


class DyadicSums:
    """Accumulates the covariance of M statistics, each a sum over pairs of configurations.

    Let the statistic m be θ_m plus Σ_d e_dm with one residual for every pair d of configurations. Residuals
    depend on each other where their pairs share a configuration c, and so

        cov(m, k) = Σ_c (Σ_{d∋c} e_dm)(Σ_{d∋c} e_dk) − Σ_d e_dm·e_dk .

    The first sum is the jackknife over configurations to first order. It meets d = d' once for each of its
    two ends; the second takes one of them away. Neither the jackknife nor a bootstrap with product weights
    does that: where every configuration is in one pair only, their variances are 2 and about 2.5 times too
    large.

    Parameters
    ----------
    configurations, measures : int
    lone : bool
        All pairs are of one group: its residuals sum to zero, and what the second sum takes away is then all
        that is left of the first in a small group; without it the intervals hold
        (`tests/ranking/test_coverage.py`).

    References
    ----------
    Aronow, Samii & Assenova 2015, Political Analysis 23:564 (the variance of dyadic data).
    """

    def __init__(self, configurations: int, measures: int, lone: bool = False):
        self._lone = lone
        self._ends = np.zeros((configurations, measures))
        self._twice = np.zeros((measures, measures))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of configurations and of statistics."""
        rows, columns = self._ends.shape
        return rows, columns

    def add(self, residuals: np.ndarray, nodes: np.ndarray) -> None:
        """Take in some pairs: residuals (D, M) and their two configurations (D, 2). O(D M²)."""
        for end in range(2):
            _add_rows(self._ends, nodes[:, end], residuals)
        if not self._lone:
            self._twice += residuals.T @ residuals

    def add_sums(self, other: DyadicSums, factor: np.ndarray) -> None:
        """Take in other pairs' sums, each statistic multiplied by its `factor` (M,)."""
        self._ends += other._ends * factor
        self._twice += other._twice * np.outer(factor, factor)

    def covariance(self, freedom: np.ndarray | float = np.inf) -> Covariance:
        """The covariance of the M statistics, its two sums side by side."""
        return Covariance(self._ends.T @ self._ends, self._twice, freedom)

    def variance(self) -> np.ndarray:
        """Its diagonal, (M,), without the products between statistics."""
        first = (self._ends**2).sum(axis=0)
        return np.maximum(first - np.diag(self._twice), first / 2)


def _add_rows(total: np.ndarray, index: np.ndarray, rows: np.ndarray) -> None:
    """total[index[k]] += rows[k], repeated indices included, by sorting."""
    if not len(index):
        return
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    total[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)
