"""What is scored, and what comes of it: the columns side by side, and the results filled in one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from genbench.ranking.design import Design
from genbench.ranking.hyperparameters import AxesModel
from genbench.ranking.uncertainty import Uncertainty, student_interval

__all__ = ["Panel", "Scores"]


@dataclass(frozen=True)
class Panel:
    """The columns to score: measures and controls side by side, on rows that all have a target.

    Parameters
    ----------
    names : tuple of str
    values : (n, M) array
        NaN where missing.
    signs : (M,) array
        +1, −1, or 0 where no direction is claimed.
    target : (n,) array
    design : Design
    test_size : (n,) array, optional
        Test examples behind each target, where it is an error rate.
    axes_model : AxesModel, optional
        The predictor from the axes alone; what needs it is NaN without.
    """

    names: tuple[str, ...]
    values: np.ndarray
    signs: np.ndarray
    target: np.ndarray
    design: Design
    test_size: np.ndarray | None = None
    axes_model: AxesModel | None = None

    def known(self, measure: int) -> np.ndarray:
        """Which rows have a value of this measure, (n,) bool array."""
        return ~np.isnan(self.values[:, measure])


@dataclass
class Scores:
    """Columns of results, each (M,), filled one statistic at a time.

    `low` and `high` hold the intervals, `uncertainty` what they follow from, `bounds` between which numbers a
    statistic lies. `better` names the columns that
    statistics from elsewhere computed of oriented values: +1 where larger is better, −1 where smaller is.
    """

    estimate: dict[str, np.ndarray] = field(default_factory=dict)
    low: dict[str, np.ndarray] = field(default_factory=dict)
    high: dict[str, np.ndarray] = field(default_factory=dict)
    uncertainty: dict[str, Uncertainty] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    better: dict[str, float] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        estimate: np.ndarray,
        uncertainty: Uncertainty | None = None,
        bounds: tuple[float, float] = (-np.inf, np.inf),
    ) -> None:
        """Fill a column, and with an uncertainty its interval, cut at the statistic's bounds."""
        self.estimate[name], self.bounds[name] = estimate, bounds
        if uncertainty is not None:
            self.uncertainty[name] = uncertainty
            self.add_interval(
                name, *student_interval(estimate, uncertainty.variance, uncertainty.freedom, bounds)
            )

    def add_interval(self, name: str, low: np.ndarray, high: np.ndarray) -> None:
        """Give a column that is there already an interval made elsewhere."""
        self.low[name], self.high[name] = low, high

    def blank(self, name: str, place: int) -> None:
        """Take one measure out of a column."""
        for columns in (self.estimate, self.low, self.high):
            if name in columns:
                columns[name][place] = np.nan
