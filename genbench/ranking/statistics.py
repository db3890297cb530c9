"""The statistics that a board has columns for: each a function that fills its columns for a whole panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from genbench.ranking.compat import granulated_tau_b, pgdl_score
from genbench.ranking.correlation import spearman_replicates
from genbench.ranking.design import Design, missing_patterns
from genbench.ranking.granulated import Granulated, granulated_covariance, granulated_tau
from genbench.ranking.hyperparameters import (
    AXES_FOLDS,
    AxesModel,
    Gain,
    axis_share,
    cross_fit,
    gain_over_axes,
)
from genbench.ranking.kendall import rank_counts
from genbench.ranking.mutual_information import ConditioningSets, PairCounter, Weighting, conditioning_sets
from genbench.ranking.panel import Panel, Scores
from genbench.ranking.ranks import dense_rank
from genbench.ranking.regression import configuration_folds, linear_fit
from genbench.ranking.resampling import Resampling
from genbench.ranking.selection import Choice, choose_best
from genbench.ranking.sign_error import (
    EFFECTIVE,
    Environments,
    environment_losses,
    mean_covariance,
    resampled_quantile,
    upper_quantile,
)
from genbench.ranking.sign_error_draws import ReweightedLosses, reweighted_losses
from genbench.ranking.uncertainty import Uncertainty

__all__ = ["BY_DEFAULT", "STATISTICS", "Filler"]

Filler = Callable[[Panel, Resampling, Scores], None]
Resampled = Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]

DETERMINED = 0.99
"""Share of a measure's rank variance predicted by the axes from which on nothing is left to correlate."""

TRACKS = 0.8
"""Share of a measure's rank variance explained by one axis from which on it is said to track that axis."""


def _by_measure(
    values: np.ndarray, target: np.ndarray, weights: np.ndarray, columns: int, function: Resampled
) -> np.ndarray:
    """`function` of every measure on the rows where it has a value, (columns, M, 1 + B); NaN below two rows.

    `weights` are (n, B). `function` gets the ranks of values and target and weights (rows, 1 + B), the first
    set of weights all one, or None for that alone, and returns (columns, 1 + B).
    """
    from genbench.ranking.jit import in_threads

    of_all = dense_rank(target)

    def one(measure: int) -> np.ndarray:
        rows = ~np.isnan(values[:, measure])
        if rows.sum() < 2:
            return np.full((columns, 1 + weights.shape[1]), np.nan)
        lanes = None  # which is counted faster than one set of weights
        if weights.shape[1]:
            lanes = np.column_stack([np.ones(rows.sum(), dtype=np.int16), weights[rows]])
        against = of_all if rows.all() else dense_rank(target[rows])
        return function(dense_rank(values[rows, measure]), against, lanes)

    size = weights.size + len(target)
    return np.stack(in_threads(one, range(values.shape[1]), size), axis=1)


def _kendall(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    def taus(rank: np.ndarray, against: np.ndarray, lanes: np.ndarray | None) -> np.ndarray:
        counts = rank_counts(rank, against, lanes)
        pairs = np.maximum(counts.total, 1e-300)
        return np.stack([counts.tau_a, counts.tau_b, counts.tied_values / pairs, counts.tied_target / pairs])

    found = _by_measure(panel.values, panel.target, resampling.weights, 4, taus)
    for name, column in zip(("tau", "tau_b"), found[:2], strict=True):
        scores.add(name, column[:, 0], resampling.uncertainty(column[:, 1:]), (-1.0, 1.0))
    scores.add("ties_values", found[2, :, 0])
    scores.add("ties_target", found[3, :, 0])


def _granulated(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    found = granulated_tau(panel.values, panel.target, panel.design)
    spread = _granulated_spread(panel, resampling, found)
    scores.add("psi", found.mean, spread[0], (-1.0, 1.0))
    for axis, name in enumerate(panel.design.names):
        scores.add(f"psi_{name}", found.axes[axis], spread[1 + axis], (-1.0, 1.0))
        scores.add(f"groups_{name}", found.groups[axis])


def _granulated_spread(
    panel: Panel, resampling: Resampling, found: Granulated
) -> Sequence[Uncertainty | None]:
    """Uncertainty of Ψ and of ψ on every axis."""
    axes = len(panel.design.names)
    if not resampling.sets or not axes:
        return [None] * (1 + axes)
    within, over = granulated_covariance(panel.values, panel.target, panel.design, found)
    without = [
        granulated_tau(panel.values, panel.target, panel.design, weights)
        for weights in resampling.without_seeds.T
    ]
    spread = []
    for place in range(1 + axes):
        alone, configurations = ((each.mean, *each.axes)[place] for each in (within, over))
        left = [each.mean if place == 0 else each.axes[place - 1] for each in without]
        spread.append(
            resampling.assembled(
                alone if resampling.within else None,
                np.array(left).T.reshape(len(panel.names), -1),
                configurations if resampling.configurations else None,
            )
        )
    return spread


def _spearman(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    found = np.full((len(panel.names), 1 + resampling.sets), np.nan)
    for columns, rows in missing_patterns(~np.isnan(panel.values)):
        if rows.sum() > 1:
            lanes = np.column_stack([np.ones(rows.sum(), dtype=np.int16), resampling.weights[rows]])
            values = panel.values[np.ix_(rows, columns)]
            found[columns] = spearman_replicates(values, panel.target[rows], lanes)
    scores.add("spearman", found[:, 0], resampling.uncertainty(found[:, 1:]), (-1.0, 1.0))


def _regression(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    folds = configuration_folds(panel.design.configuration) if panel.design.n_configurations > 1 else None
    plain = linear_fit(panel.values, panel.target, None, folds)
    drawn = linear_fit(panel.values, panel.target, resampling.weights, folds)
    for name in ("r2", "r2_adjusted"):
        scores.add(name, getattr(plain, name)[:, 0])
    scores.add("pearson", plain.pearson[:, 0], resampling.uncertainty(drawn.pearson), (-1.0, 1.0))
    scores.add("r2_cv", plain.r2_cv[:, 0], resampling.uncertainty(drawn.r2_cv), (-np.inf, 1.0))
    scores.add("n_finite", plain.n.astype(float))
    if "pearson" in scores.low:
        # R² is a square, whose interval would not be symmetric: that of r is squared instead.
        low, high = scores.low["pearson"], scores.high["pearson"]
        largest = np.maximum(low**2, high**2)
        smallest = np.where((low < 0) & (high > 0), 0.0, np.minimum(low**2, high**2))
        scores.add_interval("r2", smallest, largest)
        shrink = plain.r2_adjusted[:, 0] - 1
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = np.where(plain.r2[:, 0] < 1, shrink / (plain.r2[:, 0] - 1), 1.0)
        scores.add_interval("r2_adjusted", 1 - (1 - smallest) * factor, 1 - (1 - largest) * factor)


def _few(resampling: Resampling, scores: Scores) -> Resampling:
    """The draws for what is too dear for all of them; a note says where a large table has fewer still."""
    notes = resampling.few_notes("the information and of sign-errors")
    scores.notes += [each for each in notes if each not in scores.notes]
    return resampling.few()


def _information(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    from genbench.ranking.jit import in_threads

    few = _few(resampling, scores)
    signed = np.full((len(panel.names), 1 + few.sets), np.nan)
    minimum = np.full_like(signed, np.nan)
    attained = [""] * len(panel.names)
    everywhere = conditioning_sets(panel.design)
    for columns, rows in missing_patterns(~np.isnan(panel.values)):
        if rows.sum() < 2:
            continue
        sets, target = everywhere.take(rows), panel.target[rows]
        lanes = np.column_stack([np.ones(len(target), dtype=np.int16), few.weights[rows]])
        shared = PairCounter(target, target, sets)
        weightings = in_threads(shared.weighting, sets.lanes(lanes), len(target))

        def one(
            measure: int,
            rows: np.ndarray = rows,
            target: np.ndarray = target,
            sets: ConditioningSets = sets,
            weightings: Sequence[Weighting] = weightings,
        ) -> None:
            counter = PairCounter(panel.values[rows, measure], target, sets)
            each = [counter.information(weighting) for weighting in weightings]
            signed[measure] = np.concatenate([lane.signed for lane in each])
            # Not the size of the signed one, which is 0 where the association has no direction.
            minimum[measure] = np.concatenate([lane.minimum for lane in each])
            place = int(each[0].place[0])
            attained[measure] = "none" if place < 0 else " × ".join(sets.names[place]) or "all pairs"

        in_threads(one, columns, lanes.size)
    scores.add("cmi", signed[:, 0], few.uncertainty(signed[:, 1:]), (-1.0, 1.0))
    scores.add("cmi_abs", minimum[:, 0], few.uncertainty(minimum[:, 1:]), (0.0, 1.0))
    scores.words["cmi_set"] = attained
    if everywhere.left_out:
        names = sorted(" × ".join(axes) for axes in everywhere.left_out)
        scores.notes.append(f"Too many cells to condition on: {', '.join(names)}.")


def _sign_error(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    oriented = np.where(panel.signs == 0, np.nan, panel.values * panel.signs)
    weighted = environment_losses(oriented, panel.target, panel.design, panel.test_size)
    plain = environment_losses(oriented, panel.target, panel.design, None, 0.0)
    few = _few(resampling, scores)
    redrawn = reweighted_losses(weighted, oriented, panel.target, panel.design, panel.test_size, few.of_seeds)
    scores.add("sign_error_mean", weighted.mean, _mean_loss_spread(panel, few, weighted, redrawn), (0.0, 1.0))
    upper = redrawn.quantile, redrawn.maximum
    drawn = resampled_quantile(weighted, few.of_configurations)
    for place, name in enumerate(("sign_error_p90", "sign_error_max")):
        spread = few.uncertainty(np.hstack([upper[place], drawn[place]]))
        scores.add(name, upper_quantile(weighted)[place], spread, (0.0, 1.0))
    scores.add("sign_error_environments", weighted.count.astype(float))
    redrawn = reweighted_losses(
        plain, oriented, panel.target, panel.design, None, few.of_seeds, quantiles=False
    )
    spread = _mean_loss_spread(panel, few, plain, redrawn)
    scores.add("sign_error_unweighted", plain.mean, spread, (0.0, 1.0))
    _explain_sign_error(panel, weighted, plain, scores)


def _mean_loss_spread(
    panel: Panel, resampling: Resampling, environments: Environments, redrawn: ReweightedLosses
) -> Uncertainty | None:
    if not panel.design.names:
        return None
    means = redrawn.mean
    return resampling.assembled(
        resampling.drawn(means[:, : resampling.within]),
        means[:, resampling.within :],
        mean_covariance(environments, panel.design) if resampling.configurations else None,
    )


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


def _gain(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    model, shape = panel.axes_model, len(panel.names)
    if model is None:
        for name in ("gain", "partial_tau", "axes_explain"):
            scores.add(name, np.full(shape, np.nan))
        return
    found = gain_over_axes(panel.values, panel.target, model)
    taus = _partial_taus(panel, found, model, resampling.weights)
    drawn = {"gain": found.gain(resampling.weights), "partial_tau": taus[:, 1:]}
    # Draws hold the fits to the axes fixed. Where a seed is left out they are made anew, so that intervals
    # hold the share of the fits.
    refitted = [_without(panel, weights > 0) for weights in resampling.without_seeds.T]
    for place, column in enumerate(drawn.values()):
        for lane, each in enumerate(refitted, start=resampling.within):
            column[:, lane] = each[place]
    scores.add("gain", found.gain(), resampling.uncertainty(drawn["gain"]))
    scores.add("partial_tau", taus[:, 0], resampling.uncertainty(drawn["partial_tau"]), (-1.0, 1.0))
    scores.add("axes_explain", found.explained)


def _partial_taus(panel: Panel, found: Gain, model: AxesModel, weights: np.ndarray) -> np.ndarray:
    """tau-a of what the axes leave of measure and target, of all rows and under each set of weights."""
    determined = ~(found.explained < DETERMINED)
    left = np.where(determined, np.nan, found.residual)
    (taus,) = _by_measure(
        left, panel.target - model.prediction, weights, 1, lambda *column: rank_counts(*column).tau_a[None]
    )
    return taus


def _without(panel: Panel, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and partial tau with the predictor from the axes fitted to some of the rows only."""
    part = replace(
        panel, values=panel.values[rows], target=panel.target[rows], design=panel.design.take(rows)
    )
    if part.design.n_configurations < 3:
        return np.full(len(panel.names), np.nan), np.full(len(panel.names), np.nan)
    folds = configuration_folds(part.design.configuration, AXES_FOLDS)
    model = cross_fit(part.target, part.design, folds)
    found = gain_over_axes(part.values, part.target, model)
    return found.gain(), _partial_taus(part, found, model, np.empty((len(part.target), 0), np.int16))[:, 0]


def _tracking(panel: Panel, resampling: Resampling, scores: Scores) -> None:
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


def _selection(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    lanes = np.column_stack([np.ones(len(panel.target), dtype=np.int16), resampling.weights])
    oriented = np.where(panel.signs == 0, np.nan, panel.values * panel.signs)
    if np.isfinite(panel.target).all():
        choice = choose_best(oriented, panel.target, lanes)
    else:
        choice = Choice(*(np.full((len(panel.names), lanes.shape[1]), np.nan) for _ in range(2)))
    scores.add("hit_rate", choice.hit_rate[:, 0], resampling.uncertainty(choice.hit_rate[:, 1:]), (0.0, 1.0))
    scores.add("regret", choice.regret[:, 0], resampling.uncertainty(choice.regret[:, 1:]), (0.0, np.inf))


def _pgdl(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    scores.add("pgdl", _one_by_one(panel, pgdl_score))


def _tau_b_per_group(panel: Panel, resampling: Resampling, scores: Scores) -> None:
    scores.add("psi_tau_b", _one_by_one(panel, lambda *column: float(granulated_tau_b(*column).mean[0])))


def _one_by_one(panel: Panel, statistic: Callable[[np.ndarray, np.ndarray, Design], float]) -> np.ndarray:
    found = np.full(len(panel.names), np.nan)
    for columns, rows in missing_patterns(~np.isnan(panel.values)):
        if rows.sum() > 1:
            design = panel.design.take(rows)
            for measure in columns:
                found[measure] = statistic(panel.values[rows, measure], panel.target[rows], design)
    return found


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
