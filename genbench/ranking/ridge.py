"""Ridge regression on the axes of a grid, levels free and pairs of levels penalized, from moments alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import Design
from genbench.ranking.ranks import stable_order

__all__ = ["AxesRidge", "Features", "Moments", "axes_features"]

MOST_FEATURES = 600
"""Bound on the number of features: a fit costs its cube."""

MOST_LEVELS = 20
"""Levels of an axis that are told apart, more would be no grid but a random search."""

PENALTIES = np.array([10.0**power for power in range(-3, 5)] + [1e12])
"""Tried for the pairs of levels; the last leaves them out."""


@dataclass(frozen=True)
class Features:
    """Indicators of levels of the axes, then of pairs of levels of two axes, for each configuration once.

    Parameters
    ----------
    distinct : (C, p) array
        Of each configuration.
    place : (n,) integer array
        Which configuration each row has.
    main : int
        How many are of levels, the first ones.
    """

    distinct: np.ndarray
    place: np.ndarray
    main: int

    @property
    def matrix(self) -> np.ndarray:
        """Of each row, (n, p)."""
        return self.distinct[self.place]

    def moments(self, rows: np.ndarray) -> Moments:
        """Of some of the rows, given as (n,) bools."""
        return Moments.of(self.distinct, np.bincount(self.place[rows], minlength=len(self.distinct)))

    def cross(self, rows: np.ndarray, sides: np.ndarray) -> np.ndarray:
        """Sums of products (p, k) with what some rows have, (rows, k): one product for each configuration."""
        place = self.place[rows]
        order = stable_order(place)
        first = np.flatnonzero(np.diff(place[order], prepend=-1))
        sums = np.add.reduceat(sides[order], first, axis=0) if len(order) else sides
        return self.distinct[place[order][first]].T @ sums


@dataclass(frozen=True)
class Moments:
    """Count, sums (p,) and sums of products (p, p) of some rows; those of fewer rows come by subtraction."""

    count: int
    sums: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, indicators: np.ndarray, counts: np.ndarray) -> Moments:
        """Of rows of zeros and ones, each there so many times.

        Single precision counts their products exactly up to 16 million rows.
        """
        total = int(counts.sum())
        short: np.ndarray = indicators.astype(np.float32 if total < 1 << 24 else np.float64)
        many = counts[:, None].astype(short.dtype) * short
        return cls(total, counts @ indicators, (short.T @ many).astype(np.float64))

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.sums + other.sums, self.products + other.products)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.count - other.count, self.sums - other.sums, self.products - other.products)


def axes_features(design: Design, most: int = MOST_FEATURES) -> Features:
    """Indicators of levels and of pairs of levels, pairs of axes from the smallest on, up to `most`.

    An axis with more than 20 levels enters as 20 ranges of neighbouring ones.
    """
    blocks = []
    _, examples = np.unique(design.configuration, return_index=True)
    for codes in design.codes.T:
        count = int(codes.max(initial=-1)) + 1
        ranges = codes if count <= MOST_LEVELS else codes * MOST_LEVELS // count
        blocks.append((ranges[examples, None] == np.arange(min(count, MOST_LEVELS))).astype(float))
    levels = [block.shape[1] for block in blocks]
    main = size = sum(levels)
    pairs = [(a, b) for a in range(len(levels)) for b in range(a + 1, len(levels))]
    for a, b in sorted(pairs, key=lambda pair: (levels[pair[0]] * levels[pair[1]], pair)):
        size += levels[a] * levels[b]
        if size > most:
            break
        blocks.append((blocks[a][:, :, None] * blocks[b][:, None, :]).reshape(len(examples), -1))
    distinct = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(examples), 0))
    return Features(distinct, design.configuration, main)


class AxesRidge:
    """Least squares on the levels and, with a penalty on the squared coefficients, on the pairs of levels.

    The levels carry no penalty: a shrunken predictor would leave something of the axes' own effect to any
    measure that repeats an axis. Each right-hand side has its own penalty, by generalized cross-validation
    (Golub, Heath & Wahba 1979, Technometrics 21:215): the smallest SSE/(n − 1 − trace of the hat matrix)².

    Parameters
    ----------
    moments : Moments
        Of the features of the rows fitted.
    main : int
        Number of features without penalty, the first ones.

    Notes
    -----
    O(p³) once, then O(p² k) for k right-hand sides.
    """

    def __init__(self, moments: Moments, main: int):
        self._main = main
        self._count = moments.count
        self._mean = moments.sums / max(moments.count, 1)
        products = moments.products - moments.count * np.outer(self._mean, self._mean)
        values, vectors = np.linalg.eigh(products[:main, :main])
        kept = values > 1e-9 * max(values.max(initial=0.0), 1.0)
        self._rank = int(kept.sum())
        self._inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
        self._through = self._inverse @ products[:main, main:]
        rest = products[main:, main:] - products[main:, :main] @ self._through
        values, self._vectors = np.linalg.eigh(rest)
        self._values = np.maximum(values, 0.0)

    def solve(self, cross: np.ndarray, square: np.ndarray) -> np.ndarray:
        """Coefficients (p, k), for centred right-hand sides with products `cross` (p, k), squares (k,)."""
        first, second = cross[: self._main], cross[self._main :]
        direct = self._inverse @ first
        left = np.maximum(square - (first * direct).sum(axis=0), 0.0)
        rotated = self._vectors.T @ (second - self._through.T @ first)
        penalty = self._choose(rotated, left)
        pairs = self._vectors @ (rotated / (self._values[:, None] + penalty))
        return np.concatenate([direct - self._through @ pairs, pairs])

    def predict(self, features: Features, rows: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Predictions (rows, k) for some of the rows, (n,) bools, relative to the mean of the rows fitted."""
        return (features.distinct @ coefficients - self._mean @ coefficients)[features.place[rows]]

    def _choose(self, rotated: np.ndarray, left: np.ndarray) -> np.ndarray:
        scores = np.empty((len(PENALTIES), rotated.shape[1]))
        squares = rotated.T**2
        for place, penalty in enumerate(PENALTIES):
            kept = 1 / (self._values + penalty)
            explained = squares @ (2 * kept - self._values * kept**2)
            freedom = self._count - 1 - self._rank - (self._values * kept).sum()
            scores[place] = np.maximum(left - explained, 0.0) / freedom**2 if freedom > 1e-9 else np.inf
        return PENALTIES[scores.argmin(axis=0)]
