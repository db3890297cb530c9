"""The statistics that a board has columns for: each a function that fills its columns for a whole panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from genbench.ranking.compat import granulated_tau_b, pgdl_score
from genbench.ranking.correlation import spearman_replicates
from genbench.ranking.design import Design, missing_patterns
from genbench.ranking.granulated import granulated_covariance, granulated_tau
from genbench.ranking.hyperparameters import Gain, axis_share, gain_over_axes
from genbench.ranking.kendall import pair_counts
from genbench.ranking.mutual_information import ConditioningSets, PairCounter, Weighting, conditioning_sets
from genbench.ranking.panel import Panel, Scores, Settings
from genbench.ranking.regression import configuration_folds, linear_fit
from genbench.ranking.selection import Choice, choose_best
from genbench.ranking.sign_error import (
    EFFECTIVE,
    Environments,
    environment_losses,
    mean_uncertainty,
    resampled_quantile,
    upper_quantile,
)

__all__ = ["BY_DEFAULT", "STATISTICS", "Filler", "custom"]

Filler = Callable[[Panel, Settings, Scores], None]
Statistic = Callable[..., float]
Resampled = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

FEW_REPLICATES = 200
"""Replicates of the conditional mutual information and of statistics from elsewhere, too dear for more."""

DETERMINED = 0.99
"""Share of a measure's rank variance predicted by the axes from which on nothing is left to correlate."""

TRACKS = 0.8
"""Share of a measure's rank variance explained by one axis from which on it is said to track that axis."""


def _by_measure(
    values: np.ndarray, target: np.ndarray, settings: Settings, columns: int, function: Resampled
) -> np.ndarray:
    """`function` of every measure on the rows where it has a value, (columns, M, 1 + B); NaN below two rows.

    `function` gets values, target and weights (rows, 1 + B), the first set of weights all one, and returns
    (columns, 1 + B).
    """
    from genbench.ranking.jit import in_threads

    def one(measure: int) -> np.ndarray:
        rows = ~np.isnan(values[:, measure])
        if rows.sum() < 2:
            return np.full((columns, 1 + settings.replicates), np.nan)
        lanes = np.column_stack([np.ones(rows.sum(), dtype=np.int16), settings.weights[rows]])
        return function(values[rows, measure], target[rows], lanes)

    size = settings.weights.size + len(target)
    return np.stack(in_threads(one, range(values.shape[1]), size), axis=1)


def _kendall(panel: Panel, settings: Settings, scores: Scores) -> None:
    def taus(values: np.ndarray, target: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        counts = pair_counts(values, target, lanes)
        pairs = np.maximum(counts.total, 1e-300)
        return np.stack([counts.tau_a, counts.tau_b, counts.tied_values / pairs, counts.tied_target / pairs])

    found = _by_measure(panel.values, panel.target, settings, 4, taus)
    for name, column in zip(("tau", "tau_b"), found[:2], strict=True):
        scores.add(name, column[:, 0], column[:, 1:])
    scores.add("ties_values", found[2, :, 0])
    scores.add("ties_target", found[3, :, 0])


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
    found = np.full((len(panel.names), 1 + settings.replicates), np.nan)
    for columns, rows in missing_patterns(~np.isnan(panel.values)):
        if rows.sum() > 1:
            lanes = np.column_stack([np.ones(rows.sum(), dtype=np.int16), settings.weights[rows]])
            values = panel.values[np.ix_(rows, columns)]
            found[columns] = spearman_replicates(values, panel.target[rows], lanes)
    scores.add("spearman", found[:, 0], found[:, 1:])


def _regression(panel: Panel, settings: Settings, scores: Scores) -> None:
    folds = configuration_folds(panel.design.configuration) if panel.design.n_configurations > 1 else None
    plain = linear_fit(panel.values, panel.target, None, folds)
    drawn = linear_fit(panel.values, panel.target, settings.weights, folds)
    for name in ("r2", "r2_adjusted"):
        scores.add(name, getattr(plain, name)[:, 0])
    scores.add("pearson", plain.pearson[:, 0], drawn.pearson)
    scores.add("r2_cv", plain.r2_cv[:, 0], drawn.r2_cv, recentred=True, bounds=(-np.inf, 1.0))
    scores.add("n_finite", plain.n.astype(float))
    if settings.replicates:
        # The R² of replicates lies above R², as squares do: the interval of r is squared instead.
        low, high = scores.low["pearson"], scores.high["pearson"]
        largest = np.maximum(low**2, high**2)
        smallest = np.where((low < 0) & (high > 0), 0.0, np.minimum(low**2, high**2))
        scores.add_interval("r2", smallest, largest)
        shrink = plain.r2_adjusted[:, 0] - 1
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = np.where(plain.r2[:, 0] < 1, shrink / (plain.r2[:, 0] - 1), 1.0)
        scores.add_interval("r2_adjusted", 1 - (1 - smallest) * factor, 1 - (1 - largest) * factor)


def _information(panel: Panel, settings: Settings, scores: Scores) -> None:
    from genbench.ranking.jit import in_threads

    count = min(settings.replicates, FEW_REPLICATES)
    signed = np.full((len(panel.names), 1 + count), np.nan)
    minimum = np.full_like(signed, np.nan)
    attained = [""] * len(panel.names)
    everywhere = conditioning_sets(panel.design)
    for columns, rows in missing_patterns(~np.isnan(panel.values)):
        if rows.sum() < 2:
            continue
        sets, target = everywhere.take(rows), panel.target[rows]
        lanes = np.column_stack([np.ones(len(target), dtype=np.int16), settings.weights[rows, :count]])
        shared = PairCounter(target, target, sets)
        weightings = in_threads(shared.weighting, lanes.T, len(target))

        def one(
            measure: int,
            rows: np.ndarray = rows,
            target: np.ndarray = target,
            sets: ConditioningSets = sets,
            weightings: Sequence[Weighting] = weightings,
        ) -> None:
            counter = PairCounter(panel.values[rows, measure], target, sets)
            each = [counter.information(weighting) for weighting in weightings]
            signed[measure] = [information.signed for information in each]
            # Not the size of the signed one, which is 0 where the association has no direction.
            minimum[measure] = [information.minimum for information in each]
            axes = each[0].attained
            attained[measure] = "none" if axes is None else " × ".join(axes) or "all pairs"

        in_threads(one, columns, lanes.size)
    scores.add("cmi", signed[:, 0], signed[:, 1:], True, (-1.0, 1.0))
    scores.add("cmi_abs", minimum[:, 0], minimum[:, 1:], True, (0.0, 1.0))
    scores.words["cmi_set"] = attained
    if everywhere.left_out:
        names = sorted(" × ".join(axes) for axes in everywhere.left_out)
        scores.notes.append(f"Too many cells to condition on: {', '.join(names)}.")


def _sign_error(panel: Panel, settings: Settings, scores: Scores) -> None:
    oriented = np.where(panel.signs == 0, np.nan, panel.values * panel.signs)
    weighted = environment_losses(oriented, panel.target, panel.design, panel.test_size)
    scores.add("sign_error_mean", weighted.mean)
    for name, estimate, drawn in zip(
        ("sign_error_p90", "sign_error_max"),
        upper_quantile(weighted),
        resampled_quantile(weighted, settings.configuration_weights),
        strict=True,
    ):
        scores.add(name, estimate, drawn)
    if settings.replicates and panel.design.names:
        scores.add_uncertainty("sign_error_mean", mean_uncertainty(weighted, panel.design), (0.0, 1.0))
    scores.add("sign_error_environments", weighted.count.astype(float))
    plain = environment_losses(oriented, panel.target, panel.design, None, 0.0)
    scores.add("sign_error_unweighted", plain.mean)
    if settings.replicates and panel.design.names:
        scores.add_uncertainty("sign_error_unweighted", mean_uncertainty(plain, panel.design), (0.0, 1.0))
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
        scores.notes.append(
            "Sign-error: pairs are unweighted (no test size is known, or the target is no error rate)."
        )
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
    _partial_tau(panel, settings, scores, found, model.prediction)


def _partial_tau(
    panel: Panel, settings: Settings, scores: Scores, found: Gain, prediction: np.ndarray
) -> None:
    determined = ~(found.explained < DETERMINED)
    left = np.where(determined, np.nan, found.residual)
    (taus,) = _by_measure(
        left, panel.target - prediction, settings, 1, lambda *column: pair_counts(*column).tau_a[None]
    )
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
    lanes = np.column_stack([np.ones(len(panel.target), dtype=np.int16), settings.weights])
    oriented = np.where(panel.signs == 0, np.nan, panel.values * panel.signs)
    if np.isfinite(panel.target).all():
        choice = choose_best(oriented, panel.target, lanes)
    else:
        choice = Choice(*(np.full((len(panel.names), lanes.shape[1]), np.nan) for _ in range(2)))
    scores.add("hit_rate", choice.hit_rate[:, 0], choice.hit_rate[:, 1:])
    scores.add("regret", choice.regret[:, 0], choice.regret[:, 1:])


def _pgdl(panel: Panel, settings: Settings, scores: Scores) -> None:
    scores.add("pgdl", _one_by_one(panel, pgdl_score))


def _tau_b_per_group(panel: Panel, settings: Settings, scores: Scores) -> None:
    scores.add("psi_tau_b", _one_by_one(panel, lambda *column: float(granulated_tau_b(*column).mean[0])))


def _one_by_one(panel: Panel, statistic: Callable[[np.ndarray, np.ndarray, Design], float]) -> np.ndarray:
    found = np.full(len(panel.names), np.nan)
    for columns, rows in missing_patterns(~np.isnan(panel.values)):
        if rows.sum() > 1:
            design = panel.design.take(rows)
            for measure in columns:
                found[measure] = statistic(panel.values[rows, measure], panel.target[rows], design)
    return found


def custom(name: str, function: Statistic) -> Filler:
    """A filler for somebody's own statistic, with its bootstrap interval.

    `function` is called with the rows that have a value: values, target, axes (name to integer codes), groups
    (the configuration's code) and weights, arrays of n, and returns a number.
    """

    def fill(panel: Panel, settings: Settings, scores: Scores) -> None:
        count = min(settings.replicates, FEW_REPLICATES)
        found = np.full((len(panel.names), 1 + count), np.nan)
        for measure in range(len(panel.names)):
            rows = panel.known(measure)
            if rows.sum() < 2:
                continue
            design = panel.design.take(rows)
            axes = {axis: design.codes[:, place] for place, axis in enumerate(design.names)}
            given = (panel.values[rows, measure], panel.target[rows], axes, design.configuration)
            found[measure, 0] = function(*given, np.ones(len(given[1])))
            for replicate in range(count):
                found[measure, 1 + replicate] = function(
                    *given, settings.weights[rows, replicate].astype(float)
                )
        scores.add(name, found[:, 0], found[:, 1:])

    return fill


STATISTICS: Mapping[str, Filler] = {
    "tau": _kendall,
    "psi": _granulated,
    "cmi": _information,
    "sign_error": _sign_error,
    "spearman": _spearman,
    "r2": _regression,
    "gain": _gain,
    "tracks": _tracking,
    "selection": _selection,
    "pgdl": _pgdl,
    "psi_tau_b": _tau_b_per_group,
}
"""What can be asked for, each with the function that fills its columns."""

BY_DEFAULT = tuple(name for name in STATISTICS if name not in ("pgdl", "psi_tau_b"))
"""All but the imitations of other programs."""
