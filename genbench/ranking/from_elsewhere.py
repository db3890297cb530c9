"""Statistics from elsewhere: functions of values as they are, and components, which get oriented values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genbench.ranking.design import Design, missing_patterns
from genbench.ranking.panel import Panel, Scores
from genbench.ranking.resampling import Resampling

__all__ = ["OrientedStatistic", "Rows", "Statistic", "custom", "evaluated"]

Statistic = Callable[..., float]

SHUFFLES = 20
"""Measures without a meaning that tell which end of a statistic is the better one."""


@dataclass(frozen=True)
class Rows:
    """What a statistic sees beside the values: arrays of n.

    Attributes
    ----------
    target : (n,) array
    axes : dict of (n,) int array
        By axis the code of its level.
    groups : (n,) int array
        The configuration's code.
    """

    target: np.ndarray
    axes: Mapping[str, np.ndarray]
    groups: np.ndarray

    @classmethod
    def of(cls, target: np.ndarray, design: Design) -> Rows:
        """Those of a design."""
        axes = {axis: design.codes[:, place] for place, axis in enumerate(design.names)}
        return cls(target, axes, design.configuration)


@dataclass(frozen=True)
class OrientedStatistic:
    """A statistic with a column of its own, computed of values times their direction.

    Parameters
    ----------
    name : str
        Of the column. Where another statistic has filled a column of this name, it stays.
    evaluate : callable
        ``evaluate(values, rows, weights)`` with values (n,), `Rows` and weights (S, n) returns S numbers.
    """

    name: str
    evaluate: Callable[[np.ndarray, Rows, np.ndarray], Sequence[float]]

    def fill(self, panel: Panel, resampling: Resampling, scores: Scores) -> None:
        """Fill the column: NaN for a measure that claims no direction, or has fewer than two values."""
        if self.name in scores.estimate:
            return

        def of_measure(place: int, values: np.ndarray, rows: Rows, weights: np.ndarray) -> Sequence[float]:
            sign = panel.signs[place]
            return self.evaluate(sign * values, rows, weights) if sign else [math.nan] * len(weights)

        _fill(self.name, panel, resampling, scores, of_measure)
        scores.better[self.name] = self._better_end(Rows.of(panel.target, panel.design))

    def _better_end(self, rows: Rows) -> float:
        """+1 where a measure that is the target has more than those without a meaning, −1 where less."""
        alone = np.ones((1, len(rows.target)))
        draw = np.random.default_rng(0)
        (perfect,) = self.evaluate(rows.target, rows, alone)
        without = [self.evaluate(draw.permutation(rows.target), rows, alone)[0] for _ in range(SHUFFLES)]
        known = [each for each in without if not math.isnan(each)]
        return -1.0 if known and perfect < np.mean(known) else 1.0


def evaluated(
    function: Callable[..., float], values: np.ndarray, rows: Rows, weights: np.ndarray
) -> list[float]:
    """A statistic under every set of weights, as `OrientedStatistic.evaluate` returns it.

    Raises
    ------
    TypeError
        It returns something that is not one number.
    """
    found = []
    for each in weights:
        number = function(values, rows.target, dict(rows.axes), rows.groups, each)
        try:
            found.append(float(number))
        except (TypeError, ValueError):
            raise TypeError(f"returns a {type(number).__name__}, not one number") from None
    return [each if math.isfinite(each) else math.nan for each in found]


def custom(name: str, function: Statistic) -> Callable[[Panel, Resampling, Scores], None]:
    """What fills a column with somebody's own function of values as they are, with its interval.

    `function` is called with the rows that have a value: values, target, axes (name to integer codes), groups
    (the configuration's code) and weights, arrays of n, and returns a number.
    """

    def fill(panel: Panel, resampling: Resampling, scores: Scores) -> None:
        def of_measure(place: int, values: np.ndarray, rows: Rows, weights: np.ndarray) -> list[float]:
            return [function(values, rows.target, dict(rows.axes), rows.groups, each) for each in weights]

        _fill(name, panel, resampling, scores, of_measure)

    return fill


def _fill(
    name: str, panel: Panel, resampling: Resampling, scores: Scores,
    of_measure: Callable[[int, np.ndarray, Rows, np.ndarray], Sequence[float]],
) -> None:  # fmt: skip
    """Fill a column with what ``of_measure(place, values, rows, weights)`` says of each measure's rows.

    The weights (1 + S, rows) are all one, then those of each draw; NaN below two rows.
    """
    few = resampling.few()
    found = np.full((len(panel.names), 1 + few.sets), np.nan)
    for columns, known in missing_patterns(~np.isnan(panel.values)):
        if known.sum() < 2:
            continue
        rows = Rows.of(panel.target[known], panel.design.take(known))
        weights = np.vstack([np.ones(known.sum()), few.weights[known].T])
        for place in columns:
            found[place] = of_measure(place, panel.values[known, place], rows, weights)
    scores.add(name, found[:, 0], few.uncertainty(found[:, 1:]))
    scores.notes += resampling.few_notes(name)
