"""Sign-errors under many sets of weights of the fits at once: what intervals over seeds are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import Design, Slices
from genbench.ranking.sign_error import QUANTILE, Environments

__all__ = ["ReweightedLosses", "reweighted_losses"]

MEASURES_AT_ONCE, LANES_AT_ONCE = 32, 64
"""Size of the matrix products: what they read fits a processor's nearest cache."""

HELD = 4_000_000
"""Losses held at a time for quantiles: 32 MB."""


@dataclass(frozen=True)
class ReweightedLosses:
    """Mean, 90th percentile and largest loss over environments, (M, B) each; NaN without environments."""

    mean: np.ndarray
    quantile: np.ndarray
    maximum: np.ndarray


def reweighted_losses(
    environments: Environments,
    values: np.ndarray,
    target: np.ndarray,
    design: Design,
    test_size: np.ndarray | None,
    weights: np.ndarray,
    quantiles: bool = True,
) -> ReweightedLosses:
    """What `environments` come to where a pair of fits counts with the product of its fits' weights too.

    Parameters
    ----------
    environments : Environments
        Those that had no loss have none here; the effective sample is not asked for again.
    values, target, design, test_size
        As for `genbench.ranking.sign_error.environment_losses`.
    weights : (n, B) array
    quantiles : bool
        Whether more than the mean is asked for; without, the others are NaN.

    Notes
    -----
    The signs of a pair of fits are the same under all weights: those of an environment, as a matrix of pairs
    by measures, are multiplied with one of pairs by sets of weights. O(pairs · M · B) in matrix products,
    memory O(pairs of one environment + `HELD`).
    """
    from genbench.ranking.jit import in_threads

    count, measures = environments.loss.shape
    lanes = weights.shape[1]
    held = max(HELD // max(count, 1), 1)
    lanes_at_once = min(LANES_AT_ONCE, held) if quantiles else LANES_AT_ONCE
    measures_at_once = min(MEASURES_AT_ONCE, max(held // lanes_at_once, 1)) if quantiles else MEASURES_AT_ONCE
    slices = [design.slices(axis, within_seed=False) for axis in range(len(design.names))]
    found = ReweightedLosses(*(np.full((measures, lanes), np.nan) for _ in range(3)))

    def one(part: tuple[slice, slice]) -> None:
        columns, chosen = part
        among = np.ascontiguousarray(values[:, columns]), weights[:, chosen].astype(float)
        losses = _losses(environments.known[:, columns], *among, target, slices, test_size, quantiles)
        for result, each in zip((found.mean, found.quantile, found.maximum), losses, strict=True):
            result[part] = each

    parts = [
        (slice(first, first + measures_at_once), slice(lane, lane + lanes_at_once))
        for first in range(0, measures, measures_at_once)
        for lane in range(0, lanes, lanes_at_once)
    ]
    in_threads(one, parts, len(target) * measures_at_once * lanes_at_once)
    return found


def _losses(
    known: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    target: np.ndarray,
    slices: list[Slices],
    test_size: np.ndarray | None,
    quantiles: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from genbench.ranking.sign_error_kernels import add_losses, upper_quantiles

    shape = (values.shape[1], weights.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape)
    quantile, maximum = np.full(shape, np.nan), np.full(shape, np.nan)
    held = np.empty((*shape, len(known) if quantiles else 0))
    first = 0
    for rows in slices:
        order, here = rows.order, int(rows.level_pairs.sum())
        part = slice(first, first + here)
        add_losses(
            np.ascontiguousarray(values[order]),
            target[order],
            rows.level,
            rows.starts,
            np.zeros(0) if test_size is None else test_size[order].astype(float),
            weights[order],
            np.ascontiguousarray(known[part]),
            sums,
            counts,
            held[:, :, part],
        )
        first += here
    if quantiles:
        upper_quantiles(held, QUANTILE, quantile, maximum)
    mean = np.divide(sums, counts, out=np.full(shape, np.nan), where=counts > 0)
    return mean, quantile, maximum
