"""What the hyperparameters alone predict, and what a measure adds to that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import Design, missing_patterns
from genbench.ranking.ranks import dense_rank

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

    The measure enters as x, the target's quantile at the measure's rank among the rows fitted (ranks counted
    from the end that goes with small targets), so that any monotone relation is a straight line and no value
    is too large. Its coefficient b is unpenalized; by Frisch-Waugh-Lovell b = x'My / x'Mx with M the residual
    maker of the ridge regression on the axes, and the prediction moves by b·(x − what the axes predict of x).
    Ranks and quantiles are taken inside each fold.

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
    for columns, rows in missing_patterns(known):
        ranks = [dense_rank(values[rows, column]) for column in columns]
        for fold in range(int(model.folds.max(initial=0)) + 1):
            train = rows & (model.folds != fold)
            test = rows & (model.folds == fold)
            if train.sum() < 3 or not test.any():
                continue
            z, centre = model.features[train], model.features[train].mean(axis=0)
            z = z - centre
            among = np.column_stack([_midranks(rank, train[rows]) for rank in ranks])
            fitted, unseen = among[train[rows]], among[test[rows]]
            y = target[train] - target[train].mean()
            shaped, shaped_unseen = _as_target(fitted, unseen, y)
            middle = fitted.mean(axis=0)
            sides = np.column_stack([y, shaped, fitted - middle])
            gram = z.T @ z
            gram[np.diag_indices_from(gram)] += model.penalties[fold]
            solved = np.linalg.solve(gram, z.T @ sides)
            left = sides - z @ solved
            beyond = (model.features[test] - centre) @ solved
            count = len(columns)
            rest, own = (shaped * left[:, 1 : 1 + count]).sum(axis=0), (shaped * shaped).sum(axis=0)
            ours = rest > 1e-9 * own  # else the measure is a function of the axes, to rounding
            slope = np.where(ours, (shaped * left[:, :1]).sum(axis=0) / np.where(ours, rest, 1.0), 0.0)
            error = (target[test] - target[train].mean() - beyond[:, 0])[:, None]
            place = np.ix_(test, columns)
            without[place] = error**2
            with_[place] = (error - slope * (shaped_unseen - beyond[:, 1 : 1 + count])) ** 2
            baseline[place] = (target[test] - target[train].mean())[:, None] ** 2
            residual[place] = unseen - middle - beyond[:, 1 + count :]
            share[place] = (unseen - middle) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.nansum(share, axis=0)
        explained = np.where(total > 0, 1 - np.nansum(residual**2, axis=0) / total, np.nan)
    return Gain(without, with_, baseline, residual, explained)


def _midranks(ranks: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Share of the fitted rows below each row plus half the share tied with it, (n,), from dense ranks."""
    count = np.bincount(ranks[fitted], minlength=int(ranks.max(initial=0)) + 1)
    passed = np.cumsum(count)
    return ((passed - count / 2) / passed[-1])[ranks]


def _as_target(fitted: np.ndarray, unseen: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks in [0, 1] as quantiles of the fitted rows' target (of mean 0), reversed where they oppose it."""
    ordered = np.sort(target)
    places = (np.arange(len(target)) + 0.5) / len(target)
    against = (fitted - fitted.mean(axis=0)).T @ target < 0
    inside, outside = (
        np.interp(np.where(against, 1 - ranks, ranks), places, ordered) for ranks in (fitted, unseen)
    )
    mean = inside.mean(axis=0)
    return inside - mean, outside - mean


def axis_share(values: np.ndarray, design: Design) -> np.ndarray:
    """Share of the variance of a measure's ranks that one axis explains alone, η² per axis, (A, M).

    O(A n M).
    """
    shares = np.full((len(design.names), values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        rows = ~np.isnan(values[:, column])
        if not rows.any():
            continue
        everyone = np.ones(int(rows.sum()), dtype=bool)
        rank = _midranks(dense_rank(values[rows, column]), everyone) - 0.5
        total = rank @ rank
        for axis in range(len(design.names)):
            codes = design.codes[rows, axis]
            count = np.bincount(codes)
            sums = np.bincount(codes, weights=rank)
            between = (sums[count > 0] ** 2 / count[count > 0]).sum()
            shares[axis, column] = between / total if total > 0 else np.nan
    return shares
