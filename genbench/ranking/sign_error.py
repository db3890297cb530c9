"""Robust sign-error: how often a measure orders pairs of networks wrongly, environment by environment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genbench.ranking.design import Design, Slices
from genbench.ranking.dyads import DyadicSums, combined
from genbench.ranking.uncertainty import Covariance

__all__ = [
    "Environments",
    "environment_losses",
    "mean_covariance",
    "resampled_quantile",
    "upper_quantile",
]

EFFECTIVE = 12.0
"""Environments with a smaller effective sample are left out (Dziugaite et al. 2020)."""

QUANTILE = 0.9
LANES_AT_ONCE = 64


@dataclass(frozen=True)
class Environments:
    """Coupled environments: pairs of configurations that differ in the value of exactly one axis.

    Parameters
    ----------
    loss : (E, M) array
        Weighted mean sign-error; NaN where the pairs with a value have no weight or too small an
        effective sample.
    nodes : (E, 2) int64 array
        The two configurations.
    axis : (E,) int64 array
        The axis in which they differ.
    effective : (E,) array
        Effective sample (Σw)²/Σw² of all pairs, whatever their values.
    """

    loss: np.ndarray
    nodes: np.ndarray
    axis: np.ndarray
    effective: np.ndarray

    @cached_property
    def known(self) -> np.ndarray:
        """Whether there is a loss, (E, M)."""
        return ~np.isnan(self.loss)

    @cached_property
    def count(self) -> np.ndarray:
        """Number of environments per measure, (M,)."""
        return self.known.sum(axis=0)

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean over environments, (M,)."""
        total = np.where(self.known, self.loss, 0.0).sum(axis=0)
        return np.divide(total, self.count, out=np.full(len(total), np.nan), where=self.count > 0)


def environment_losses(
    values: np.ndarray,
    target: np.ndarray,
    design: Design,
    test_size: np.ndarray | None = None,
    effective: float = EFFECTIVE,
) -> Environments:
    """Mean sign-error of every measure in every pair of configurations that differ in one axis.

    The sign-error of a pair of fits, one from each configuration, all seeds against all, is
    (1 − sign(μ₁ − μ₂)·sign(g₁ − g₂))/2: 0 right, 1 wrong, ½ for a tie in either.

    Parameters
    ----------
    values : (n, M) array
        Oriented so that larger should mean a larger target; NaN where missing.
    target : (n,) array
        No NaN.
    test_size : (n,) array, optional
        Test examples of each fit. With them a pair weighs by how surely its target difference Δ, of two error
        rates in [0, 1], has the right sign: by Hoeffding's inequality a rate measured on n examples is within
        |Δ|/2 of the truth with probability at least p = 1 − 2·exp(−2n(Δ/2)²); both are with p₁·p₂, and the
        weight is (p₁·p₂ − ½)₊. Without test sizes pairs weigh 1.
    effective : float
        Smallest effective sample that an environment may have; 0 keeps all.

    Notes
    -----
    Time O(M · pairs of fits whose configurations differ in one axis), memory O(M · such configurations).

    References
    ----------
    Dziugaite et al. 2020, arXiv 2010.11924, sections 4 and 6 (there n = 10,000 for all).
    """
    slices = [design.slices(axis, within_seed=False) for axis in range(len(design.names))]
    loss, nodes, sample = _losses(values, target, design, slices, test_size, effective, np.ones(len(target)))
    axis = np.repeat(np.arange(len(slices)), [int(rows.level_pairs.sum()) for rows in slices])
    return Environments(loss, nodes, axis, sample)


def _losses(
    values: np.ndarray,
    target: np.ndarray,
    design: Design,
    slices: list[Slices],
    test_size: np.ndarray | None,
    effective: float,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from genbench.ranking.kernels import environment_sums

    pairs = [int(rows.level_pairs.sum()) for rows in slices]
    count = sum(pairs)
    loss = np.empty((count, values.shape[1]))
    nodes, sample = np.empty((count, 2), dtype=np.int64), np.empty(count)
    first = 0
    for rows, here in zip(slices, pairs, strict=True):
        part, order = slice(first, first + here), rows.order
        environment_sums(
            values[order],
            target[order],
            rows.level,
            design.configuration[order],
            rows.starts,
            np.zeros(0) if test_size is None else test_size[order],
            weights[order],
            float(effective),
            loss[part],
            nodes[part],
            sample[part],
        )
        first += here
    return loss, nodes, sample


def upper_quantile(environments: Environments) -> tuple[np.ndarray, np.ndarray]:
    """90th percentile, the smallest loss that at least 90 % of the environments do not exceed, and maximum.

    Returns
    -------
    quantile, maximum : (M,) arrays
        NaN for a measure without environments. O(E M).
    """
    measures = environments.loss.shape[1]
    quantile, maximum = np.full(measures, np.nan), np.full(measures, np.nan)
    for measure in np.flatnonzero(environments.count):
        losses = environments.loss[environments.known[:, measure], measure]
        place = max(int(np.ceil(QUANTILE * len(losses) - 1e-9)) - 1, 0)
        quantile[measure] = np.partition(losses, place)[place]
        maximum[measure] = losses.max()
    return quantile, maximum


def resampled_quantile(environments: Environments, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with environments weighted by the product of their two configurations' weights.

    Parameters
    ----------
    environments : Environments
    weights : (C, B) array
        Weights of configurations.

    Returns
    -------
    quantile, maximum : (M, B) arrays
        NaN where no environment has a weight.

    Notes
    -----
    O(E log E) per measure to sort, then O(B E) additions at most, a tenth of it as a rule.
    """
    from genbench.ranking.jit import in_threads
    from genbench.ranking.kernels import weighted_top

    loss, nodes = environments.loss, environments.nodes
    measures, lanes = loss.shape[1], weights.shape[1]
    orders = []
    for measure in range(measures):
        rows = np.flatnonzero(environments.known[:, measure])
        orders.append(rows[np.argsort(-loss[rows, measure], kind="stable")])
    quantile, maximum = np.full((measures, lanes), np.nan), np.full((measures, lanes), np.nan)
    if not environments.known.any():
        return quantile, maximum
    known = environments.known.astype(np.float32)
    for first in range(0, lanes, LANES_AT_ONCE):
        chunk = slice(first, first + LANES_AT_ONCE)
        part = weights[:, chunk].astype(np.float32)  # whole numbers, exact
        weight = part[nodes[:, 0]] * part[nodes[:, 1]]
        total = known.T.astype(float) @ weight.astype(float)

        def one(
            measure: int, chunk: slice = chunk, weight: np.ndarray = weight, total: np.ndarray = total
        ) -> None:
            quantile[measure, chunk], maximum[measure, chunk] = weighted_top(
                loss[orders[measure], measure],
                orders[measure],
                weight,
                (1 - QUANTILE) * total[measure] * (1 + 1e-9),
            )

        in_threads(one, range(measures), weight.size)
    return quantile, maximum


def mean_covariance(environments: Environments, design: Design) -> Covariance:
    """Covariance of the means over environments, configurations drawn anew; O(E M²)."""
    measures = environments.loss.shape[1]
    every = np.maximum(environments.count, 1)
    strata, shares, groups = [], [], []
    for axis in range(len(design.names)):
        rows = environments.axis == axis
        loss = environments.loss[rows]
        known = environments.known[rows]
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, loss, 0.0).sum(axis=0) / count
        contexts = design.slices(axis, within_seed=False)
        sums = DyadicSums(design.n_configurations, measures, contexts.lone)
        sums.add(np.where(known, loss - mean, 0.0) / count, environments.nodes[rows])
        strata.append(sums)
        shares.append(known.sum(axis=0) / every)
        groups.append(np.full(measures, contexts.independent))
    return combined(strata, shares, groups)
