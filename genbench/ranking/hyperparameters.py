"""What the hyperparameters alone predict, and what a measure adds to that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import Design

__all__ = ["AxesModel", "Gain", "axes_features", "axis_share", "cross_fit", "gain_over_axes"]

MOST_FEATURES = 600
"""Bound on the predictor's size: its fit costs the cube of this."""

PENALTIES = tuple(10.0**power for power in range(-3, 5))


@dataclass(frozen=True)
class AxesModel:
    """A ridge regression from the axes, fitted once per fold without that fold's configurations.

    Parameters
    ----------
    features : (n, p) array
        One column per level of each axis and per pair of levels of two axes.
    folds : (n,) array
    penalties : (F,) array
        Chosen inside each fold by generalized cross-validation.
    prediction : (n,) array
        The target as predicted for the configurations left out.
    baseline : (n,) array
        The mean target of the other folds, the prediction without any axis.
    """

    features: np.ndarray
    folds: np.ndarray
    penalties: np.ndarray
    prediction: np.ndarray
    baseline: np.ndarray


@dataclass(frozen=True)
class Gain:
    """Per row and measure, shapes (n, M); NaN where the measure has no value.

    Parameters
    ----------
    without, with_ : arrays
        Squared errors on configurations left out, of the axes alone and of axes and measure.
    baseline : array
        The same of the mean of the other configurations.
    residual : array
        Rank of the measure (in [0, 1]) less what the axes predict of it.
    explained : (M,) array
        Share of the rank's variance that the axes predict on configurations left out.
    """

    without: np.ndarray
    with_: np.ndarray
    baseline: np.ndarray
    residual: np.ndarray
    explained: np.ndarray

    def gain(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Cross-validated R² of axes and measure, less that of the axes alone, (M, B) or (M,)."""
        known = ~np.isnan(self.with_)
        saved = np.where(known, self.without - self.with_, 0.0)
        spread = np.where(known, self.baseline, 0.0)
        lanes = np.ones((len(saved), 1)) if weights is None else weights.astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            result = (saved.T @ lanes) / (spread.T @ lanes)
        return result[:, 0] if weights is None else result


def axes_features(design: Design, most: int = MOST_FEATURES) -> np.ndarray:
    """Indicators of every level and of every pair of levels of two axes, (n, p).

    Pairs of axes enter from the smallest on, as long as no more than `most` columns result.
    """
    columns = [_indicators(design.codes[:, axis]) for axis in range(len(design.names))]
    size = sum(block.shape[1] for block in columns)
    levels = [block.shape[1] for block in columns]
    pairs = [(a, b) for a in range(len(levels)) for b in range(a + 1, len(levels))]
    blocks = list(columns)
    for a, b in sorted(pairs, key=lambda pair: (levels[pair[0]] * levels[pair[1]], pair)):
        size += levels[a] * levels[b]
        if size > most:
            break
        blocks.append((columns[a][:, :, None] * columns[b][:, None, :]).reshape(design.n, -1))
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((design.n, 0))


def _indicators(codes: np.ndarray) -> np.ndarray:
    return (codes[:, None] == np.arange(int(codes.max(initial=-1)) + 1)).astype(float)


def cross_fit(target: np.ndarray, design: Design, folds: np.ndarray) -> AxesModel:
    """Predict the target of every configuration from the axes, by a fit to the other folds.

    Ridge regression on `axes_features`, centred; the penalty minimizes generalized cross-validation on the
    rows fitted.

    Parameters
    ----------
    target : (n,) array
        Finite.
    folds : (n,) integer array
        Whole configurations, as `configuration_folds` deals them; at least two folds.

    Notes
    -----
    O(F (n p² + p³)), F folds, p features.
    """
    features = axes_features(design)
    count = int(folds.max(initial=0)) + 1
    prediction, baseline = np.zeros(design.n), np.zeros(design.n)
    penalties = np.zeros(count)
    for fold in range(count):
        train, test = folds != fold, folds == fold
        mean, centre = target[train].mean(), features[train].mean(axis=0)
        z, y = features[train] - centre, target[train] - mean
        values, vectors = np.linalg.eigh(z.T @ z)
        values = np.maximum(values, 0.0)
        rotated = vectors.T @ (z.T @ y)
        penalties[fold] = _choose_penalty(values, rotated, float(y @ y), len(y))
        coefficients = vectors @ (rotated / (values + penalties[fold]))
        baseline[test] = mean
        prediction[test] = mean + (features[test] - centre) @ coefficients
    return AxesModel(features, folds, penalties, prediction, baseline)


def _choose_penalty(values: np.ndarray, rotated: np.ndarray, square: float, n: int) -> float:
    """Golub, Heath & Wahba 1979: minimize n·SSE/(n − 1 − trace of the hat matrix)²."""
    scores = []
    for penalty in PENALTIES:
        shrunk = rotated / (values + penalty)
        error = square - 2 * shrunk @ rotated + shrunk**2 @ values
        freedom = n - 1 - (values / (values + penalty)).sum()
        scores.append(max(error, 0.0) / freedom**2 if freedom > 1e-9 else np.inf)
    return PENALTIES[int(np.argmin(scores))]


def gain_over_axes(values: np.ndarray, target: np.ndarray, model: AxesModel) -> Gain:
    """Add each measure alone to the predictor from the axes and compare on configurations left out.

    The measure enters by its rank among the rows fitted, with an unpenalized coefficient b; by
    Frisch-Waugh-Lovell b = x'My / x'Mx with M the residual maker of the ridge regression on the axes, and the
    prediction moves by b·(x − what the axes predict of x). The ranks are taken inside each fold.

    Parameters
    ----------
    values : (n, M) array
        NaN where missing, infinities allowed.
    target : (n,) array
    model : AxesModel

    Notes
    -----
    O(F (n p M + p³)) where no value is missing; a measure with missing values has its own p³ per fold.
    """
    n, measures = values.shape
    known = ~np.isnan(values)
    without, with_, baseline, residual, share = (np.full((n, measures), np.nan) for _ in range(5))
    for columns, rows in _patterns(known):
        for fold in range(int(model.folds.max(initial=0)) + 1):
            train = rows & (model.folds != fold)
            test = rows & (model.folds == fold)
            if train.sum() < 3 or not test.any():
                continue
            z, centre = model.features[train], model.features[train].mean(axis=0)
            z = z - centre
            fitted, unseen = _ecdf(values[train][:, columns], values[test][:, columns])
            x_mean, y_mean = fitted.mean(axis=0), target[train].mean()
            x, y = fitted - x_mean, target[train] - y_mean
            gram = z.T @ z
            gram[np.diag_indices_from(gram)] += model.penalties[fold]
            solved = np.linalg.solve(gram, z.T @ np.column_stack([y, x]))
            left = np.column_stack([y, x]) - z @ solved
            rest, own = (x * left[:, 1:]).sum(axis=0), (x * x).sum(axis=0)
            ours = rest > 1e-9 * own  # else the measure is a function of the axes, to rounding
            slope = np.where(ours, (x * left[:, :1]).sum(axis=0) / np.where(ours, rest, 1.0), 0.0)
            predicted = (model.features[test] - centre) @ solved
            beyond = unseen - x_mean - predicted[:, 1:]
            error = target[test][:, None] - y_mean - predicted[:, :1]
            place = np.ix_(test, columns)
            without[place] = error**2
            with_[place] = (error - slope * beyond) ** 2
            baseline[place] = (target[test] - y_mean)[:, None] ** 2
            residual[place] = beyond
            share[place] = (unseen - x_mean) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.nansum(share, axis=0)
        explained = np.where(total > 0, 1 - np.nansum(residual**2, axis=0) / total, np.nan)
    return Gain(without, with_, baseline, residual, explained)


def _patterns(known: np.ndarray):
    """Measures with the same rows known, with those rows; the order of the columns within is kept."""
    packed = np.packbits(known, axis=0)
    patterns: dict[bytes, list[int]] = {}
    for column in range(known.shape[1]):
        patterns.setdefault(packed[:, column].tobytes(), []).append(column)
    for columns in patterns.values():
        yield np.array(columns), known[:, columns[0]]


def _ecdf(fitted: np.ndarray, unseen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Midranks in [0, 1] among the fitted rows, for those rows and for unseen ones, column by column."""
    inside, outside = np.empty_like(fitted), np.empty_like(unseen)
    for column in range(fitted.shape[1]):
        ordered = np.sort(fitted[:, column])
        for rows, ranks in ((fitted, inside), (unseen, outside)):
            below = np.searchsorted(ordered, rows[:, column], side="left")
            within = np.searchsorted(ordered, rows[:, column], side="right")
            ranks[:, column] = (below + within) / (2 * len(ordered))
    return inside, outside


def axis_share(values: np.ndarray, design: Design) -> np.ndarray:
    """Share of the variance of a measure's ranks that one axis explains alone, η² per axis, (A, M).

    O(A n M).
    """
    shares = np.full((len(design.names), values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        rows = ~np.isnan(values[:, column])
        if not rows.any():
            continue
        rank = _ecdf(values[rows, column : column + 1], values[rows, column : column + 1])[0][:, 0]
        rank = rank - rank.mean()
        total = rank @ rank
        for axis in range(len(design.names)):
            codes = design.codes[rows, axis]
            count = np.bincount(codes)
            sums = np.bincount(codes, weights=rank)
            between = (sums[count > 0] ** 2 / count[count > 0]).sum()
            shares[axis, column] = between / total if total > 0 else np.nan
    return shares
