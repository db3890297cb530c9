"""Uncertainty over configurations: bootstrap weights, intervals, and intervals of ranks."""

from __future__ import annotations

import numpy as np

from genbench.ranking.dyads import Uncertainty

__all__ = [
    "configuration_weights",
    "percentile_interval",
    "rank_bounds",
    "student_interval",
    "surely_better",
]

LEVEL = 0.95
"""Coverage of every interval here."""


def configuration_weights(count: int, replicates: int, seed: int = 0) -> np.ndarray:
    """How often each of `count` configurations is drawn, in `replicates` draws of `count` with replacement.

    These are weights, not copies: a pair of rows counts with the product of its configurations' weights and
    no row is paired with itself. (Copied rows tie with each other, so that even a perfect measure falls short
    of 1.)

    Returns
    -------
    (count, replicates) int16 array
        Every column sums to `count`.
    """
    random = np.random.default_rng([seed, 0xB007])
    weights = np.empty((count, replicates), dtype=np.int16)
    for replicate in range(replicates):
        weights[:, replicate] = np.bincount(random.integers(0, count, count), minlength=count)
    return weights


def percentile_interval(
    estimate: np.ndarray, replicates: np.ndarray, recentred: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of each row of `replicates` (M, B), replicates without a value left out.

    Parameters
    ----------
    estimate : (M,) array
    recentred : bool
        Move the replicates so that their mean is the estimate, for a statistic whose plug-in value is
        biased: the bootstrap repeats that bias on top of the estimate's own.

    Returns
    -------
    low, high : (M,) arrays
        NaN where fewer than half of the replicates have a value.
    """
    tail = (1 - LEVEL) / 2
    low, high = np.full(len(replicates), np.nan), np.full(len(replicates), np.nan)
    for row, values in enumerate(replicates):
        values = values[~np.isnan(values)]
        if np.isnan(estimate[row]) or len(values) * 2 < replicates.shape[1] or not len(values):
            continue
        shift = estimate[row] - values.mean() if recentred else 0.0
        low[row], high[row] = np.quantile(values, [tail, 1 - tail]) + shift
    return low, high


def student_interval(
    estimate: np.ndarray,
    variance: np.ndarray,
    freedom: np.ndarray | float = np.inf,
    bounds: tuple[float, float] = (-1.0, 1.0),
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate ± Student's quantile × standard error, cut at the statistic's bounds; NaN without one."""
    from scipy.special import ndtri, stdtrit

    level = 0.5 + LEVEL / 2
    quantile = np.where(
        np.isfinite(freedom), stdtrit(np.where(np.isfinite(freedom), freedom, 1.0), level), ndtri(level)
    )
    reach = quantile * np.sqrt(variance)
    return np.maximum(estimate - reach, bounds[0]), np.minimum(estimate + reach, bounds[1])


def rank_bounds(better: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks that each measure may hold: 1 + those surely better, to M − those surely worse.

    Measures that cannot be told apart from each other thus share ranks.

    Parameters
    ----------
    better : (M, M) bool array
        See `surely_better`.

    References
    ----------
    Mogstad, Romano, Shaikh & Wilhelm 2024, Review of Economic Studies 91:476 (marginal intervals).
    """
    return 1 + better.sum(axis=0), len(better) - better.sum(axis=1)


def surely_better(
    scores: np.ndarray, replicates: np.ndarray | None = None, uncertainty: Uncertainty | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which measure is surely ahead of which, and which would be if intervals were half as wide.

    One measure is surely ahead of another where the 95 % interval of their difference, over the same
    configurations, excludes 0; without uncertainty, where it is larger. Half as wide is what four times as
    many configurations would make that interval, the difference itself unchanged.

    Parameters
    ----------
    scores : (M,) array
        Larger is better; no NaN.
    replicates : (M, B) array, optional
        The scores under the same bootstrap weights.
    uncertainty : Uncertainty, optional
        Of the scores, instead of replicates.

    Returns
    -------
    better, with_four_times : (M, M) bool arrays
        Row j, column k: j is ahead of k.

    Notes
    -----
    O(M² B).
    """
    count = len(scores)
    better, narrower = np.zeros((2, count, count), dtype=bool)
    for j in range(count):
        if uncertainty is not None:
            covariance, freedom = uncertainty.covariance, uncertainty.freedom
            spread = np.maximum(np.diag(covariance) + covariance[j, j] - 2 * covariance[j], 0.0)
            fewer = np.minimum(freedom, freedom[j])
            low, _ = student_interval(scores[j] - scores, spread, fewer, (-np.inf, np.inf))
        elif replicates is not None:
            low, _ = percentile_interval(scores[j] - scores, replicates[j] - replicates)
        else:
            low = scores[j] - scores
        ahead = scores[j] - scores
        better[j] = (low > 0) & (ahead > 0)
        narrower[j] = (ahead + low > 0) & (ahead > 0)
    return better, narrower
