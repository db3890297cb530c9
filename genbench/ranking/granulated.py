"""Granulated Kendall's tau: agreement along one axis at a time, all others held fixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import Design, Slices
from genbench.ranking.dyads import DyadicSums, combined
from genbench.ranking.uncertainty import Covariance

__all__ = ["Granulated", "Spread", "granulated_covariance", "granulated_tau"]

PAIRS_AT_ONCE = 20_000
"""Pairs of fits whose residuals are held at a time: 10 MB for 60 measures."""


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


@dataclass(frozen=True)
class Spread:
    """Covariance of Ψ, and of ψ on each axis, between measures."""

    mean: Covariance
    axes: Sequence[Covariance]


def granulated_covariance(
    values: np.ndarray, target: np.ndarray, design: Design, estimate: Granulated
) -> tuple[Spread, Spread]:
    """How Ψ and ψ per axis vary with the fits of given configurations, and with the configurations.

    ψ is a mean of terms that belong to pairs of fits, and to pairs of configurations; see `DyadicSums` for
    the covariance of such means and for why it, and not a bootstrap, makes the intervals of ψ and Ψ.

    Returns
    -------
    alone : Spread
        The fits of a configuration drawn anew, independently of those of others: a term's residual is its
        deviation from the mean over the pairs of fits of the same two configurations. Zero where
        configurations have one fit each.
    configurations : Spread
        The configurations drawn anew: a term's residual is its deviation from ψ.

    Notes
    -----
    Time O(M² · pairs of fits that differ in one axis), by matrix products.
    """
    from genbench.ranking.kernels import granulated_sums

    matrix = _matrix(values)
    fits = np.bincount(design.configuration)[design.configuration]
    # A deviation from the mean of k fits falls short of the fit's own by √((k − 1)/k).
    enlarged = np.where(fits > 1, fits / np.maximum(fits - 1, 1), 1.0) ** 0.25
    strata = []
    for axis in range(len(design.names)):
        inner = design.slices(axis, within_seed=True)
        _, present, pairs = granulated_sums(
            matrix[inner.order], target[inner.order], inner.level, inner.starts, np.ones(design.n)
        )
        group = np.empty(design.n, dtype=np.int64)
        group[inner.order] = np.repeat(np.arange(len(inner.starts) - 1), np.diff(inner.starts))
        outer = design.slices(axis, within_seed=False)
        by_fit = DyadicSums(design.n, matrix.shape[1])
        by_configuration = DyadicSums(design.n_configurations, matrix.shape[1], outer.lone)
        for agreement, rows, dyads in _pairs(matrix, target, design, outer):
            known = agreement != 2
            with np.errstate(invalid="ignore", divide="ignore"):
                share = np.where(known, 1 / (present * pairs[group[rows[:, 0]]]), 0.0)
            signs = np.where(known, agreement, 0)
            starts = np.flatnonzero(np.diff(dyads, prepend=-1))
            centred = share * (signs - np.nan_to_num(estimate.axes[axis]))
            by_configuration.add(np.add.reduceat(centred, starts), design.configuration[rows[starts]])
            count = np.maximum(np.add.reduceat(known.astype(float), starts), 1.0)
            mean = (np.add.reduceat(signs.astype(float), starts) / count)[dyads]
            by_fit.add(share * (signs - mean) * enlarged[rows].prod(axis=1)[:, None], rows)
        strata.append((by_fit, by_configuration, present > 0, outer.independent))
    used = np.maximum(sum(each[2] for each in strata), 1)
    return _alone(strata, used, float(design.n - design.n_configurations)), _over(strata, used)


Stratum = tuple[DyadicSums, DyadicSums, np.ndarray, float]


def _alone(strata: Sequence[Stratum], used: np.ndarray, freedom: float) -> Spread:
    whole = DyadicSums(*strata[0][0].shape)
    for by_fit, _, has_groups, _ in strata:
        whole.add_sums(by_fit, has_groups / used)
    return Spread(whole.covariance(freedom), [each[0].covariance(freedom) for each in strata])


def _over(strata: Sequence[Stratum], used: np.ndarray) -> Spread:
    # The seeds of a context share its configurations: contexts are what is independent.
    groups = [np.where(has_groups, independent, 0.0) for _, _, has_groups, independent in strata]
    axes = [
        combined([each[1]], [(count > 0).astype(float)], [count])
        for each, count in zip(strata, groups, strict=True)
    ]
    shares = [(count > 0) / used for count in groups]
    return Spread(combined([each[1] for each in strata], shares, groups), axes)


def _pairs(
    matrix: np.ndarray, target: np.ndarray, design: Design, slices: Slices
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Agreement, rows and dyads of runs of whole contexts: `PAIRS_AT_ONCE` pairs of fits, or one context."""
    from genbench.ranking.kernels import granulated_pairs

    fits = np.diff(slices.starts)
    most = np.cumsum(fits * (fits - 1) // 2)
    first, done = 0, 0
    while first < len(most):
        last = max(int(np.searchsorted(most, done + PAIRS_AT_ONCE, side="right")), first + 1)
        starts = slices.starts[first : last + 1]
        rows = slices.order[starts[0] : starts[-1]]
        agreement, places, dyads = granulated_pairs(
            matrix[rows],
            target[rows],
            slices.level[starts[0] : starts[-1]],
            design.seed[rows],
            starts - starts[0],
            int(most[last - 1]) - done,
        )
        if len(places):
            yield agreement, rows[places], dyads
        first, done = last, int(most[last - 1])


def _matrix(values: np.ndarray) -> np.ndarray:
    matrix = np.asarray(values, dtype=float)
    return matrix[:, None] if matrix.ndim == 1 else matrix


def _mean_present(psi: np.ndarray) -> np.ndarray:
    known = ~np.isnan(psi)
    count = known.sum(axis=0)
    total = np.where(known, psi, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(psi.shape[1], np.nan), where=count > 0)
