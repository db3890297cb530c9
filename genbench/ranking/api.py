"""The front end: from a table to a board."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.ranking.board import Board
from genbench.ranking.controls import axes_model, ceilings, control_columns, null_draws
from genbench.ranking.design import Design
from genbench.ranking.errors import NoDirection, RankingError, nearest
from genbench.ranking.from_elsewhere import OrientedStatistic, Statistic
from genbench.ranking.ordering import standing
from genbench.ranking.panel import Panel, Scores
from genbench.ranking.resampling import INTERVALS, resampling, usual_draws
from genbench.ranking.rows import board_rows, draws_notes, result_notes, table_notes
from genbench.ranking.scoring import choose_statistics, score
from genbench.ranking.statistics import Filler
from genbench.ranking.table import Study, read_table, survivors
from genbench.ranking.targets import LOSSES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rank"]

MOST_SEED = 1 << 60
SIGNS = {"+": 1, "-": -1, "?": 0}
WORST_ORACLE = "oracle_0.02"
"""The oracle whose worst environment stands beside that of every measure."""


def rank(
    table: pd.DataFrame,
    measures: str | Iterable[str] | None = None,
    target: str = "gap",
    axes: str | Iterable[str] | None = None,
    seed_column: str | None = "seed",
    directions: Mapping[str, str] | None = None,
    statistics: str | Iterable[str | Statistic | OrientedStatistic] | None = None,
    bootstrap: int | None = None,
    test_size: float | str | None = None,
    converged: str | Any = None,
    rank_by: str = "psi",
    families: Mapping[str, str] | None = None,
    costs: Mapping[str, float] | None = None,
    seed: int = 0,
    held_out: Collection[str] = (),
    interval: str | None = None,
    undirected: str | None = "+",
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
    statistics : names, functions and OrientedStatistic, optional
        Which to compute, see `genbench.ranking.scoring.choose_statistics`; columns of the others are NaN.
    bootstrap : int, optional
        Draws that intervals are computed from; 0 for no intervals. Where left out 1,000, and beyond 2,000
        fits fewer, `genbench.ranking.resampling.usual_draws`. For what is dear, the information, the
        sign-errors and statistics from elsewhere, at most 200, and fewer beyond 1,000 fits. Notes say where
        there are fewer.
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
    interval : str, optional
        What intervals, ranks and pairs told apart are of. ``retraining``: the same grid, trained again with
        new seeds; seeds are a sampled factor, crossed with configurations. ``configurations``: other
        configurations, drawn like these, and new seeds. Default: retraining, and with one seed, which cannot
        tell, configurations.
    undirected : str, optional
        What measures without a direction are taken for: ``+``, ``-`` or ``?``, and a note says so; None
        refuses them.

    What comes with the table in ``table.attrs`` counts where nothing else is given: see
    `genbench.ranking.sidecar`.

    Returns
    -------
    Board

    Raises
    ------
    RankingError
        With one line that says what to change; `NoDirection` where measures without one are refused.
    """
    from genbench.ranking.jit import one_thread_each

    _check_draws(bootstrap)
    _check_seed(seed)
    _check_interval(interval)
    chosen = choose_statistics(statistics)
    of_table: Mapping[str, Any] = getattr(table, "attrs", {})
    carried = of_table.get("directions", {})
    known = {**carried, **(directions or {})}
    families = {**of_table.get("families", {}), **(families or {})}
    costs = {**of_table.get("costs", {}), **(costs or {})}
    held_out = held_out or of_table.get("held_out", ())
    test_size = of_table.get("test_size") if test_size is None else test_size
    whole = read_table(table, measures, target, axes, seed_column, test_size, converged, known)
    signs = _signs(whole.measures, known, undirected)
    considered = whole if converged is None or whole.converged is None else whole.take(whole.converged)
    study = considered.take(~np.isnan(considered.target))
    _check_left(study, considered, converged is not None)
    count = len(study.measures)
    interval = _interval(study.design, interval)
    draws = usual_draws(study.n) if bootstrap is None else int(bootstrap)
    with one_thread_each():
        model = axes_model(study)
        controls = control_columns(study, model, seed)
        panel = Panel(
            names=(*study.measures, *controls),
            values=np.column_stack([study.values, *controls.values()]),
            signs=np.concatenate([signs, np.ones(len(controls), dtype=int)]),
            target=study.target,
            design=study.design,
            test_size=None if study.target_name in LOSSES else study.test_size,
            axes_model=model,
        )
        pooled = np.arange(len(panel.names)) < count
        scores = score(
            panel,
            chosen,
            resampling(study.design, interval, draws, seed, study.has_seed, pooled),
        )
        _beside_oracle(panel, scores)
        if considered is not whole:
            _beside_all_fits(whole, scores, chosen, len(controls))
        null = null_draws(study, tuple(chosen), seed)
        ceiling = ceilings(study, tuple(chosen), seed)
    if rank_by not in scores.estimate:
        raise RankingError(
            f"cannot rank by '{rank_by}', which is no column of the statistics computed "
            f"({', '.join(chosen)}){nearest(rank_by, scores.estimate)}"
        )
    _probability_at_random(scores, null)
    places = standing(panel, scores, rank_by, count, held_out, seed)
    rows = board_rows(panel, scores, places, considered.n, families, costs, held_out)
    band = {name: _band(draws) for name, draws in null.items()}
    notes = [
        *table_notes(whole, directions, carried, undirected or "+"),
        *result_notes(study, considered.n, rows[:count], rows[count:], band, interval if draws else None),
        *([] if bootstrap is not None else draws_notes(draws, study.n)),
        *scores.notes,
    ]
    return Board(
        rows=[rows[place] for place in places.order],
        controls=rows[count:],
        target=target,
        rank_by=rank_by,
        axes=_axes(study, scores),
        summary={
            "fits": whole.n,
            "ranked": study.n,
            "configurations": study.design.n_configurations,
            "seeds": len(np.unique(study.design.seed)) if study.has_seed else None,
            "converged_only": considered is not whole,
            "bootstrap": draws,
            "interval": interval if draws else None,
            "null_draws": {name: len(draws) for name, draws in null.items()},
            "seed": seed,
            "pairs": places.pairs,
        },
        null_band=band,
        ceiling=ceiling,
        survivors=survivors(whole),
        notes=notes,
        uncertainty=scores.uncertainty.get(rank_by),
        columns=panel.names,
        bounds=scores.bounds[rank_by],
        better=scores.better,
    )


def _axes(study: Study, scores: Scores) -> dict[str, dict[str, int]]:
    axes = {}
    for axis, name in enumerate(study.design.names):
        groups = scores.estimate.get(f"groups_{name}", np.zeros(1))
        axes[name] = {"levels": len(np.unique(study.design.codes[:, axis])), "groups": int(groups.max())}
    return axes


def _signs(measures: tuple[str, ...], given: Mapping[str, str], undirected: str | None) -> np.ndarray:
    bad = sorted(f"'{name}': {sign!r}" for name, sign in given.items() if sign not in SIGNS)
    if undirected not in (None, *SIGNS):
        bad.append(f"{undirected!r} for the others")
    if bad:
        raise RankingError(f"a direction is '+', '-' or '?', not {', '.join(bad)}")
    without = [name for name in measures if name not in given]
    if without and undirected is None:
        raise NoDirection(without)
    return np.array([SIGNS[given.get(name, undirected or "+")] for name in measures], dtype=int)


def _check_draws(bootstrap: int | None) -> None:
    if bootstrap is None:
        return
    if isinstance(bootstrap, bool) or not isinstance(bootstrap, int | np.integer) or bootstrap < 0:
        raise RankingError(f"bootstrap must be a number of replicates from 0, not {bootstrap!r}")


def _check_seed(seed: int) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < MOST_SEED:
        raise RankingError(f"seed must be a whole number from 0 and below 2**60, not {seed!r}")


def _check_interval(interval: str | None) -> None:
    if interval is not None and interval not in INTERVALS:
        raise RankingError(
            f"interval is {' or '.join(repr(each) for each in INTERVALS)}, not {interval!r}"
            f"{nearest(str(interval), INTERVALS)}"
        )


def _interval(design: Design, interval: str | None) -> str:
    """The interval asked for, else the first that the fits can tell."""
    if design.n > design.n_configurations:
        return interval or "retraining"
    if interval == "retraining":
        raise RankingError(
            "intervals over retraining need two seeds or more, and every configuration has one fit; "
            "train more seeds, or ask for intervals over configurations"
        )
    return "configurations"


def _check_left(study: Study, considered: Study, converged_only: bool) -> None:
    if study.n < 2:
        fits = "only 1 fit" if study.n else "no fit"
        why = "converged and has" if converged_only else "has"
        raise RankingError(f"{fits} {why} a target '{study.target_name}'; a ranking needs two")
    if (study.target == study.target[0]).all():
        raise RankingError(
            f"target '{study.target_name}' is {study.target[0]:g} for all {study.n} fits that are left"
        )


def _beside_oracle(panel: Panel, scores: Scores) -> None:
    """The worst environment of an oracle beside every measure's; no gain for the axes' own prediction."""
    if "sign_error_max" in scores.estimate:
        worst = scores.estimate["sign_error_max"][panel.names.index(WORST_ORACLE)]
        scores.add("sign_error_max_oracle", np.full(len(panel.names), worst))
    if "hyperparameters" in panel.names:
        for name in ("gain", "partial_tau", "axes_explain"):  # it would add nothing but its own noise
            scores.blank(name, panel.names.index("hyperparameters"))


def _beside_all_fits(whole: Study, scores: Scores, chosen: Mapping[str, Filler], controls: int) -> None:
    """tau and Ψ over all fits, beside those of the converged ones; the controls have none."""
    study = whole.take(~np.isnan(whole.target))
    panel = Panel(study.measures, study.values, np.ones(len(study.measures)), study.target, study.design)
    wanted = {name: chosen[name] for name in ("tau", "psi") if name in chosen}
    found = score(panel, wanted, resampling(study.design, INTERVALS[0], 0))
    for name in wanted:
        scores.add(f"{name}_all", np.append(found.estimate[name], np.full(controls, np.nan)))


def _probability_at_random(scores: Scores, null: Mapping[str, np.ndarray]) -> None:
    """Share of random measures at least as far from 0, the measure itself counted among them."""
    for name, draws in null.items():
        size = np.sort(np.abs(draws))
        estimate = np.abs(scores.estimate[name])
        further = len(size) - np.searchsorted(size, estimate - 1e-12)
        scores.add(f"{name}_p_random", np.where(np.isnan(estimate), np.nan, (1 + further) / (1 + len(size))))


def _band(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)
