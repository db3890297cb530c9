"""Granulated Kendall's tau: agreement along one axis at a time, all others held fixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import Design, Slices
from genbench.ranking.dyads import DyadicSums, Uncertainty, combined

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
        sums, present, _ = granulated_sums(
            matrix[rows.order], target[rows.order], rows.level, rows.starts, row_weights[rows.order]
        )
        groups[axis] = present
        np.divide(sums, present, out=psi[axis], where=present > 0)
    return Granulated(psi, groups, _mean_present(psi))


def granulated_covariance(
    values: np.ndarray, target: np.ndarray, design: Design, estimate: Granulated
) -> tuple[Uncertainty, list[Uncertainty]]:
    """Uncertainty of Ψ and of ψ per axis over the choice of configurations, measures side by side.

    ψ is a mean of terms that belong to pairs of configurations; see `DyadicSums` for their covariance and for
    why it, and not a bootstrap, makes the intervals of ψ and Ψ.

    Notes
    -----
    Time O(M² · pairs of configurations that differ in one axis), by matrix products.
    """
    from genbench.ranking.kernels import granulated_dyads, granulated_sums

    matrix = _matrix(values)
    measures = matrix.shape[1]
    used = np.maximum((estimate.groups > 0).sum(axis=0), 1)
    strata, groups = [], []
    for axis in range(len(design.names)):
        inner = design.slices(axis, within_seed=True)
        _, present, pairs = granulated_sums(
            matrix[inner.order], target[inner.order], inner.level, inner.starts, np.ones(design.n)
        )
        group = np.empty(design.n, dtype=np.int64)
        group[inner.order] = np.repeat(np.arange(len(inner.starts) - 1), np.diff(inner.starts))
        outer = design.slices(axis, within_seed=False)
        sums = DyadicSums(design.n_configurations, measures, outer.lone)
        for contexts, dyads in _chunks(outer):
            starts = outer.starts[contexts.start : contexts.stop + 1]
            part = slice(starts[0], starts[-1])
            rows = outer.order[part]
            sums.add(
                *granulated_dyads(
                    matrix[rows],
                    target[rows],
                    outer.level[part],
                    design.seed[rows],
                    group[rows],
                    design.configuration[rows],
                    starts - starts[0],
                    pairs,
                    present,
                    np.nan_to_num(estimate.axes[axis]),
                    dyads,
                )
            )
        strata.append(sums)
        # The seeds of a context share its configurations: contexts are what is independent.
        groups.append(np.where(present > 0, outer.independent, 0.0))
    shares = [(counted > 0) / used for counted in groups]
    axes = [
        combined([sums], [(counted > 0).astype(float)], [counted])
        for sums, counted in zip(strata, groups, strict=True)
    ]
    return combined(strata, shares, groups), axes


def _chunks(slices: Slices) -> Iterator[tuple[slice, int]]:
    """Runs of whole contexts, each with its pairs of configurations: `DYADS_AT_ONCE`, or one context."""
    dyads = np.cumsum(slices.level_pairs)
    first, done = 0, 0
    while first < len(dyads):
        last = max(int(np.searchsorted(dyads, done + DYADS_AT_ONCE, side="right")), first + 1)
        yield slice(first, last), int(dyads[last - 1] - done)
        first, done = last, int(dyads[last - 1])


def _matrix(values: np.ndarray) -> np.ndarray:
    matrix = np.asarray(values, dtype=float)
    return matrix[:, None] if matrix.ndim == 1 else matrix


def _mean_present(psi: np.ndarray) -> np.ndarray:
    known = ~np.isnan(psi)
    count = known.sum(axis=0)
    total = np.where(known, psi, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(psi.shape[1], np.nan), where=count > 0)
