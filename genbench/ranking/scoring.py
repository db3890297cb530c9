"""Every statistic of every measure of a checked table, with its uncertainty: the body of a ranking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from genbench.ranking.bootstrap import configuration_weights, normal_interval, percentile_interval
from genbench.ranking.correlation import spearman_replicates
from genbench.ranking.design import Design
from genbench.ranking.errors import RankingError, nearest
from genbench.ranking.granulated import granulated_covariance, granulated_tau
from genbench.ranking.hyperparameters import Gain, axis_share, gain_over_axes
from genbench.ranking.kendall import pair_counts
from genbench.ranking.regression import configuration_folds, linear_fit

__all__ = ["STATISTICS", "Panel", "Scores", "choose_statistics", "score"]


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
    """

    names: tuple[str, ...]
    values: np.ndarray
    signs: np.ndarray
    target: np.ndarray
    design: Design

    def known(self, measure: int) -> np.ndarray:
        return ~np.isnan(self.values[:, measure])


@dataclass
class Scores:
    """Columns of results, each (M,), filled one statistic at a time.

    `replicates` hold bootstrap values (M, B), `low` and `high` the intervals, `covariance` the sampling
    covariance between measures where a column has an analytic one.
    """

    estimate: dict[str, np.ndarray] = field(default_factory=dict)
    low: dict[str, np.ndarray] = field(default_factory=dict)
    high: dict[str, np.ndarray] = field(default_factory=dict)
    replicates: dict[str, np.ndarray] = field(default_factory=dict)
    covariance: dict[str, np.ndarray] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(
        self, name: str, estimate: np.ndarray, replicates: np.ndarray | None = None, recentred: bool = False
    ) -> None:
        self.estimate[name] = estimate
        if replicates is not None and replicates.shape[1]:
            self.replicates[name] = replicates
            self.low[name], self.high[name] = percentile_interval(estimate, replicates, recentred)


@dataclass(frozen=True)
class Settings:
    """How to score: number of bootstrap replicates, their weights per row, the seed of everything random."""

    weights: np.ndarray
    seed: int

    @property
    def replicates(self) -> int:
        return self.weights.shape[1]


def _kendall(panel: Panel, settings: Settings, scores: Scores) -> None:
    from genbench.ranking.jit import in_threads

    def one(measure: int) -> np.ndarray:
        rows = panel.known(measure)
        lanes = np.column_stack([np.ones(rows.sum(), dtype=np.int16), settings.weights[rows]])
        counts = pair_counts(panel.values[rows, measure], panel.target[rows], lanes)
        ties = np.array([counts.tied_values, counts.tied_target]) / np.maximum(counts.total, 1e-300)
        return np.stack([counts.tau_a, counts.tau_b, *ties])

    found = np.stack(in_threads(one, range(len(panel.names))))
    for place, name in enumerate(("tau", "tau_b")):
        scores.add(name, found[:, place, 0], found[:, place, 1:])
    scores.add("ties_values", found[:, 2, 0])
    scores.add("ties_target", found[:, 3, 0])


def _granulated(panel: Panel, settings: Settings, scores: Scores) -> None:
    found = granulated_tau(panel.values, panel.target, panel.design)
    scores.add("psi", found.mean)
    for axis, name in enumerate(panel.design.names):
        scores.add(f"psi_{name}", found.axes[axis])
        scores.add(f"groups_{name}", found.groups[axis])
    if settings.replicates:
        covariance, variance = granulated_covariance(panel.values, panel.target, panel.design, found)
        scores.covariance["psi"] = covariance
        pieces = {"psi": (found.mean, np.maximum(np.diag(covariance), 0.0))}
        pieces |= {f"psi_{name}": (found.axes[k], variance[k]) for k, name in enumerate(panel.design.names)}
        for name, (estimate, spread) in pieces.items():
            scores.low[name], scores.high[name] = normal_interval(estimate, spread)


def _spearman(panel: Panel, settings: Settings, scores: Scores) -> None:
    from genbench.ranking.jit import in_threads

    def one(measure: int) -> np.ndarray:
        rows = panel.known(measure)
        lanes = np.column_stack([np.ones(rows.sum(), dtype=np.int16), settings.weights[rows]])
        return spearman_replicates(panel.values[rows, measure], panel.target[rows], lanes)

    found = np.stack(in_threads(one, range(len(panel.names))))
    scores.add("spearman", found[:, 0], found[:, 1:])


def _regression(panel: Panel, settings: Settings, scores: Scores) -> None:
    folds = configuration_folds(panel.design.configuration)
    if panel.design.n_configurations < 2:
        folds = None
    plain = linear_fit(panel.values, panel.target, None, folds)
    drawn = linear_fit(panel.values, panel.target, settings.weights, folds)
    for name in ("r2", "pearson", "r2_adjusted", "r2_cv"):
        scores.add(name, getattr(plain, name)[:, 0], getattr(drawn, name))
    scores.add("n_finite", plain.n.astype(float))


STATISTICS: Mapping[str, Callable[[Panel, Settings, Scores], None]] = {
    "tau": _kendall,
    "psi": _granulated,
    "spearman": _spearman,
    "r2": _regression,
}
"""What can be asked for, each with the function that fills its columns."""


def choose_statistics(asked: object) -> tuple[str, ...]:
    """The names of the statistics to compute, in a fixed order; all by default.

    Raises
    ------
    RankingError
        For a name that is none.
    """
    if asked is None:
        return tuple(STATISTICS)
    names = [asked] if isinstance(asked, str) else list(asked)  # type: ignore[call-overload]
    unknown = [f"'{name}'{nearest(name, STATISTICS)}" for name in names if name not in STATISTICS]
    if unknown:
        raise RankingError(f"no statistic {', nor '.join(unknown)} (there are: {', '.join(STATISTICS)})")
    return tuple(name for name in STATISTICS if name in names)


def score(panel: Panel, statistics: tuple[str, ...], bootstrap: int, seed: int = 0) -> Scores:
    """Compute `statistics` of every column of `panel`, with `bootstrap` replicates over configurations."""
    weights = configuration_weights(panel.design.configuration, bootstrap, seed)
    settings, scores = Settings(weights, seed), Scores()
    known = ~np.isnan(panel.values)
    scores.add("n", known.sum(axis=0).astype(float))
    for name in statistics:
        STATISTICS[name](panel, settings, scores)
    return scores
