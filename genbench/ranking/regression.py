"""The straight line through measure and target: R², adjusted, and cross-validated by configuration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LinearFit", "configuration_folds", "linear_fit"]

FOLDS = 10
LANES_AT_ONCE = 256


@dataclass(frozen=True)
class LinearFit:
    """Least-squares lines target ≈ a + b·value of M measures under B sets of weights, shapes (M, B).

    Parameters
    ----------
    pearson : array
        Correlation, with its sign; NaN where a column is constant.
    r2 : array
        1 − SSE/SST = Pearson's squared, in [0, 1]; 0 for a constant measure, NaN for a constant target.
    r2_adjusted : array
        1 − (1 − R²)(n − 1)/(n − 2); NaN below three rows.
    r2_cv : array
        1 − (squared error on configurations left out) / (the same of the mean of the others); may be
        negative.
    n : (M,) array
        Rows used: those with a finite value and a finite target.
    """

    pearson: np.ndarray
    r2: np.ndarray
    r2_adjusted: np.ndarray
    r2_cv: np.ndarray
    n: np.ndarray


def configuration_folds(configuration: np.ndarray, folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """Deal configurations at random into at most `folds` parts of nearly equal size; one part per row, (n,).

    The rows of one configuration stay together, else a fit could learn a configuration from its other seeds.
    """
    count = int(configuration.max(initial=-1)) + 1
    dealt = np.random.default_rng([seed, 0x0F01D5]).permutation(count) % max(min(folds, count), 1)
    return dealt[configuration]


def linear_fit(
    values: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray | None = None,
    folds: np.ndarray | None = None,
) -> LinearFit:
    """Fit every measure alone, under every set of weights, from weighted moments.

    Parameters
    ----------
    values : (n, M) or (n,) array
        Rows with NaN or an infinity are left out for that measure and are not counted in `n`.
    target : (n,) array
    weights : (n, B) or (n,) array, optional
    folds : (n,) integer array, optional
        The part each row belongs to; without it `r2_cv` is NaN.

    Notes
    -----
    O(n M B) multiplications, as matrix products.

    References
    ----------
    Jiang et al. 2019, arXiv 1810.00113, section 4 (R², adjusted R² and cross-validation).
    """
    matrix = np.asarray(values, dtype=float)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    n, measures = matrix.shape
    lanes = np.ones((n, 1)) if weights is None else np.asarray(weights)
    lanes = lanes[:, None] if lanes.ndim == 1 else lanes
    known = np.isfinite(matrix) & np.isfinite(target)[:, None]
    x = _standardized(np.where(known, matrix, 0.0), known)
    y = _standardized(np.where(np.isfinite(target), target, 0.0)[:, None], np.isfinite(target)[:, None])
    part = np.zeros(n, dtype=np.int64) if folds is None else folds
    shape = (measures, lanes.shape[1])
    pearson, r2, r2_cv = (np.full(shape, np.nan) for _ in range(3))
    for first in range(0, lanes.shape[1], LANES_AT_ONCE):
        chunk = slice(first, first + LANES_AT_ONCE)
        moments = _moments(x, y, known, lanes[:, chunk].astype(float), part)
        pearson[:, chunk], r2[:, chunk] = _correlation(moments.sum(axis=1))
        if folds is not None:
            r2_cv[:, chunk] = _cross_validated(moments)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shrink = np.where(count > 2, (count - 1) / (count - 2), np.nan)[:, None]
    return LinearFit(pearson, r2, 1 - (1 - r2) * shrink, r2_cv, count)


def _standardized(matrix: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and largest size 1 over their known rows, 0 elsewhere: moments lose no digits."""
    largest = np.abs(matrix).max(axis=0, initial=0.0)
    scaled = matrix / np.where(largest > 0, largest, 1.0)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, scaled - scaled.sum(axis=0) / count, 0.0)
    spread = np.abs(centred).max(axis=0, initial=0.0)
    constant = spread <= 8 * np.finfo(float).eps  # what rounding leaves of a constant column
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))


def _moments(
    x: np.ndarray, y: np.ndarray, known: np.ndarray, weights: np.ndarray, part: np.ndarray
) -> np.ndarray:
    """Σw, Σwx, Σwy, Σwxx, Σwxy, Σwyy per part, shape (6, parts, M, B)."""
    parts = int(part.max(initial=0)) + 1
    moments = np.empty((6, parts, x.shape[1], weights.shape[1]))
    for index in range(parts):
        rows = part == index
        a, b, w = x[rows], np.where(known[rows], y[rows], 0.0), weights[rows]
        for place, column in enumerate((known[rows].astype(float), a, b, a * a, a * b, b * b)):
            moments[place, index] = column.T @ w
    return moments


def _centred(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Means of x and y and the centred sums Sxx, Sxy, Syy."""
    w, x, y, xx, xy, yy = moments
    with np.errstate(invalid="ignore", divide="ignore"):
        return x / w, y / w, xx - x * x / w, xy - x * y / w, yy - y * y / w


def _correlation(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's correlation and R²."""
    _, _, xx, xy, yy = _centred(moments)
    floor = 1e-13 * moments[0]  # both columns have size one
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.clip(np.where((xx > floor) & (yy > floor), xy / np.sqrt(xx * yy), np.nan), -1.0, 1.0)
    return r, np.where((yy > floor) & ~(xx > floor), 0.0, r**2)


def _cross_validated(moments: np.ndarray) -> np.ndarray:
    whole = moments.sum(axis=1)
    mean_x, mean_y, xx, xy, _ = _centred(whole[:, None] - moments)
    floor = 1e-13 * (whole[0] - moments[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(xx > floor, xy / xx, 0.0)
    w, x, y, mxx, mxy, myy = moments
    # Σ w (y − ȳ − b(x − x̄))² and Σ w (y − ȳ)² on the part left out, from its own moments.
    cx, cy = x - w * mean_x, y - w * mean_y
    syy = myy - mean_y * (y + cy)
    sxx = mxx - mean_x * (x + cx)
    sxy = mxy - mean_x * cy - mean_y * x
    with np.errstate(invalid="ignore", divide="ignore"):
        error = (syy - 2 * slope * sxy + slope**2 * sxx).sum(axis=0)
        baseline = syy.sum(axis=0)
        return np.where(baseline > 1e-13 * whole[0], 1 - error / baseline, np.nan)
