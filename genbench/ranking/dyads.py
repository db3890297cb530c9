"""Sampling covariance of means over pairs of configurations."""

from __future__ import annotations

import numpy as np

__all__ = ["DyadicSums"]


class DyadicSums:
    """Accumulates the covariance of M statistics, each a sum over pairs of configurations.

    Let the statistic m be θ_m plus Σ_d e_dm with one residual for every pair d of configurations. Residuals
    depend on each other where their pairs share a configuration c, and so

        cov(m, k) = Σ_c (Σ_{d∋c} e_dm)(Σ_{d∋c} e_dk) − Σ_d e_dm·e_dk .

    The first sum is the jackknife over configurations to first order. It meets d = d' once for each of its two
    ends; the second takes one of them away. Neither the jackknife nor a bootstrap with product weights does
    that: where every configuration is in one pair only, their variances are 2 and about 2.5 times too large.

    Parameters
    ----------
    configurations, measures : int

    References
    ----------
    Aronow, Samii & Assenova 2015, Political Analysis 23:564 (the variance of dyadic data).
    """

    def __init__(self, configurations: int, measures: int):
        self._ends = np.zeros((configurations, measures))
        self._twice = np.zeros((measures, measures))

    def add(self, residuals: np.ndarray, nodes: np.ndarray) -> None:
        """Take in some pairs: residuals (D, M) and their two configurations (D, 2). O(D M²)."""
        for end in range(2):
            _add_rows(self._ends, nodes[:, end], residuals)
        self._twice += residuals.T @ residuals

    def add_sums(self, other: DyadicSums, factor: np.ndarray) -> None:
        """Take in other pairs' sums, each statistic multiplied by its `factor` (M,)."""
        self._ends += other._ends * factor
        self._twice += other._twice * np.outer(factor, factor)

    def covariance(self) -> np.ndarray:
        """The covariance, (M, M)."""
        return self._ends.T @ self._ends - self._twice

    def variance(self) -> np.ndarray:
        """Its diagonal, (M,), not below zero."""
        return np.maximum((self._ends**2).sum(axis=0) - np.diag(self._twice), 0.0)


def _add_rows(total: np.ndarray, index: np.ndarray, rows: np.ndarray) -> None:
    """total[index[k]] += rows[k], repeated indices included, by sorting."""
    if not len(index):
        return
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    total[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)
