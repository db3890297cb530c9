"""The mean of estimates from several studies whose true values differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.uncertainty import student_quantile

__all__ = ["Summary", "summarize"]

STEPS = 60
"""Halvings of the bracket for the variance between studies: to the last bits of a double."""


@dataclass(frozen=True)
class Summary:
    """Of any number of quantities, arrays of one shape.

    Attributes
    ----------
    mean : array
        Weighted by the inverse of each study's own variance plus that between studies.
    low, high : arrays
        95 % interval of the mean over studies; NaN with fewer than two.
    between : array
        Standard deviation τ of the true values between studies; NaN with fewer than two.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    between: np.ndarray


def summarize(estimates: np.ndarray, variances: np.ndarray) -> Summary:
    """Random-effects summary, study by study along the first axis.

    The variance τ² between studies is the one with which the weighted squares of the deviations from the mean
    sum to their expectation, the number of studies less one (Paule & Mandel 1982, Journal of Research of the
    National Bureau of Standards 87:377). The interval is Student's, with the weighted variance of the studies
    about the mean, not taken for less than what the weights say (Hartung & Knapp 2001, Statistics in Medicine
    20:3875; Röver, Knapp & Friede 2015, BMC Medical Research Methodology 15:99): few studies give a wide one.

    Parameters
    ----------
    estimates, variances : (K, ...) arrays
        NaN where a study has no estimate. Variances of 0 are exact estimates.
    """
    known = ~np.isnan(estimates) & ~np.isnan(variances)
    count = known.sum(axis=0)
    values, own = np.where(known, estimates, 0.0), np.where(known, variances, 0.0)
    several = count > 1
    between = np.where(several, _between(values, own, known, count), 0.0)
    weights, mean, squares = _weighted(values, own, known, between)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.maximum(squares / (count - 1), 1.0)
        spread = np.sqrt(scale / weights.sum(axis=0))
        reach = student_quantile(np.maximum(count - 1.0, 1.0)) * spread
    exact = several & (between == 0) & (own == 0).all(axis=0)
    reach = np.where(several, np.where(exact, 0.0, reach), np.nan)
    return Summary(
        np.where(count > 0, mean, np.nan),
        mean - reach,
        mean + reach,
        np.where(several, np.sqrt(between), np.nan),
    )


def _weighted(
    values: np.ndarray, own: np.ndarray, known: np.ndarray, between: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, weighted mean and weighted squares about it; equal weights where nothing varies."""
    total = own + between
    flat = (np.where(known, total, np.inf) <= 0).any(axis=0)
    weights = np.where(known, 1 / np.where(flat | (total <= 0), 1.0, total), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weights * values).sum(axis=0) / weights.sum(axis=0)
    squares = (weights * (values - mean) ** 2).sum(axis=0)
    return weights, mean, squares


def _between(values: np.ndarray, own: np.ndarray, known: np.ndarray, count: np.ndarray) -> np.ndarray:
    """τ² at which the weighted squares are `count` − 1, by bisection; 0 where they are less without it."""
    mean = values.sum(axis=0) / np.maximum(count, 1)
    low = np.zeros(values.shape[1:])
    high = (np.where(known, (values - mean) ** 2, 0.0)).sum(axis=0) / np.maximum(count - 1, 1) * 2 + 1e-12
    tiny = np.finfo(float).tiny
    for _ in range(STEPS):
        middle = (low + high) / 2
        _, _, squares = _weighted(values, np.maximum(own, tiny), known, middle)
        more = squares > count - 1
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return np.where(high <= 1e-11 * np.maximum(mean**2, 1e-3), 0.0, (low + high) / 2)
