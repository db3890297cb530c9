"""What is scored, and what comes of it: the columns side by side, and the results filled in one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from genbench.ranking.bootstrap import percentile_interval, student_interval
from genbench.ranking.design import Design
from genbench.ranking.dyads import Uncertainty
from genbench.ranking.hyperparameters import AxesModel

__all__ = ["Panel", "Scores", "Settings"]


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

    `replicates` hold bootstrap values (M, B), `low` and `high` the intervals, `uncertainty` the sampling
    covariance between measures where a column has an analytic one instead.
    """

    estimate: dict[str, np.ndarray] = field(default_factory=dict)
    low: dict[str, np.ndarray] = field(default_factory=dict)
    high: dict[str, np.ndarray] = field(default_factory=dict)
    replicates: dict[str, np.ndarray] = field(default_factory=dict)
    uncertainty: dict[str, Uncertainty] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        estimate: np.ndarray,
        replicates: np.ndarray | None = None,
        recentred: bool = False,
        bounds: tuple[float, float] = (-np.inf, np.inf),
    ) -> None:
        """Fill a column, and with replicates its percentile interval, cut at the statistic's bounds."""
        self.estimate[name] = estimate
        if replicates is not None and replicates.shape[1]:
            self.replicates[name] = replicates
            low, high = percentile_interval(estimate, replicates, recentred)
            self.low[name], self.high[name] = np.maximum(low, bounds[0]), np.minimum(high, bounds[1])

    def add_interval(self, name: str, low: np.ndarray, high: np.ndarray) -> None:
        """Give a column that is there already an interval made elsewhere."""
        self.low[name], self.high[name] = low, high

    def add_uncertainty(
        self, name: str, uncertainty: Uncertainty, bounds: tuple[float, float] = (-1.0, 1.0)
    ) -> None:
        """Give a column that is there already its analytic interval."""
        self.uncertainty[name] = uncertainty
        self.low[name], self.high[name] = student_interval(
            self.estimate[name], uncertainty.variance, uncertainty.freedom, bounds
        )

    def blank(self, name: str, place: int) -> None:
        """Take one measure out of a column."""
        for columns in (self.estimate, self.low, self.high, self.replicates):
            if name in columns:
                columns[name][place] = np.nan


@dataclass(frozen=True)
class Settings:
    """How to score: bootstrap weights of the rows (n, B) and of the configurations (C, B)."""

    weights: np.ndarray
    configuration_weights: np.ndarray

    @property
    def replicates(self) -> int:
        """B, how often the rows are drawn."""
        return self.weights.shape[1]
