"""Rows of a board, and the sentences below it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from genbench.ranking.design import Design
from genbench.ranking.ordering import Standing
from genbench.ranking.panel import Panel, Scores
from genbench.ranking.resampling import USUAL_DRAWS
from genbench.ranking.table import Study

__all__ = ["OWN_COLUMNS", "board_rows", "draws_notes", "result_notes", "table_notes"]

FEW = 0.95
"""Coverage below which a measure is flagged."""

MANY_TIES = 0.02
"""Share of pairs that tie in the target from which on a note says so."""

FEW_CONFIGURATIONS = 20
"""Below this many the intervals held the truth in 85 to 92 % of simulated tables."""

FEW_SEEDS = 3
"""Below this many a note says that seeds are few."""

MANY_NAMES = 12
"""As many names stand in a note; those left out stand in the columns."""

WITH_INTERVAL = ("tau", "psi")
"""Columns whose interval stands beside them; those of the others follow behind the fixed keys."""

WORDS = {1: "+", -1: "-", 0: "?"}

OWN_COLUMNS = frozenset(
    {
        "measure", "direction", "n", "coverage", "rank_low", "rank_high", "cost_seconds", "family",
        "held_out", "status", "reason", "expected", "p_best", "p_top5", "control",
    }
)  # fmt: skip
"""What a row says beside statistics, and no statistic from elsewhere can be called."""


def board_rows(
    panel: Panel,
    scores: Scores,
    places: Standing,
    considered: int,
    families: Mapping[str, str] | None = None,
    costs: Mapping[str, float] | None = None,
    held_out: Collection[str] = (),
) -> list[dict[str, Any]]:
    """One dict per column of the panel, all with the same keys in the same order.

    Parameters
    ----------
    panel, scores
    places : Standing
        Intervals of ranks, and what to expect on a rerun.
    considered : int
        Number of fits that a full coverage would have.
    families, costs : mappings, optional
        Measure to family and to seconds.
    held_out : names, optional
        Measures that use data held out from training, which are ranked apart.
    """
    fixed = ["tau", "tau_b", "psi", *(f"psi_{axis}" for axis in panel.design.names)]
    fixed += ["cmi", "sign_error_mean", "sign_error_p90", "sign_error_max", "spearman", "r2"]
    errors = {column: known.standard_error for column, known in scores.uncertainty.items()}
    further = [name for name in scores.estimate if name not in (*fixed, "n")]
    rows = []
    for place, name in enumerate(panel.names):
        n = int(scores.estimate["n"][place])
        row: dict[str, Any] = {
            "measure": name,
            "direction": WORDS[int(panel.signs[place])],
            "n": n,
            "coverage": n / considered,
        }
        for column in fixed:
            row[column] = _number(scores.estimate, column, place)
            if column in WITH_INTERVAL:
                row |= _interval(scores, column, place)
        row["rank_low"], row["rank_high"] = places.ranks.get(place, (None, None))
        row["cost_seconds"] = float((costs or {}).get(name, float("nan")))
        row["family"] = (families or {}).get(name, "")
        row["held_out"] = name in held_out
        row["status"], row["reason"] = _status(panel, place, row["coverage"], held_out)
        for column in further:
            row[column] = _number(scores.estimate, column, place)
        for column in scores.low:
            if column not in WITH_INTERVAL:
                row |= _interval(scores, column, place)
        for column in scores.uncertainty:
            row[f"{column}_se"] = float(errors[column][place])
        expected, best, among_best = places.reruns.get(place, [float("nan")] * 3)
        row |= {"expected": expected + 0.0, "p_best": best, "p_top5": among_best}
        for column, words in scores.words.items():
            row[column] = words[place]
        rows.append(row)
    return rows


def _number(columns: Mapping[str, np.ndarray], name: str, place: int) -> float:
    return float(columns[name][place]) + 0.0 if name in columns else float("nan")  # + 0.0: no minus zero


def _interval(scores: Scores, column: str, place: int) -> dict[str, float]:
    return {
        f"{column}_low": _number(scores.low, column, place),
        f"{column}_high": _number(scores.high, column, place),
    }


def _status(panel: Panel, place: int, coverage: float, held_out: Collection[str]) -> tuple[str, str]:
    values = panel.values[panel.known(place), place]
    if len(values) < 2:
        return "missing", f"{len(values)} fits have a value"
    if (values == values[0]).all():
        return "constant", f"the same value, {values[0]:g}, on every fit"
    if coverage < FEW:
        return "partial", f"no value on {1 - coverage:.1%} of the fits"
    if panel.names[place] in held_out:
        return "held-out", "uses data held out from training; ranked apart"
    return "ok", ""


def table_notes(
    study: Study, directions: Mapping[str, str] | None, known: Collection[str] = (), undirected: str = "+"
) -> list[str]:
    """What the table itself makes worth saying.

    Parameters
    ----------
    study : Study
    directions : mapping, optional
        As they were given.
    known : names
        Measures whose directions come with the table.
    undirected : str
        The direction of the others.
    """
    notes = list(study.remarks)
    if study.guessed_axes:
        notes.append(f"Axes were not named; taken from the columns: {', '.join(study.levels) or 'none'}.")
    if study.design.skipped:
        notes.append(f"Axes with a single value, left out: {', '.join(study.design.skipped)}.")
    if not study.design.names:
        notes.append("No axis has two values: granulated tau does not exist.")
    assumed = [name for name in study.measures if name not in (directions or {}) and name not in known]
    if assumed and undirected == "?":
        notes.append(f"No direction given, so no rank, ordered by the size of the score: {_listed(assumed)}.")
    elif assumed:
        notes.append(f"No direction given, {undirected} assumed: {_listed(assumed)}.")
    unknown = sorted(set(directions or {}) - set(study.measures))
    if unknown:
        notes.append(f"Directions given for measures that are not ranked: {_listed(unknown)}.")
    return notes


def result_notes(
    study: Study,
    considered: int,
    rows: list[dict[str, Any]],
    controls: list[dict[str, Any]],
    band: Mapping[str, tuple[float, float]],
    interval: str | None,
) -> list[str]:
    """What the results make worth saying: what was left out, a control out of line, few values.

    `interval` is what the intervals are of, None without any.
    """
    notes = [] if interval is None else _interval_notes(study.design, interval)
    if considered > study.n:
        notes.append(f"{considered - study.n} of {considered} fits have no {study.target_name}; left out.")
    if study.converged is not None and not study.converged.all():
        notes.append(f"{int((~study.converged).sum())} of the {study.n} fits ranked did not converge.")
    fullest = max([*controls, *rows], key=lambda row: row["n"])
    empty = [axis for axis in study.design.names if fullest.get(f"groups_{axis}") == 0.0]
    if empty:
        notes.append(f"Axes on which no two fits differ alone: {', '.join(empty)}.")
    ties = fullest.get("ties_target", 0.0)
    if ties > MANY_TIES:
        notes.append(f"{ties:.1%} of the pairs tie in {study.target_name}; no measure can order them.")
    if interval == "configurations" and study.design.n_configurations < FEW_CONFIGURATIONS:
        notes.append(
            f"Only {study.design.n_configurations} configurations: "
            "intervals hold the truth less often than in 95 % of tables."
        )
    for random in (row for row in controls if row["measure"] == "random"):  # none where it is ranked
        for name, (low, high) in band.items():
            if not low <= random[name] <= high:
                notes.append(
                    f"The control 'random' has {name} {random[name]:.3f}, outside the band of random draws "
                    f"[{low:.3f}, {high:.3f}], as one draw in twenty does."
                )
    proxies = [f"{row['measure']} ({row['tracks']})" for row in rows if row.get("tracks")]
    if proxies and study.design.n_configurations >= FEW_CONFIGURATIONS:
        notes.append(f"Mostly track one axis, which explains most of their ranks: {_listed(proxies)}.")
    apart = sorted(row["measure"] for row in rows if row["held_out"])
    if apart:
        notes.append(f"Ranked apart, for they use data held out from training: {_listed(apart)}.")
    flagged = sorted(row["measure"] for row in rows if row["coverage"] < FEW)
    if flagged:
        notes.append(f"Measures without a value on more than 5 % of the fits: {_listed(flagged)}.")
    return notes


def draws_notes(draws: int, fits: int) -> list[str]:
    """What a table says whose intervals come from fewer draws than usual."""
    return [f"Intervals are from {draws} draws, with {fits} fits."] if draws < USUAL_DRAWS else []


def _interval_notes(design: Design, interval: str) -> list[str]:
    """What intervals are of, where it is not all that a reader would expect."""
    fits = np.bincount(design.configuration)
    if fits.max() < 2:
        return [
            "One seed: intervals say what other configurations would change; what a seed does to all "
            "configurations alike, which is often more, they cannot know. Train two seeds or more."
        ]
    notes = []
    if fits.min() < fits.max():
        single = int((fits == 1).sum())
        alone = f"; {single} of {len(fits)} configurations have one alone" if single else ""
        notes.append(f"Configurations have {fits.min()} to {fits.max()} fits{alone}.")
    if interval == "retraining" and fits.max() < FEW_SEEDS:
        notes.append(
            f"{fits.max()} seeds say little about how much a seed does to all configurations alike; "
            "that is judged from all measures together, and intervals are as wide as it leaves them."
        )
    return notes


def _listed(names: Sequence[str]) -> str:
    """The names, where they are many the first of them and how many follow: columns of the table have all."""
    if len(names) <= MANY_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:MANY_NAMES])} and {len(names) - MANY_NAMES} others"
