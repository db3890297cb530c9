"""Every statistic of every measure of a checked table, with its uncertainty: the body of a ranking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from genbench.ranking.bootstrap import configuration_weights, percentile_interval, student_interval
from genbench.ranking.correlation import spearman_replicates
from genbench.ranking.design import Design, missing_patterns
from genbench.ranking.dyads import Uncertainty
from genbench.ranking.errors import RankingError, nearest
from genbench.ranking.granulated import granulated_covariance, granulated_tau
from genbench.ranking.hyperparameters import AxesModel, Gain, axis_share, gain_over_axes
from genbench.ranking.kendall import pair_counts
from genbench.ranking.mutual_information import ConditioningSets, PairCounter, conditioning_sets
from genbench.ranking.regression import configuration_folds, linear_fit
from genbench.ranking.selection import choose_best
from genbench.ranking.sign_error import (
    EFFECTIVE,
    Environments,
    environment_losses,
    mean_uncertainty,
    upper_quantile,
)

__all__ = ["STATISTICS", "Panel", "Scores", "choose_statistics", "score"]

CMI_REPLICATES = 200
"""Bootstrap replicates of the conditional mutual information, the one statistic too dear for more."""

DETERMINED = 0.99
"""Share of a measure's rank variance predicted by the axes from which on nothing is left to correlate."""

TRACKS = 0.8
"""Share of a measure's rank variance explained by one axis from which on it is said to track that axis."""


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
        self, name: str, estimate: np.ndarray, replicates: np.ndarray | None = None, recentred: bool = False
    ) -> None:
        self.estimate[name] = estimate
        if replicates is not None and replicates.shape[1]:
            self.replicates[name] = replicates
            self.low[name], self.high[name] = percentile_interval(estimate, replicates, recentred)

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
    if settings.replicates and panel.design.names:
        whole, axes = granulated_covariance(panel.values, panel.target, panel.design, found)
        scores.add_uncertainty("psi", whole)
        for name, uncertainty in zip(panel.design.names, axes, strict=True):
            scores.add_uncertainty(f"psi_{name}", uncertainty)


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


def _information(panel: Panel, settings: Settings, scores: Scores) -> None:
    from genbench.ranking.jit import in_threads

    count = min(settings.replicates, CMI_REPLICATES)
    found = np.full((len(panel.names), 1 + count), np.nan)
    attained = [""] * len(panel.names)
    left_out: set[str] = set()
    for columns, rows in missing_patterns(~np.isnan(panel.values)):
        if rows.sum() < 2:
            continue
        sets = conditioning_sets(panel.design.take(rows))
        left_out |= {" × ".join(names) for names in sets.left_out}
        target, weights = panel.target[rows], settings.weights[rows]

        def one(
            measure: int, rows: np.ndarray = rows, sets: ConditioningSets = sets,
            target: np.ndarray = target, weights: np.ndarray = weights,
        ) -> None:  # fmt: skip
            counter = PairCounter(panel.values[rows, measure], target, sets)
            whole = counter.information(np.ones(len(target)))
            attained[measure] = "none" if whole.attained is None else " × ".join(whole.attained) or "all pairs"
            found[measure, 0] = whole.signed
            for replicate in range(count):
                found[measure, 1 + replicate] = counter.information(weights[:, replicate]).signed

        in_threads(one, columns)
    scores.add("cmi", found[:, 0], found[:, 1:], recentred=True)
    scores.add("cmi_abs", np.abs(found[:, 0]))
    scores.words["cmi_set"] = attained
    if left_out:
        scores.notes.append(f"Too many cells to condition on: {', '.join(sorted(left_out))}.")


def _sign_error(panel: Panel, settings: Settings, scores: Scores) -> None:
    oriented = np.where(panel.signs == 0, np.nan, panel.values * panel.signs)
    weighted = environment_losses(oriented, panel.target, panel.design, panel.test_size)
    scores.add("sign_error_mean", weighted.mean())
    ones = np.ones((panel.design.n_configurations, 1))
    quantile, maximum = upper_quantile(weighted, ones)
    if settings.replicates:
        if panel.design.names:
            uncertainty = mean_uncertainty(weighted, panel.design)
            scores.add_uncertainty("sign_error_mean", uncertainty, (0.0, 1.0))
        drawn = upper_quantile(weighted, settings.configuration_weights)
    else:
        drawn = (np.zeros((len(quantile), 0)),) * 2
    scores.add("sign_error_p90", quantile[:, 0], drawn[0])
    scores.add("sign_error_max", maximum[:, 0], drawn[1])
    scores.add("sign_error_environments", weighted.count.astype(float))
    plain = environment_losses(oriented, panel.target, panel.design, None, 0.0)
    scores.add("sign_error_unweighted", plain.mean())
    _explain_sign_error(panel, weighted, plain, scores)


def _explain_sign_error(panel: Panel, weighted: Environments, plain: Environments, scores: Scores) -> None:
    reasons = []
    for measure, sign in enumerate(panel.signs):
        if sign == 0:
            reasons.append("no direction declared")
        elif not plain.count[measure]:
            reasons.append("no two fits with a value differ in one axis")
        elif not weighted.count[measure]:
            reasons.append(f"no environment has an effective sample of {EFFECTIVE:g}")
        else:
            reasons.append("")
    scores.words["sign_error_reason"] = reasons
    if panel.test_size is None:
        scores.notes.append("Sign-error: pairs are unweighted, the size of the test set is not known.")
    if plain.loss.size and not weighted.count.any():
        scores.notes.append(
            f"Sign-error: no environment has an effective sample of {EFFECTIVE:g}; "
            "only the unweighted mean over all environments is given."
        )


def _gain(panel: Panel, settings: Settings, scores: Scores) -> None:
    model, shape = panel.axes_model, len(panel.names)
    if model is None:
        for name in ("gain", "partial_tau", "axes_explain"):
            scores.add(name, np.full(shape, np.nan))
        return
    found = gain_over_axes(panel.values, panel.target, model)
    scores.add("gain", found.gain(), found.gain(settings.weights))
    scores.add("axes_explain", found.explained)
    _partial_tau(panel, settings, scores, found)


def _partial_tau(panel: Panel, settings: Settings, scores: Scores, found: Gain) -> None:
    from genbench.ranking.jit import in_threads

    assert panel.axes_model is not None
    left = panel.target - panel.axes_model.prediction

    def one(measure: int) -> np.ndarray:
        rows = ~np.isnan(found.residual[:, measure])
        if rows.sum() < 2 or not found.explained[measure] < DETERMINED:
            return np.full(1 + settings.replicates, np.nan)
        lanes = np.column_stack([np.ones(rows.sum(), dtype=np.int16), settings.weights[rows]])
        return pair_counts(found.residual[rows, measure], left[rows], lanes).tau_a

    taus = np.stack(in_threads(one, range(len(panel.names))))
    scores.add("partial_tau", taus[:, 0], taus[:, 1:])


def _tracking(panel: Panel, settings: Settings, scores: Scores) -> None:
    shares = axis_share(panel.values, panel.design)
    if not len(shares):
        return
    known = np.nan_to_num(shares, nan=-1.0)
    largest = known.max(axis=0)
    scores.add("tracks_share", np.where(largest < 0, np.nan, largest))
    scores.words["tracks"] = [
        panel.design.names[int(axis)] if share >= TRACKS else ""
        for axis, share in zip(known.argmax(axis=0), largest, strict=True)
    ]


def _selection(panel: Panel, settings: Settings, scores: Scores) -> None:
    from genbench.ranking.jit import in_threads

    lanes = np.column_stack([np.ones(len(panel.target), dtype=np.int16), settings.weights])

    def one(measure: int) -> np.ndarray:
        if panel.signs[measure] == 0 or not np.isfinite(panel.target).all():
            return np.full((2, lanes.shape[1]), np.nan)
        choice = choose_best(panel.signs[measure] * panel.values[:, measure], panel.target, lanes)
        return np.stack([choice.hit_rate, choice.regret])

    found = np.stack(in_threads(one, range(len(panel.names))))
    scores.add("hit_rate", found[:, 0, 0], found[:, 0, 1:])
    scores.add("regret", found[:, 1, 0], found[:, 1, 1:])


STATISTICS: Mapping[str, Callable[[Panel, Settings, Scores], None]] = {
    "tau": _kendall,
    "psi": _granulated,
    "cmi": _information,
    "sign_error": _sign_error,
    "spearman": _spearman,
    "r2": _regression,
    "gain": _gain,
    "tracks": _tracking,
    "selection": _selection,
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
    drawn = configuration_weights(panel.design.n_configurations, bootstrap, seed)
    settings, scores = Settings(drawn[panel.design.configuration], drawn), Scores()
    known = ~np.isnan(panel.values)
    scores.add("n", known.sum(axis=0).astype(float))
    for name in statistics:
        STATISTICS[name](panel, settings, scores)
    return scores
