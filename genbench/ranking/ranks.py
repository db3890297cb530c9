"""Ranks, and the summing of weights over ties: what every order statistic here starts from."""

from __future__ import annotations

import numpy as np

__all__ = ["EXACT", "dense_rank", "joint_code", "stable_order", "tied_weight"]

EXACT = 2.0**24
"""Whole numbers up to this one are exact in single precision."""


def dense_rank(values: np.ndarray) -> np.ndarray:
    """Place of each value among the distinct ones, from 0; infinities are ordered values, NaN is not allowed.

    Parameters
    ----------
    values : (n,) array

    Returns
    -------
    (n,) int64 array

    Notes
    -----
    O(n log n).
    """
    order = np.argsort(values)
    ordered = values[order]
    ranks = np.empty(len(values), dtype=np.int64)
    steps = np.ones(len(values), dtype=np.int64)
    steps[1:] = ordered[1:] != ordered[:-1]
    ranks[order] = np.cumsum(steps) - 1
    return ranks


def stable_order(codes: np.ndarray, bound: int | None = None) -> np.ndarray:
    """Positions that sort integer `codes` from 0, equal ones in their order; O(n) below 65,536 levels."""
    if bound is None:
        bound = int(codes.max(initial=0)) + 1
    if bound <= 1 << 16:
        codes = codes.astype(np.uint16)  # numpy sorts 16-bit integers by radix
    return np.argsort(codes, kind="stable")


def joint_code(columns: list[np.ndarray], n: int) -> np.ndarray:
    """One integer per distinct combination of the integer `columns`, from 0 without holes.

    Distinct combinations get distinct codes: mixed-radix numbers, compressed before they could overflow,
    not concatenated texts, in which 1|11 and 11|1 are the same.

    Parameters
    ----------
    columns : list of (n,) integer arrays
    n : int
        Number of rows, needed when there are no columns (all rows then share the code 0).
    """
    joint = np.zeros(n, dtype=np.int64)
    for column in columns:
        radix = int(column.max(initial=0)) + 1
        if n and int(joint.max()) >= (1 << 62) // radix:
            joint = _without_holes(joint)
        joint = joint * radix + column
    return _without_holes(joint)


def _without_holes(codes: np.ndarray) -> np.ndarray:
    """Dense ranks of integers from 0, by counting where they are few and by sorting elsewhere."""
    bound = int(codes.max(initial=-1)) + 1
    if bound > 8 * len(codes) + 64:
        return dense_rank(codes)
    present = np.zeros(bound, dtype=np.int64)
    present[codes] = 1
    return (np.cumsum(present) - 1)[codes]


def tied_weight(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weight of the unordered pairs that share a code, self pairs excluded: Σ_ties ((Σw)² − Σw²)/2.

    Parameters
    ----------
    codes : (n,) integer array
    weights : (n, B) array

    Returns
    -------
    (B,) array
    """
    from genbench.ranking.kernels import tied_pairs

    bound = int(codes.max(initial=-1)) + 1
    if bound == len(codes):
        return np.zeros(weights.shape[1])
    return tied_pairs(stable_order(codes, bound), codes, weights)
