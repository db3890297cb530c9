"""Granulated Kendall's tau: agreement along one axis at a time, all others held fixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import Design
from genbench.ranking.dyads import DyadicSums

__all__ = ["Granulated", "granulated_covariance", "granulated_tau"]

DYADS_AT_ONCE = 20_000
"""Pairs of configurations whose residuals are held at a time: 10 MB for 60 measures."""


@dataclass(frozen=True)
class Granulated:
    """Granulated tau of M measures on A axes.

    Parameters
    ----------
    axes : (A, M) array
        ψ per axis: mean over its groups of tau-a; NaN where an axis has no group with two levels.
    groups : (A, M) array
        Number of groups averaged, those whose pairs have a weight.
    mean : (M,) array
        Ψ: the mean over the axes that have groups.
    """

    axes: np.ndarray
    groups: np.ndarray
    mean: np.ndarray


def granulated_tau(
    values: np.ndarray, target: np.ndarray, design: Design, weights: np.ndarray | None = None
) -> Granulated:
    """ψ of every axis and their mean Ψ, for many measures at once.

    A group holds the rows that agree on all other axes and on the seed. Its tau-a is the weighted mean of
    sign(μ_i − μ_j)·sign(g_i − g_j) over its pairs of rows with different levels, sign(0) = 0; groups
    count equally, those without such a pair not at all.

    Parameters
    ----------
    values : (n, M) or (n,) array
        NaN where a measure has no value; such a row is left out for that measure only.
    target : (n,) array
        No NaN.
    design : Design
    weights : (n,) array, optional
        A pair counts with the product of its rows' weights.

    Notes
    -----
    Time O(M · pairs that differ in one axis); on a grid that is M·n·Σ(levels − 1)/2.

    References
    ----------
    Jiang et al. 2020, arXiv 1912.02178, eq. 5-7, with the seed as one more coordinate.
    """
    from genbench.ranking.kernels import granulated_sums

    matrix = _matrix(values)
    row_weights = np.ones(design.n) if weights is None else np.asarray(weights, dtype=float)
    shape = (len(design.names), matrix.shape[1])
    psi, groups = np.full(shape, np.nan), np.zeros(shape)
    for axis in range(len(design.names)):
        rows = design.slices(axis, within_seed=True)
        level = design.codes[rows.order, axis]
        sums, present, _ = granulated_sums(
            matrix[rows.order], target[rows.order], level, rows.starts, row_weights[rows.order]
        )
        groups[axis] = present
        np.divide(sums, present, out=psi[axis], where=present > 0)
    return Granulated(psi, groups, _mean_present(psi))


def granulated_covariance(
    values: np.ndarray, target: np.ndarray, design: Design, estimate: Granulated
) -> tuple[np.ndarray, np.ndarray]:
    """Sampling covariance of Ψ between measures, and the variance of ψ per axis, over configurations.

    ψ is a mean of terms that belong to pairs of configurations; see `DyadicSums` for their covariance and for
    why it, and not a bootstrap, makes the intervals of ψ and Ψ.

    Returns
    -------
    covariance : (M, M) array
        Of Ψ.
    axes : (A, M) array
        Variance of ψ per axis.

    Notes
    -----
    Time O(M² · pairs of configurations that differ in one axis), by matrix products.
    """
    from genbench.ranking.kernels import granulated_dyads, granulated_sums

    matrix = _matrix(values)
    measures = matrix.shape[1]
    used = np.maximum((estimate.groups > 0).sum(axis=0), 1)
    whole = DyadicSums(design.n_configurations, measures)
    variances = np.full(estimate.axes.shape, np.nan)
    for axis in range(len(design.names)):
        inner = design.slices(axis, within_seed=True)
        _, present, pairs = granulated_sums(
            matrix[inner.order], target[inner.order], design.codes[inner.order, axis], inner.starts,
            np.ones(design.n),
        )  # fmt: skip
        group = np.empty(design.n, dtype=np.int64)
        group[inner.order] = np.repeat(np.arange(len(inner.starts) - 1), np.diff(inner.starts))
        outer = design.slices(axis, within_seed=False)
        sums = DyadicSums(design.n_configurations, measures)
        for starts, room in _chunks(design, axis, outer.order, outer.starts):
            rows = outer.order[starts[0] : starts[-1]]
            sums.add(*granulated_dyads(
                matrix[rows], target[rows], design.codes[rows, axis], design.seed[rows], group[rows],
                design.configuration[rows], starts - starts[0], pairs, present,
                np.nan_to_num(estimate.axes[axis]), room,
            ))  # fmt: skip
        with np.errstate(invalid="ignore", divide="ignore"):
            small = np.where(present > 1, present / (present - 1), np.nan)
        variances[axis] = small * sums.variance()
        whole.add_sums(sums, np.sqrt(np.nan_to_num(small, nan=1.0)) / used)
    return whole.covariance(), variances


def _chunks(design: Design, axis: int, order: np.ndarray, starts: np.ndarray):
    """Runs of whole contexts with their bound on pairs of configurations, some `DYADS_AT_ONCE` at a time."""
    level = design.codes[order, axis]
    new = np.ones(design.n, dtype=np.int64)
    new[1:] = level[1:] != level[:-1]
    new[starts[:-1]] = 1
    levels = np.add.reduceat(new, starts[:-1])
    dyads = np.cumsum(levels * (levels - 1) // 2)
    first, done = 0, 0
    while first < len(levels):
        last = max(int(np.searchsorted(dyads, done + DYADS_AT_ONCE, side="right")), first + 1)
        if dyads[last - 1] > done:
            yield starts[first : last + 1], int(dyads[last - 1] - done)
        first, done = last, int(dyads[last - 1])


def _matrix(values: np.ndarray) -> np.ndarray:
    matrix = np.asarray(values, dtype=float)
    return matrix[:, None] if matrix.ndim == 1 else matrix


def _mean_present(psi: np.ndarray) -> np.ndarray:
    known = ~np.isnan(psi)
    count = known.sum(axis=0)
    total = np.where(known, psi, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(psi.shape[1], np.nan), where=count > 0)
