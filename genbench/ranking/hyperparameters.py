"""What the hyperparameters alone predict, and what a measure adds to that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import Design, missing_patterns
from genbench.ranking.ranks import dense_rank
from genbench.ranking.ridge import AxesRidge, Features, Moments, axes_features

__all__ = ["AXES_FOLDS", "AxesModel", "Gain", "axis_share", "cross_fit", "gain_over_axes"]

AXES_FOLDS = 5
"""Parts that configurations are dealt into, each predicted from the others."""

SAME = 1e-6
"""Share of its variance that the axes may leave, on the rows fitted, of a function of them."""


@dataclass(frozen=True)
class AxesModel:
    """The target as predicted from the axes alone, each fold from the configurations of the others.

    Parameters
    ----------
    features : Features
    folds : (n,) array
    moments : tuple of Moments
        Of the features of each fold's rows.
    prediction : (n,) array
        The target as predicted for the configurations left out.
    baseline : (n,) array
        The mean target of the other folds, the prediction without any axis.
    """

    features: Features
    folds: np.ndarray
    moments: tuple[Moments, ...]
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


def cross_fit(target: np.ndarray, design: Design, folds: np.ndarray) -> AxesModel:
    """Predict the target of every configuration from the axes, by an `AxesRidge` fitted to the other folds.

    Parameters
    ----------
    target : (n,) array
        Finite.
    folds : (n,) integer array
        Whole configurations, as `configuration_folds` deals them; at least two folds.

    Notes
    -----
    O(n p² + F p³), F folds, p features.
    """
    features = axes_features(design)
    count = int(folds.max(initial=0)) + 1
    moments = tuple(features.moments(folds == fold) for fold in range(count))
    everything = sum(moments[1:], start=moments[0])
    prediction, baseline = np.zeros(design.n), np.zeros(design.n)
    for fold in range(count):
        train, test = folds != fold, folds == fold
        ridge = AxesRidge(everything - moments[fold], features.main)
        centred = target[train] - target[train].mean()
        baseline[test] = target[train].mean()
        slopes = _fit(ridge, features, train, centred[:, None])
        prediction[test] = baseline[test] + ridge.predict(features, test, slopes)[:, 0]
    return AxesModel(features, folds, moments, prediction, baseline)


def _fit(ridge: AxesRidge, features: Features, rows: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Coefficients for centred right-hand sides, whose products with the features need no centring."""
    return ridge.solve(features.cross(rows, sides), (sides * sides).sum(axis=0))


def gain_over_axes(values: np.ndarray, target: np.ndarray, model: AxesModel) -> Gain:
    """Add each measure alone to the predictor from the axes and compare on configurations left out.

    The measure enters as x, the target's quantile at the measure's rank among the rows fitted (ranks counted
    from the end that goes with small targets), so that any monotone relation is a straight line and no value
    is too large. What the axes leave of the target is regressed on what they leave of x, with slope b, and
    the prediction moves by b·(x − what the axes predict of x). Ranks and quantiles are taken inside each
    fold.

    Parameters
    ----------
    values : (n, M) array
        NaN where missing, infinities allowed.
    target : (n,) array
    model : AxesModel

    Notes
    -----
    O(n p M + F p³) where no value is missing; measures that miss different rows each have their own p³ per
    fold.

    References
    ----------
    Robinson 1988, Econometrica 56:931 (partially linear regression, residuals on residuals).
    """
    from genbench.ranking.jit import in_threads

    known = ~np.isnan(values)
    blank = np.full(values.shape, np.nan)
    found = Gain(blank.copy(), blank.copy(), blank.copy(), blank.copy(), np.full(values.shape[1], np.nan))
    spread = blank.copy()
    tasks = []
    for columns, rows in missing_patterns(known):
        ranks = in_threads(dense_rank, [values[rows, column] for column in columns], int(rows.sum()))
        tasks += [(columns, rows, ranks, fold) for fold in range(len(model.moments))]

    def one(task: tuple[np.ndarray, np.ndarray, list[np.ndarray], int]) -> None:
        columns, rows, ranks, fold = task
        train, test = rows & (model.folds != fold), rows & (model.folds == fold)
        if train.sum() < 3 or not test.any():
            return
        fitted, mean = train[rows], target[train].mean()
        places = [rank[fitted] for rank in ranks], [rank[test[rows]] for rank in ranks]
        shares = [_midranks(there, int(rank.max()) + 1) for there, rank in zip(places[0], ranks, strict=True)]
        inside, outside = (_looked_up(shares, each) for each in places)
        middle = inside.mean(axis=0)
        quantiles = _as_target(shares, inside - middle, target[train] - mean)
        shaped, shaped_outside = (_looked_up(quantiles, each) for each in places)
        shaped_outside -= shaped.mean(axis=0)
        shaped -= shaped.mean(axis=0)
        sides = np.column_stack([target[train] - mean, shaped, inside - middle])
        ridge = AxesRidge(_moments_without(model, fold, rows), model.features.main)
        slopes = _fit(ridge, model.features, train, sides)
        # Nothing asks what is left of the ranks themselves. Whole panels of columns, as products are made of,
        # so that the others are rounded as they would be among all.
        fitting = slice(0, -(-(1 + len(columns)) // 32) * 32)
        left = sides[:, fitting] - ridge.predict(model.features, train, slopes[:, fitting])
        predicted = ridge.predict(model.features, test, slopes)
        ours = left[:, 1 : 1 + len(columns)]
        rest = (ours * ours).sum(axis=0)
        own = rest > SAME * (sides[:, 0] @ sides[:, 0])  # x is made of the target's quantiles
        slope = np.where(own, (ours * left[:, :1]).sum(axis=0) / np.where(own, rest, 1.0), 0.0)
        error = (target[test] - mean - predicted[:, 0])[:, None]
        place = np.ix_(test, columns)
        found.without[place] = error**2
        found.with_[place] = (error - slope * (shaped_outside - predicted[:, 1 : 1 + len(columns)])) ** 2
        found.baseline[place] = (target[test] - mean)[:, None] ** 2
        found.residual[place] = outside - middle - predicted[:, 1 + len(columns) :]
        spread[place] = (outside - middle) ** 2

    in_threads(one, tasks, values.size)
    total = np.nansum(spread, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found.explained[:] = np.where(total > 0, 1 - np.nansum(found.residual**2, axis=0) / total, np.nan)
    return found


def _moments_without(model: AxesModel, fold: int, rows: np.ndarray) -> Moments:
    """Moments of the features over `rows` outside the fold, from those of the folds less the rows missing."""
    others = [moments for place, moments in enumerate(model.moments) if place != fold]
    whole = sum(others[1:], start=others[0])
    missing = ~rows & (model.folds != fold)
    return whole - model.features.moments(missing) if missing.any() else whole


def _midranks(ranks: np.ndarray, count: int) -> np.ndarray:
    """For each dense rank below `count` the share of the rows below it plus half the share tied at it."""
    tied = np.bincount(ranks, minlength=count)
    passed = np.cumsum(tied)
    return (passed - tied / 2) / passed[-1]


def _looked_up(tables: list[np.ndarray], places: list[np.ndarray]) -> np.ndarray:
    """What the tables of M measures hold at the places of some rows, (rows, M)."""
    return np.column_stack([table[there] for table, there in zip(tables, places, strict=True)])


def _as_target(shares: list[np.ndarray], centred: np.ndarray, target: np.ndarray) -> list[np.ndarray]:
    """Shares in [0, 1] as quantiles of the fitted rows' target (of mean 0), reversed where they oppose it.

    Looked up rank by rank, in order, which is quicker than row by row; `centred` (fitted rows, M) are the
    rows' own shares.
    """
    ordered = np.sort(target)
    places = (np.arange(len(target)) + 0.5) / len(target)
    against = centred.T @ target < 0
    return [
        np.interp(1 - share if reverse else share, places, ordered)
        for share, reverse in zip(shares, against, strict=True)
    ]


def axis_share(values: np.ndarray, design: Design) -> np.ndarray:
    """Share of the variance of a measure's ranks that one axis explains alone, η² per axis, (A, M).

    NaN for an axis of more levels than half the rows, of which most ranks drawn at random would be explained.
    O(A n M).
    """
    shares = np.full((len(design.names), values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        rows = ~np.isnan(values[:, column])
        if not rows.any():
            continue
        place = dense_rank(values[rows, column])
        rank = _midranks(place, len(place))[place] - 0.5
        total = rank @ rank
        for axis in range(len(design.names)):
            codes = design.codes[rows, axis]
            count = np.bincount(codes)
            if 2 * ((count > 0).sum() - 1) > len(codes) - 1:
                continue
            sums = np.bincount(codes, weights=rank)
            between = (sums[count > 0] ** 2 / count[count > 0]).sum()
            shares[axis, column] = between / total if total > 0 else np.nan
    return shares
