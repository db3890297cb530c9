"""One answer across suites: what a measure scores on average over them, and how much that differs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from genbench.ranking.board import Board, markdown_table, rank_text, strict
from genbench.ranking.errors import RankingError
from genbench.ranking.ordering import orientation
from genbench.ranking.random_effects import Summary, summarize
from genbench.ranking.rank_ranges import rank_bounds

__all__ = ["Across", "of_same_data", "rank_across"]

PREDICTOR = "hyperparameters"
"""The control that every measure should beat: it knows the settings of the grid and no network."""


@dataclass(frozen=True)
class Across:
    """Measures over several suites, the best on average first.

    Parameters
    ----------
    suites : tuple of str
    weighed_as_one : list of lists of str
        Suites whose mean counts as one, because they use the same data.
    rows : list of dict
        One per measure: ``measure``; ``mean``, the random-effects summary of its oriented scores, with
        ``mean_low``, ``mean_high`` and ``between``, the standard deviation of its true scores between
        suites; ``rank_low`` and ``rank_high``, None for a measure that a suite lacks; ``worst`` and
        ``worst_suite``; ``beats``, in how many of the ``suites`` that have it its score is above that of
        the `hyperparameters` predictor; ``scores``, by suite, None where it is missing, and ``missing``,
        the suites without it.
    pairs : dict
        Of the measures with ranks: ``all``, and ``apart``, how many are told apart over the suites.
    target, rank_by : str
    notes : list of str
    """

    suites: tuple[str, ...]
    weighed_as_one: list[list[str]]
    rows: list[dict[str, Any]]
    pairs: dict[str, int]
    target: str
    rank_by: str
    notes: list[str]

    def to_json(self) -> str:
        """Strict JSON."""
        content = {
            "target": self.target,
            "rank_by": self.rank_by,
            "suites": self.suites,
            "weighed_as_one": self.weighed_as_one,
            "pairs": self.pairs,
            "rows": self.rows,
            "notes": self.notes,
        }
        return json.dumps(strict(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """One line per measure, a column for the score in each suite."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*COLUMNS, *self.suites])
        for row in self.rows:
            cells = [*(row[name] for name in COLUMNS), *row["scores"].values()]
            writer.writerow(["" if _absent(cell) else cell for cell in cells])
        return text.getvalue()

    def to_markdown(self) -> str:
        """A table to read, then the notes."""
        notes = "".join(f"\n- {note}" for note in self.notes)
        return markdown_table(*self.printed()) + notes + ("\n" if notes else "")

    def printed(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of a table to read."""
        header = ["measure", "rank", "mean", "95 %", "between", "worst", "beats", *self.suites]
        return header, [self._cells(row) for row in self.rows]

    def _cells(self, row: Mapping[str, Any]) -> list[str]:
        interval = "" if _absent(row["mean_low"]) else f"[{row['mean_low']:+.2f}, {row['mean_high']:+.2f}]"
        return [
            row["measure"],
            rank_text({**row, "held_out": False}),
            _signed(row["mean"]),
            interval,
            "" if _absent(row["between"]) else f"{row['between']:.2f}",
            f"{_signed(row['worst'])} ({row['worst_suite']})",
            f"{row['beats']} of {row['suites']}",
            *("missing" if each is None else _signed(each) for each in row["scores"].values()),
        ]


COLUMNS = (
    "measure", "rank_low", "rank_high", "mean", "mean_low", "mean_high", "between", "worst", "worst_suite",
    "beats", "suites",
)  # fmt: skip


def rank_across(boards: Mapping[str, Board], same_data: Sequence[Sequence[str]] = ()) -> Across:
    """Summarize the rankings of several suites by one target and one statistic.

    The score of a measure in a suite is an estimate of its true score there, and true scores differ between
    suites: its mean is the random-effects summary of `genbench.ranking.random_effects`, which suites enter as
    equals but for their noise. One measure is ahead of another where the interval of the mean of their
    differences, suite by suite, excludes 0. The worst suite is the robust view of Dziugaite et al. 2020.

    Parameters
    ----------
    boards : mapping
        Name of the suite to its board, two or more.
    same_data : sequences of names
        Suites that are weighed as one: the mean of their scores counts once.

    Raises
    ------
    RankingError
        For a single board, for boards of different targets or statistics.
    """
    suites = tuple(boards)
    if len(suites) < 2:
        raise RankingError("a summary across suites needs two of them or more")
    first = boards[suites[0]]
    for name, board in boards.items():
        if (board.target, board.rank_by) != (first.target, first.rank_by):
            raise RankingError(
                f"'{name}' is ranked by {board.rank_by} of {board.target}, '{suites[0]}' by {first.rank_by} "
                f"of {first.target}; give all the same"
            )
    units = _units(suites, same_data)
    names = sorted({row["measure"] for board in boards.values() for row in board.ranked()})
    scores = np.full((len(suites), len(names)), np.nan)
    variances = np.full((len(suites), len(names), len(names)), np.nan)
    own = np.full(scores.shape, np.nan)
    for place, board in enumerate(boards.values()):
        _fill(board, names, scores[place], own[place], variances[place])
    means = _within(summarize(*_merged(scores, own, units)), first.bounds)
    complete = np.flatnonzero(~np.isnan(scores).any(axis=0))
    better = _better(scores[:, complete], variances[:, complete][:, :, complete], units)
    bounds = zip(complete, *rank_bounds(better), strict=True)
    ranks = {int(place): (int(low), int(high)) for place, low, high in bounds}
    rows = [_row(names, place, boards, scores, means, ranks) for place in range(len(names))]
    rows.sort(key=lambda row: (row["rank_low"] is None, -row["mean"], row["measure"]))
    count = len(complete)
    return Across(
        suites,
        [[suites[place] for place in unit] for unit in units if len(unit) > 1],
        rows,
        {"all": count * (count - 1) // 2, "apart": int(better.sum())},
        first.target,
        first.rank_by,
        _notes(boards, rows, units),
    )


def of_same_data(data: Mapping[str, Any]) -> list[list[str]]:
    """The suites that use the same data, where they are several but not all.

    Suites that are all of one data set would weigh as one suite, of which there is no summary.

    Parameters
    ----------
    data : mapping
        Suite to what tells data sets apart; empty where it is not known.
    """
    groups: dict[Any, list[str]] = {}
    for name, each in data.items():
        if each:
            groups.setdefault(each, []).append(name)
    return [group for group in groups.values() if 1 < len(group) < len(data)]


def _units(suites: Sequence[str], same_data: Sequence[Sequence[str]]) -> list[list[int]]:
    """Positions of the suites, those of the same data together."""
    unknown = sorted({name for group in same_data for name in group} - set(suites))
    if unknown:
        raise RankingError(f"no suite '{unknown[0]}' among those ranked ({', '.join(suites)})")
    units = [[suites.index(name) for name in group] for group in same_data]
    together = {place for unit in units for place in unit}
    return sorted([*units, *([place] for place in range(len(suites)) if place not in together)])


def _fill(board: Board, names: list[str], scores: np.ndarray, own: np.ndarray, variances: np.ndarray) -> None:
    """Oriented scores of one board, their variances and those of their differences, by the common names."""
    places = np.array([names.index(row["measure"]) for row in board.ranked()], dtype=np.int64)
    scores[places], uncertainty = board.oriented(board.rank_by)
    among = np.ix_(places, places)
    if uncertainty is None:
        own[places], variances[among] = 0.0, 0.0
    else:
        own[places], variances[among] = uncertainty.variance, uncertainty.differences()[0]


def _merged(
    scores: np.ndarray, variances: np.ndarray, units: list[list[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Suites of one unit replaced by their mean, those without a value left out."""
    merged = []
    for unit in units:
        known = ~np.isnan(scores[unit])
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, scores[unit], 0.0).sum(axis=0) / count
        spread = np.where(known, variances[unit], 0.0).sum(axis=0) / count**2
        absent = ~known.any(axis=0)
        merged.append([np.where(absent, np.nan, mean), np.where(absent, np.nan, spread)])
    found: np.ndarray = np.array(merged)
    return found[:, 0], found[:, 1]


def _within(means: Summary, bounds: tuple[float, float]) -> Summary:
    """Intervals cut at the statistic's bounds: where scores are turned, these are symmetric or none."""
    low, high = bounds
    return replace(means, low=np.maximum(means.low, low), high=np.minimum(means.high, high))


def _better(scores: np.ndarray, variances: np.ndarray, units: list[list[int]]) -> np.ndarray:
    differences = scores[:, :, None] - scores[:, None, :]
    found = summarize(*_merged(differences, variances, units))
    return (found.mean > 0) & (found.low > 0)


def _row(
    names: list[str],
    place: int,
    boards: Mapping[str, Board],
    scores: np.ndarray,
    means: Summary,
    ranks: Mapping[int, tuple[int, int]],
) -> dict[str, Any]:
    here = scores[:, place]
    known = np.flatnonzero(~np.isnan(here))
    worst = int(known[here[known].argmin()])
    suites = list(boards)
    predicted = [_control(boards[suites[each]]) for each in known]
    low, high = ranks.get(place, (None, None))
    return {
        "measure": names[place],
        "rank_low": low,
        "rank_high": high,
        "mean": float(means.mean[place]),
        "mean_low": float(means.low[place]),
        "mean_high": float(means.high[place]),
        "between": float(means.between[place]),
        "worst": float(here[worst]),
        "worst_suite": suites[worst],
        "beats": sum(bool(here[each] > other) for each, other in zip(known, predicted, strict=True)),
        "suites": len(known),
        "scores": {
            name: None if each != each else float(each) for name, each in zip(suites, here, strict=True)
        },
        "missing": [name for name, each in zip(suites, here, strict=True) if np.isnan(each)],
    }


def _control(board: Board) -> float:
    row = next((each for each in board.controls if each["measure"] == PREDICTOR), None)
    return math.nan if row is None else orientation(board.rank_by, "+", board.better) * row[board.rank_by]


def _notes(boards: Mapping[str, Board], rows: list[dict[str, Any]], units: list[list[int]]) -> list[str]:
    suites = list(boards)
    notes = [
        f"Of the same data, weighed as one: {', '.join(suites[place] for place in unit)}."
        for unit in units
        if len(unit) > 1
    ]
    missing = [row["measure"] for row in rows if row["missing"]]
    if missing:
        notes.append(
            f"Without a rank, for a suite lacks {'it' if len(missing) == 1 else 'them'}: "
            f"{len(missing)} {'measure' if len(missing) == 1 else 'measures'}."
        )
    without = [name for name, board in boards.items() if board.uncertainty is None]
    if without:
        notes.append(f"Scores without uncertainty are taken for exact: {', '.join(without)}.")
    if len(units) == 2:
        notes.append("Two suites say little about how scores differ between suites; intervals are wide.")
    return notes


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _signed(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:+.3f}"
