"""From anybody's table to arrays: every name and cell checked, rows in one canonical order."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.ranking.columns import (
    boolean_column,
    is_index,
    level_column,
    numeric_column,
    same_but_rounding,
)
from genbench.ranking.design import Design, check_axis_names
from genbench.ranking.errors import RankingError, nearest
from genbench.ranking.noise import row_keys
from genbench.ranking.ranks import joint_code
from genbench.ranking.recognition import looks_like_a_result, measure_columns
from genbench.ranking.targets import DERIVED, OUTCOMES, target_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Study", "read_table", "survivors"]

GRID_PREFIXES = ("dataset.", "model.", "protocol.", "regularizers.")
GRID_NAMES = ("dataset", "model", "protocol", "regularizers")
BOOKKEEPING = frozenset({"converged", "test_size", "seed", "key", "status", "stop_reason"})
CONTROLS = ("random", "train_loss", "num_params")
"""Columns that stand among the controls where they are not ranked."""


@dataclass(frozen=True)
class Study:
    """A checked table, as arrays; rows sorted by all that it holds of them, whatever order they came in.

    Parameters
    ----------
    design : Design
    levels : dict
        Levels of every axis, those with a single one included, in the order of their codes.
    measures : tuple of str
        Sorted.
    values : (n, M) array
        NaN where a measure has no value.
    target : (n,) array
        NaN where a fit has none.
    keys : (n,) uint64 array
        Identity of each row, for random draws.
    converged : (n,) bool array or None
    test_size : (n,) array or None
    test_error : (n,) array or None
    extra : dict
        Columns for controls, `CONTROLS`, as far as the table has them.
    guessed_axes : bool
        The axes were not named but taken from what the table's columns look like.
    has_seed : bool
    remarks : tuple of str
        Columns that were not taken for measures, and rows that occur twice.
    """

    design: Design
    levels: Mapping[str, list[Any]]
    codes: Mapping[str, np.ndarray]
    measures: tuple[str, ...]
    values: np.ndarray
    target_name: str
    target: np.ndarray
    keys: np.ndarray
    converged: np.ndarray | None
    test_size: np.ndarray | None
    test_error: np.ndarray | None
    extra: Mapping[str, np.ndarray]
    guessed_axes: bool
    has_seed: bool
    remarks: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """How many rows there are."""
        return len(self.target)

    def take(self, rows: np.ndarray) -> Study:
        """The study of some of the rows, a bool array or positions."""

        def part(column: np.ndarray | None) -> np.ndarray | None:
            return None if column is None else column[rows]

        return replace(
            self,
            design=self.design.take(rows),
            codes={name: column[rows] for name, column in self.codes.items()},
            values=self.values[rows],
            target=self.target[rows],
            keys=self.keys[rows],
            converged=part(self.converged),
            test_size=part(self.test_size),
            test_error=part(self.test_error),
            extra={name: column[rows] for name, column in self.extra.items()},
        )


def read_table(
    table: pd.DataFrame,
    measures: str | Iterable[str] | None = None,
    target: str = "gap",
    axes: str | Iterable[str] | None = None,
    seed_column: str | None = "seed",
    test_size: float | str | None = None,
    converged: str | Any = None,
    known: Collection[str] = (),
) -> Study:
    """Check a table and take from it what a ranking needs.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per fit.
    measures : names, optional
        Default: ``table.attrs["measures"]``, else what `genbench.ranking.recognition` takes for one.
    target : str
        A column, or a difference that the table holds the parts of (`genbench.ranking.targets.DERIVED`).
    axes : names, optional
        Default: ``table.attrs["axes"]``, else columns named like a grid's keys (``model.width``), else, where
        `measures` are named, the other columns that take few values.
    seed_column : str or None
        None, or a missing column ``seed``: repeats of a configuration are not paired.
    test_size : number or column name, optional
    converged : column name or (n,) array of bool, optional
    known : names, optional
        Columns that are measures whatever they look like, see `genbench.ranking.recognition`.

    Raises
    ------
    RankingError
        With one line that says what to change.
    """
    names = _column_names(table)
    if len(table) < 2:
        what = "is empty" if not len(table) else "holds a single fit"
        raise RankingError(f"the table {what}; a ranking compares fits, give it at least two rows")
    goal = target_column(table, target)
    if goal is None:
        raise RankingError(_no_target(target, names))
    if seed_column is not None and seed_column not in names and seed_column != "seed":
        raise RankingError(f"the table has no seed column '{seed_column}'{nearest(seed_column, names)}")
    seed = seed_column if seed_column in names else None
    taken = {
        target,
        seed,
        test_size if isinstance(test_size, str) else None,
        converged if isinstance(converged, str) else None,
    }
    chosen_axes, guessed = _choose_axes(table, names, axes, measures, taken)
    chosen, remarks = _choose_measures(table, names, measures, taken | set(chosen_axes), known, goal)
    values = np.column_stack([numeric_column(table, name) for name in chosen])
    _check_target(goal, target)

    columns = {name: level_column(table[name]) for name in sorted(chosen_axes)}
    codes = {name: found[0] for name, found in columns.items()}
    levels = {name: found[1] for name, found in columns.items()}
    seed_code, seeds = level_column(table[seed]) if seed else (np.zeros(len(table), dtype=np.int64), [0])
    study = Study(
        design=_design(codes, levels, seed_code),
        levels=levels,
        codes=codes,
        measures=chosen,
        values=values,
        target_name=target,
        target=goal,
        keys=np.zeros(len(table), dtype=np.uint64),
        converged=_converged(table, names, converged),
        test_size=_test_size(table, names, test_size),
        test_error=numeric_column(table, "test_error") if "test_error" in names else None,
        extra={name: numeric_column(table, name) for name in CONTROLS if name in names},
        guessed_axes=guessed,
        has_seed=seed is not None,
        remarks=(*remarks, *_rounded_levels(table, levels), *_repeated_rows(table)),
    )
    study = study.take(_canonical_order(study, seed_code))
    return replace(study, keys=_keys(study, seeds))


def _column_names(table: Any) -> list[str]:
    if not hasattr(table, "columns"):
        raise RankingError(f"expected a pandas DataFrame with one row per fit, not {type(table).__name__}")
    names = list(table.columns)
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise RankingError(
            f"the column name {odd[0]!r} is no text; rename it, as with table.columns.map(str)"
        )
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise RankingError(f"duplicated column names: {', '.join(twice)}; rename or drop one of each")
    return names


def _no_target(target: str, names: list[str]) -> str:
    hint = DERIVED.get(target)
    how = f" and no {' and '.join(hint)} to compute it from" if hint else ""
    results = [f"'{name}'" for name in names if looks_like_a_result(name)]
    meant = nearest(target, names) or (f"; results that it has: {', '.join(results)}" if results else "")
    return f"the table has no target column '{target}'{how}{meant}"


def _listed(given: str | Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _check_names(asked: list[str], names: list[str], what: str) -> None:
    unknown = [f"'{name}'{nearest(name, names)}" for name in asked if name not in names]
    if unknown:
        raise RankingError(f"the table has no {what} column {', nor '.join(unknown)}")
    twice = sorted({name for name in asked if asked.count(name) > 1})
    if twice:
        raise RankingError(f"{what} named twice: {', '.join(twice)}; name each once")


def _choose_axes(
    table: pd.DataFrame, names: list[str], axes: Any, measures: Any, taken: set[Any]
) -> tuple[list[str], bool]:
    if axes is None and "axes" in table.attrs:
        axes = list(table.attrs["axes"])
    if axes is not None:
        asked = _listed(axes)
        _check_names(asked, names, "axis")
        return asked, False
    found = [name for name in names if name in GRID_NAMES or str(name).startswith(GRID_PREFIXES)]
    if found:
        return found, False
    if measures is None:
        raise RankingError(
            "cannot tell axes from measures: name the columns of the grid with axes=[...] "
            f"(columns: {', '.join(map(str, names))})"
        )
    rest = set(names) - set(_listed(measures)) - taken - OUTCOMES - BOOKKEEPING
    few = max(2, len(table) // 2)
    rest = {name for name in rest if not is_index(name, table[name])}
    return [name for name in names if name in rest and table[name].map(str).nunique() <= few], True


def _choose_measures(
    table: pd.DataFrame,
    names: list[str],
    measures: Any,
    taken: set[Any],
    known: Collection[str],
    goal: np.ndarray,
) -> tuple[tuple[str, ...], list[str]]:
    """The measures, and a remark where columns were not taken for one unasked."""
    remarks: list[str] = []
    if measures is None:
        told = [name for name in table.attrs.get("measures", ()) if name not in taken]
        # Where the table tells its measures, it tells of all columns that it had when that was written.
        new = names if "measures" not in table.attrs else set(names) - set(table.attrs.get("columns", names))
        left_out = taken | OUTCOMES | BOOKKEEPING
        found, remarks = measure_columns(
            table, [name for name in names if name in new], left_out, known, goal
        )
        measures = [*told, *found]
    asked = _listed(measures)
    if not asked:
        raise RankingError("no measure to rank: name numeric columns with measures=[...]")
    _check_names(asked, names, "measure")
    return tuple(sorted(asked)), remarks


def _rounded_levels(table: pd.DataFrame, axes: Mapping[str, list[Any]]) -> list[str]:
    return [
        f"Levels of '{name}' that differ by rounding only, and count as one: {', '.join(map(repr, group))}."
        for name, levels in axes.items()
        if any(isinstance(level, float) for level in levels)
        for group in same_but_rounding(table[name])
    ]


def _repeated_rows(table: pd.DataFrame) -> list[str]:
    try:
        twice = table.duplicated()
    except TypeError:  # lists and mappings in cells
        twice = table.map(repr).duplicated()
    rows = [str(row) for row, repeats in zip(table.index, twice, strict=True) if repeats]
    if not rows:
        return []
    shown = ", ".join(rows[:3]) + (", ..." if len(rows) > 3 else "")
    return [f"Rows that repeat another in every column, and count again: {len(rows)} ({shown})."]


def _check_target(goal: np.ndarray, target: str) -> None:
    known = goal[~np.isnan(goal)]
    if len(known) < 2:
        raise RankingError(
            f"target '{target}' has {len(known)} values; a ranking needs at least two fits with one"
        )
    if (known == known[0]).all():
        raise RankingError(
            f"target '{target}' is {known[0]:g} for every fit, nothing to predict; choose another target"
        )


def _converged(table: pd.DataFrame, names: list[str], converged: Any) -> np.ndarray | None:
    if converged is None:
        return boolean_column(table["converged"], "converged") if "converged" in names else None
    if isinstance(converged, str):
        if converged not in names:
            raise RankingError(
                f"the table has no column '{converged}' for converged={nearest(converged, names)}"
            )
        return boolean_column(table[converged], converged)
    if np.shape(converged) != (len(table),):
        raise RankingError(
            f"converged must name a column or hold one true or false for each of {len(table)} rows"
        )
    return boolean_column(converged, "converged")


def _test_size(table: pd.DataFrame, names: list[str], test_size: Any) -> np.ndarray | None:
    if test_size is None:
        return None
    if isinstance(test_size, str):
        if test_size not in names:
            raise RankingError(
                f"the table has no column '{test_size}' for test_size={nearest(test_size, names)}"
            )
        sizes = numeric_column(table, test_size)
    elif isinstance(test_size, bool) or not isinstance(test_size, int | float | np.number):
        raise RankingError(f"test_size must be a number of test examples or a column name, not {test_size!r}")
    else:
        sizes = np.full(len(table), float(test_size))
    if not (sizes > 0).all():
        raise RankingError("test_size must be positive for every fit")
    return sizes


def _design(codes: Mapping[str, np.ndarray], levels: Mapping[str, list[Any]], seed: np.ndarray) -> Design:
    names = tuple(name for name in codes if len(levels[name]) > 1)
    check_axis_names(names)
    n = len(seed)
    return Design(
        names=names,
        codes=np.stack([codes[name] for name in names], axis=1)
        if names
        else np.zeros((n, 0), dtype=np.int64),
        configuration=joint_code([codes[name] for name in names], n),
        seed=seed,
        skipped=tuple(name for name in codes if len(levels[name]) < 2),
    )


def _canonical_order(study: Study, seed: np.ndarray) -> np.ndarray:
    """Rows by configuration, seed, target, values, then the rest: no result depends on how they came."""
    keys = [study.design.configuration, seed, study.target, *study.values.T]
    # Rows alike in all these still differ in what is said beside them.
    beside = (study.converged, study.test_size, study.test_error, *study.extra.values())
    keys += [column for column in beside if column is not None]
    order = np.lexsort(keys[::-1])
    return order.astype(np.int64)


def _keys(study: Study, seeds: list[Any]) -> np.ndarray:
    names = list(study.codes)
    labels = [[json.dumps(level) for level in study.levels[name]] for name in names]
    columns = [study.codes[name] for name in names]
    places = zip(*columns, strict=True) if columns else ((),) * study.n
    texts = [
        json.dumps([names, [labels[axis][code] for axis, code in enumerate(row)], seeds[seed]])
        for row, seed in zip(places, study.design.seed, strict=True)
    ]
    return row_keys(texts)


def survivors(study: Study) -> dict[str, dict[str, float]]:
    """Share of converged fits at every level of every axis; empty where the table does not say."""
    if study.converged is None:
        return {}
    shares: dict[str, dict[str, float]] = {}
    for name, codes in study.codes.items():
        count = np.bincount(codes, minlength=len(study.levels[name]))
        kept = np.bincount(codes, weights=study.converged, minlength=len(study.levels[name]))
        shares[name] = {
            str(level): float(kept[code] / count[code])
            for code, level in enumerate(study.levels[name])
            if count[code]
        }
    return shares
