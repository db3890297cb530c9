"""What each column of a board means, and where its interval comes from."""

from __future__ import annotations

__all__ = ["COLUMNS", "INTERVAL_OF", "meaning"]

INTERVAL_OF = {
    "retraining": "the same grid, trained again with new seeds",
    "configurations": "other configurations, drawn like these, and new seeds",
}
"""What intervals are of, in words for captions."""

DRAWN = "interval: Student's, the variance from fits drawn anew and from seeds left out"
FEW = f"{DRAWN}, 200 draws"
DYADIC = "interval: Student's, the variance that of data on pairs, and from seeds left out"

COLUMNS: dict[str, str] = {
    "measure": "name of the measure or control",
    "direction": "+ a larger value should mean a larger target, − a smaller one, ? no claim and no rank",
    "n": "fits with a value and a target",
    "coverage": "n over the fits considered",
    "tau": f"Kendall's tau-a, raw; {DRAWN}",
    "tau_b": f"Kendall's tau-b, raw, NaN for a constant measure; {DRAWN}",
    "psi": f"mean over axes of the granulated tau, raw; {DYADIC}",
    "psi_<axis>": f"granulated tau along one axis, raw; {DYADIC}",
    "cmi": "smallest conditional mutual information over sets of at most two axes, with the sign of the "
    f"association; {FEW}",
    "sign_error_mean": f"mean sign-error over environments, of oriented values; {DYADIC}",
    "sign_error_p90": f"90th percentile over environments; {FEW}",
    "sign_error_max": f"worst environment; {FEW}",
    "spearman": f"Spearman's correlation, raw; {DRAWN}",
    "r2": "R² of a straight line, finite values only; interval: that of Pearson's correlation, squared",
    "rank_low": "1 + number of measures surely better: the 95 % interval of their difference excludes 0",
    "rank_high": "number of ranked measures less those surely worse",
    "expected": "what to expect of the score on a rerun: drawn in toward the mean of the field by its noise",
    "p_best": "probability of being the best of the measures ranked",
    "p_top5": "probability of being among the best five of the measures ranked",
    "cost_seconds": "what the measure costs alone",
    "family": "family of the measure",
    "held_out": "whether the measure uses data held out from training; such measures are ranked apart",
    "status": "ok, constant, partial (coverage below 95 %), held-out or missing",
    "reason": "why the status is not ok",
    "ties_values": "share of the pairs that tie in the measure",
    "ties_target": "share of the pairs that tie in the target",
    "groups_<axis>": "groups that the granulated tau along the axis averages",
    "cmi_abs": f"cmi without sign, as published; {FEW}",
    "cmi_set": "the conditioning set of the smallest information",
    "sign_error_environments": "environments with an effective sample of 12",
    "sign_error_unweighted": f"mean sign-error over all environments, pairs and environments equal; {DYADIC}",
    "sign_error_max_oracle": "the worst environment of an oracle with noise 0.02, on the same table",
    "sign_error_reason": "why there is no sign-error",
    "pearson": f"Pearson's correlation, raw, finite values only; {DRAWN}",
    "r2_adjusted": "R² less what one free slope gains by chance; interval: as that of r2",
    "r2_cv": f"R² on configurations left out; {DRAWN}",
    "n_finite": "fits with a finite value and target, those of the straight line",
    "gain": "cross-validated R² of hyperparameters and measure less that of hyperparameters alone; "
    f"{DRAWN}, the fits to the hyperparameters made anew where seeds are left out",
    "axes_explain": "share of the variance of the measure's ranks that the hyperparameters predict",
    "partial_tau": "tau-a of what the hyperparameters leave of measure and target, NaN for nothing; "
    f"{DRAWN}, the fits to the hyperparameters made anew where seeds are left out",
    "tracks": "the axis that alone explains 80 % of the variance of the measure's ranks, if any",
    "tracks_share": "the largest share that one axis explains",
    "hit_rate": "whether the network with the best value is among the tenth with the smallest target, of "
    f"the fits with a value; {DRAWN}",
    "regret": "target of the network with the best value, of the fits with a value: 0 the best there is, 1 "
    f"no better than at random; {DRAWN}",
    "tau_all": "tau over all fits, where the others are over converged ones",
    "psi_all": "psi over all fits, where the others are over converged ones",
    "tau_p_random": "share of 1,000 random measures with a tau at least as far from 0",
    "psi_p_random": "share of 1,000 random measures with a psi at least as far from 0",
    "cmi_p_random": "share of random measures, 50 to 1,000 of them, with a cmi at least as far from 0",
    "pgdl": "the score of the PGDL competition, see genbench.ranking.compat",
    "psi_tau_b": "granulated Kendall with tau-b per group, see genbench.ranking.compat",
}
"""Column to meaning. A column NAME with an interval has NAME_low, NAME_high and NAME_se."""


ENDS = {
    "low": "lower end of the interval",
    "high": "upper end of the interval",
    "se": "standard error, right on average",
}


def meaning(column: str) -> str | None:
    """What a column of a board means, or None for one that somebody else's statistic brought in."""
    if column in COLUMNS:
        return COLUMNS[column]
    base, _, end = column.rpartition("_")
    if end in ENDS:
        of = meaning(base)
        return None if of is None else f"{ENDS[end]}: {of}"
    for prefix in ("psi", "groups"):
        if column.startswith(f"{prefix}_"):
            return COLUMNS[f"{prefix}_<axis>"]
    return None
