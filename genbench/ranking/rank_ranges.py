"""The ranks that each measure may hold, from what is told apart."""

from __future__ import annotations

import numpy as np

from genbench.ranking.uncertainty import Uncertainty, student_quantile

__all__ = ["rank_bounds", "surely_better"]


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
    scores: np.ndarray, uncertainty: Uncertainty | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which measure is surely ahead of which, and which would be if intervals were half as wide.

    One measure is surely ahead of another where the 95 % interval of their difference, over the same fits,
    excludes 0; without uncertainty, where it is larger. Half as wide is what four times as many seeds (or
    configurations) would make that interval, the difference itself unchanged.

    Parameters
    ----------
    scores : (M,) array
        Larger is better; no NaN.
    uncertainty : Uncertainty, optional
        Of the scores.

    Returns
    -------
    better, with_four_times : (M, M) bool arrays
        Row j, column k: j is ahead of k.
    """
    ahead = scores[:, None] - scores[None, :]
    reach = np.zeros_like(ahead)
    if uncertainty is not None:
        variance, freedom = uncertainty.differences()
        reach = student_quantile(freedom) * np.sqrt(variance)
    return (ahead > 0) & (ahead > reach), (ahead > 0) & (2 * ahead > reach)
