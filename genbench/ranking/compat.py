"""Statistics as other programs compute them, faults included, so that published numbers can be compared.

Not for ranking: what each does differently from this package is said in its function.
"""

from __future__ import annotations

import numpy as np

from genbench.ranking.design import Design
from genbench.ranking.granulated import Granulated
from genbench.ranking.kendall import tau_b
from genbench.ranking.mutual_information import PairCounter, conditioning_sets

__all__ = ["granulated_tau_b", "pgdl_score"]


def pgdl_score(values: np.ndarray, target: np.ndarray, design: Design) -> float:
    """Conditional mutual information as scored by the PGDL competition (NeurIPS 2020), times 100.

    Differs from `conditional_information`: only sets of two axes; the sign of a pair is ``+`` where the first
    is strictly larger and ``−`` otherwise, ties included; every fit is paired with itself too; cells are
    averaged with equal weight, information and entropy apart, and their ratio is taken last; logarithms to
    base 2 with 1e-12 added in the entropy. Blind to direction. The program was made for complete grids with
    one fit per point; cells without fits, on which it fails, are left out here.

    Parameters
    ----------
    values, target : (n,) arrays
        No NaN.
    design : Design
        At least two axes.

    Returns
    -------
    float
        In [0, 100]; NaN with fewer than two axes.

    Notes
    -----
    O(n log n · Σ_S cells(S)).

    References
    ----------
    Jiang et al. 2020, arXiv 2012.07976 (the competition), and its scoring program.
    """
    sets = conditioning_sets(design)
    if len(design.names) < 2 or any(len(names) == 2 for names in sets.left_out):
        return float("nan")
    counter, ones = PairCounter(values, target, sets), np.ones((design.n, 1))
    tables = counter.concordant(ones), counter.values_below(ones), counter.weighting(ones).target_below
    scores = []
    start = 0
    for place, size in enumerate(sets.sizes):
        block = slice(start, start + size * size)
        both, larger_value, larger_target = (table[block, 0] for table in tables)
        count = np.bincount(sets.cells[:, place], minlength=size).astype(float)
        pairs = np.outer(count, count).ravel()
        neither = pairs - larger_value - larger_target + both
        joint = np.stack(
            [[both, larger_value - both], [larger_target - both, neither]]
        )  # by value, by target
        joint = joint[:, :, pairs > 0] / pairs[pairs > 0]
        by_value, by_target = joint.sum(axis=1), joint.sum(axis=0)
        product = by_value[:, None] * by_target[None, :]
        with np.errstate(invalid="ignore", divide="ignore"):
            information = np.where(joint > 0, joint * np.log2(joint / product), 0.0).sum(axis=(0, 1))
        entropy = -(by_target * np.log2(by_target + 1e-12)).sum(axis=0)
        scores.append(float(information.mean() / entropy.mean()))
        start += size * size
    return 100 * min(scores)


def granulated_tau_b(values: np.ndarray, target: np.ndarray, design: Design) -> Granulated:
    """Granulated Kendall as found in public code: tau-b in every group, groups without a value dropped.

    Differs from `granulated_tau`: a group in which the measure or the target is constant has no tau-b and
    silently leaves the mean, so that a measure constant on most groups is scored on the few where it varies;
    and a tie takes itself out of the norm (two concordant pairs and a tie give 0.816, not 0.667).

    Parameters
    ----------
    values, target : (n,) arrays
        No NaN.
    design : Design

    Returns
    -------
    Granulated
        With M = 1; `groups` counts those that were left.

    Notes
    -----
    O(A n log n).
    """
    count = len(design.names)
    psi, groups = np.full((count, 1), np.nan), np.zeros((count, 1))
    for axis in range(count):
        rows = design.slices(axis, within_seed=True)
        taus = [
            tau_b(values[rows.order[first:stop]], target[rows.order[first:stop]])
            for first, stop in zip(rows.starts[:-1], rows.starts[1:], strict=True)
        ]
        kept = [tau for tau in taus if not np.isnan(tau)]
        groups[axis] = len(kept)
        if kept:
            psi[axis] = np.mean(kept)
    mean = np.nanmean(psi) if groups.any() else np.nan
    return Granulated(psi, groups, np.array([mean]))
