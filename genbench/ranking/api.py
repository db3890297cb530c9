"""The front end: from a table to a board."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.ranking.board import Board
from genbench.ranking.bootstrap import rank_intervals
from genbench.ranking.controls import axes_model, ceilings, control_columns, null_draws
from genbench.ranking.errors import RankingError, nearest
from genbench.ranking.scoring import Panel, Scores, choose_statistics, score
from genbench.ranking.table import Study, read_table, survivors

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rank"]

SIGNS = {"+": 1, "-": -1, "?": 0}
NULL_DRAWS = 1000
FEW = 0.95
"""Coverage below which a measure's row is flagged."""

UNSIGNED = frozenset({"r2", "r2_adjusted", "r2_cv", "cmi_abs", "gain", "hit_rate"})
SMALLER_IS_BETTER = frozenset({"sign_error_mean", "sign_error_p90", "sign_error_max", "regret"})


def rank(
    table: pd.DataFrame,
    measures: str | Iterable[str] | None = None,
    target: str = "gap",
    axes: str | Iterable[str] | None = None,
    seed_column: str | None = "seed",
    directions: Mapping[str, str] | None = None,
    statistics: str | Iterable[str] | None = None,
    bootstrap: int = 1000,
    test_size: float | str | None = None,
    converged: str | Any = None,
    rank_by: str = "psi",
    families: Mapping[str, str] | None = None,
    costs: Mapping[str, float] | None = None,
    seed: int = 0,
    held_out: Collection[str] = (),
) -> Board:
    """Rank measures by how well they predict a target over the fits of a table.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per fit. Measures may be NaN (the fit is left out for that measure and counted in its
        coverage) or infinite (ordered values for rank statistics, left out of straight lines).
    measures : names, optional
        See `genbench.ranking.table.read_table`, as for `axes`.
    target : str
        ``gap``, ``test_error``, ``loss_gap``, ``normalized_loss_gap`` or any numeric column.
    axes : names, optional
        The hyperparameters. Those with a single level are left out, and a note says so.
    seed_column : str or None
        Rows of different configurations are compared where they agree on it: fits of equal seed share data
        order and initialization as far as they can. None: every pair of repeats is compared.
    directions : mapping, optional
        Measure to ``+`` (a larger value is supposed to mean a larger target, the default), ``-``, or ``?``
        (no claim: the row stands below the line, without a rank).
    statistics : names, optional
        Which to compute, all by default; columns of the others are NaN.
    bootstrap : int
        Replicates over configurations; 0 for no intervals.
    test_size : number or column name, optional
        Number of test examples, for the weights of the sign-error.
    converged : column name or bools, optional
        Rank converged fits only; the same on all fits then stands beside, as ``tau_all`` and ``psi_all``.
    rank_by : str
        A column of the result. Ranks use it with the measure's direction.
    families, costs : mappings, optional
        Measure to family, and to seconds; copied into the rows.
    seed : int
        Of the bootstrap, the random control and the oracles.
    held_out : names, optional
        Measures that saw data held out from training: ranked among themselves, below the others.

    Returns
    -------
    Board

    Raises
    ------
    RankingError
        With one line that says what to change.
    """
    if isinstance(bootstrap, bool) or not isinstance(bootstrap, int | np.integer) or bootstrap < 0:
        raise RankingError(f"bootstrap must be a number of replicates from 0, not {bootstrap!r}")
    chosen = choose_statistics(statistics)
    whole = read_table(table, measures, target, axes, seed_column, test_size, converged)
    signs = _signs(whole.measures, directions)
    notes = _table_notes(whole, directions)
    considered = whole
    if converged is not None and whole.converged is not None:
        considered = whole.take(whole.converged)
    study = considered.take(~np.isnan(considered.target))
    _check_left(study, considered, converged is not None)

    model = axes_model(study)
    controls = control_columns(study, model, seed)
    panel = Panel(
        names=(*study.measures, *controls),
        values=np.column_stack([study.values, *controls.values()]),
        signs=np.concatenate([signs, np.ones(len(controls), dtype=int)]),
        target=study.target,
        design=study.design,
    )
    scores = score(panel, chosen, int(bootstrap), seed)
    if rank_by not in scores.estimate:
        raise RankingError(f"cannot rank by '{rank_by}'{nearest(rank_by, scores.estimate)}")
    if considered is not whole:
        _beside(whole, scores, chosen, len(controls))
    null = null_draws(study, NULL_DRAWS, seed) if {"tau", "psi"} & set(chosen) else {}
    _probability_at_random(scores, null)
    ranks = _ranks(panel, scores, rank_by, len(study.measures), frozenset(held_out))
    rows = _rows(panel, scores, ranks, study, considered.n, families, costs, frozenset(held_out))
    order = _order(panel, scores, rank_by, len(study.measures), frozenset(held_out))
    band = {name: _band(draws) for name, draws in null.items() if not np.isnan(draws).any()}
    notes += _result_notes(study, considered, rows, band)
    return Board(
        rows=[rows[place] for place in order],
        controls=rows[len(study.measures) :],
        target=target,
        rank_by=rank_by,
        axes={
            name: {
                "levels": len(np.unique(study.design.codes[:, axis])),
                "groups": int(scores.estimate[f"groups_{name}"].max(initial=0)) if "psi" in chosen else 0,
            }
            for axis, name in enumerate(study.design.names)
        },
        summary={
            "fits": whole.n,
            "ranked": study.n,
            "configurations": study.design.n_configurations,
            "seeds": len(np.unique(study.design.seed)) if study.has_seed else None,
            "converged_only": considered is not whole,
            "bootstrap": int(bootstrap),
            "seed": seed,
        },
        null_band=band,
        ceiling=ceilings(study, seed),
        survivors=survivors(whole),
        notes=notes + scores.notes,
    )


def _signs(measures: tuple[str, ...], directions: Mapping[str, str] | None) -> np.ndarray:
    given = dict(directions or {})
    bad = sorted(f"'{name}': {sign!r}" for name, sign in given.items() if sign not in SIGNS)
    if bad:
        raise RankingError(f"a direction is '+', '-' or '?', not {', '.join(bad)}")
    return np.array([SIGNS[given.get(name, "+")] for name in measures], dtype=int)


def _check_left(study: Study, considered: Study, converged_only: bool) -> None:
    if study.n < 2:
        why = "converged and has" if converged_only else "has"
        raise RankingError(f"only {study.n} fit {why} a target '{study.target_name}'; a ranking needs two")
    if (study.target == study.target[0]).all():
        raise RankingError(
            f"target '{study.target_name}' is {study.target[0]:g} for all {study.n} of {considered.n} fits left"
        )


def _beside(whole: Study, scores: Scores, chosen: tuple[str, ...], controls: int) -> None:
    """tau and Ψ over all fits, beside those of the converged ones; the controls have none."""
    study = whole.take(~np.isnan(whole.target))
    panel = Panel(study.measures, study.values, np.ones(len(study.measures)), study.target, study.design)
    wanted = tuple(name for name in ("tau", "psi") if name in chosen)
    found = score(panel, wanted, 0)
    for name in wanted:
        scores.add(f"{name}_all", np.append(found.estimate[name], np.full(controls, np.nan)))


def _probability_at_random(scores: Scores, null: Mapping[str, np.ndarray]) -> None:
    """Share of random measures at least as far from 0, the measure itself counted among them."""
    for name, draws in null.items():
        if name in scores.estimate and not np.isnan(draws).any():
            size = np.sort(np.abs(draws))
            estimate = np.abs(scores.estimate[name])
            further = len(size) - np.searchsorted(size, estimate - 1e-12)
            scores.add(f"{name}_p_random", np.where(np.isnan(estimate), np.nan, (1 + further) / (1 + len(size))))


def _band(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _oriented(panel: Panel, scores: Scores, rank_by: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores of which larger is better, and the sign that made them so."""
    if rank_by in SMALLER_IS_BETTER:
        sign = -np.ones(len(panel.names))
    elif rank_by in UNSIGNED:
        sign = np.ones(len(panel.names))
    else:
        sign = panel.signs.astype(float)
    return sign * scores.estimate[rank_by], sign


def _pools(panel: Panel, oriented: np.ndarray, count: int, held_out: frozenset[str]) -> list[np.ndarray]:
    """The measures ranked against each other, then those held out; never one without direction or score."""
    can = (panel.signs[:count] != 0) & ~np.isnan(oriented[:count])
    apart = np.array([name in held_out for name in panel.names[:count]], dtype=bool)
    return [np.flatnonzero(can & ~apart), np.flatnonzero(can & apart)]


def _ranks(
    panel: Panel, scores: Scores, rank_by: str, count: int, held_out: frozenset[str]
) -> dict[int, tuple[int, int]]:
    oriented, sign = _oriented(panel, scores, rank_by)
    ranks: dict[int, tuple[int, int]] = {}
    for pool in _pools(panel, oriented, count, held_out):
        covariance = scores.covariance.get(rank_by)
        replicates = scores.replicates.get(rank_by)
        low, high = rank_intervals(
            oriented[pool],
            None if replicates is None else sign[pool, None] * replicates[pool],
            None if covariance is None else np.outer(sign[pool], sign[pool]) * covariance[np.ix_(pool, pool)],
        )
        ranks |= {int(place): (int(a), int(b)) for place, a, b in zip(pool, low, high, strict=True)}
    return ranks


def _order(panel: Panel, scores: Scores, rank_by: str, count: int, held_out: frozenset[str]) -> list[int]:
    """Best first; then the held-out measures; below the line what has no direction, at last what has no score."""
    oriented, _ = _oriented(panel, scores, rank_by)
    raw = np.abs(np.nan_to_num(scores.estimate[rank_by][:count]))
    pools = _pools(panel, oriented, count, held_out)
    order = [place for pool in pools for place in sorted(pool, key=lambda p: (-oriented[p], panel.names[p]))]
    rest = sorted(
        set(range(count)) - set(order),
        key=lambda p: (bool(np.isnan(scores.estimate[rank_by][p])), -raw[p], panel.names[p]),
    )
    return [int(place) for place in [*order, *rest]]


def _rows(
    panel: Panel, scores: Scores, ranks: Mapping[int, tuple[int, int]], study: Study, considered: int,
    families: Mapping[str, str] | None, costs: Mapping[str, float] | None, held_out: frozenset[str],
) -> list[dict[str, Any]]:  # fmt: skip
    def number(column: Mapping[str, np.ndarray], name: str, place: int) -> float:
        return float(column[name][place]) if name in column else float("nan")

    fixed = ["tau", "tau_b", "psi", *(f"psi_{axis}" for axis in study.design.names)]
    fixed += ["cmi", "sign_error_mean", "sign_error_p90", "sign_error_max", "spearman", "r2"]
    with_interval = ("tau", "psi")
    further = [name for name in scores.estimate if name not in (*fixed, "n")]
    rows = []
    for place, name in enumerate(panel.names):
        n = int(scores.estimate["n"][place])
        direction = next(sign for sign, value in SIGNS.items() if value == panel.signs[place])
        row: dict[str, Any] = {
            "measure": name, "direction": direction, "n": n, "coverage": n / considered,
        }  # fmt: skip
        for column in fixed:
            row[column] = number(scores.estimate, column, place)
            if column in with_interval:
                row[f"{column}_low"] = number(scores.low, column, place)
                row[f"{column}_high"] = number(scores.high, column, place)
        row["rank_low"], row["rank_high"] = ranks.get(place, (None, None))
        row["cost_seconds"] = float((costs or {}).get(name, float("nan")))
        row["family"] = (families or {}).get(name, "")
        row["status"], row["reason"] = _status(panel, place, row, held_out)
        for column in further:
            row[column] = number(scores.estimate, column, place)
        for column in scores.low:
            if column not in with_interval:
                row[f"{column}_low"] = number(scores.low, column, place)
                row[f"{column}_high"] = number(scores.high, column, place)
        for column, words in scores.words.items():
            row[column] = words[place]
        rows.append(row)
    return rows


def _status(panel: Panel, place: int, row: Mapping[str, Any], held_out: frozenset[str]) -> tuple[str, str]:
    values = panel.values[panel.known(place), place]
    if len(values) < 2:
        return "missing", f"{len(values)} fits have a value"
    if (values == values[0]).all():
        return "constant", f"the same value, {values[0]:g}, on every fit"
    if row["coverage"] < FEW:
        return "partial", f"no value on {1 - row['coverage']:.1%} of the fits"
    if row["measure"] in held_out:
        return "held-out", "uses data held out from training; ranked apart"
    return "ok", ""


def _table_notes(study: Study, directions: Mapping[str, str] | None) -> list[str]:
    notes = []
    if study.guessed_axes:
        notes.append(f"Axes were not named; taken from the columns: {', '.join(study.levels) or 'none'}.")
    if study.design.skipped:
        notes.append(f"Axes with a single value, left out: {', '.join(study.design.skipped)}.")
    if not study.design.names:
        notes.append("No axis has two levels: granulated tau does not exist.")
    unknown = sorted(set(directions or {}) - set(study.measures))
    if unknown:
        notes.append(f"Directions given for measures that are not ranked: {', '.join(unknown)}.")
    return notes


def _result_notes(
    study: Study, considered: Study, rows: list[dict[str, Any]], band: Mapping[str, tuple[float, float]]
) -> list[str]:
    notes = []
    if considered.n > study.n:
        notes.append(f"{considered.n - study.n} of {considered.n} fits have no {study.target_name}; left out.")
    if study.converged is not None and not study.converged.all():
        notes.append(f"{int((~study.converged).sum())} of the {study.n} fits ranked did not converge.")
    empty = [name for name in study.design.names if np.isnan(rows[0].get(f"psi_{name}", 0.0))]
    if empty:
        notes.append(f"Axes on which no two fits differ alone: {', '.join(empty)}.")
    control = next(row for row in rows[len(study.measures) :] if row["measure"] == "random")
    for name, (low, high) in band.items():
        if not low <= control[name] <= high:
            notes.append(
                f"The control 'random' has {name} {control[name]:.3f}, outside the band of random draws "
                f"[{low:.3f}, {high:.3f}], as one draw in twenty does."
            )
    flagged = sorted(row["measure"] for row in rows[: len(study.measures)] if row["coverage"] < FEW)
    if flagged:
        notes.append(f"Measures without a value on more than 5 % of the fits: {', '.join(flagged)}.")
    return notes
