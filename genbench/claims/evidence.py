"""What a run knows for claims: columns of numbers and the place of each fit on every axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.base.outcomes import COLUMNS, GAPS
from genbench.base.values import StopReason
from genbench.planning.axes import ABSENT, axis_named
from genbench.planning.claims.claim import HISTORY_COLUMNS, RECIPROCAL
from genbench.planning.plan import Trial

if TYPE_CHECKING:
    from genbench.runs.results import RunTable

__all__ = ["BEST", "Evidence", "history_columns", "read_evidence"]

BEST = {"test_error": "best_test_error", "test_loss": "best_test_loss"}
"""The number that a paper would have which chose the epoch by looking at the test set."""


@dataclass(frozen=True)
class Evidence:
    """The fits of a run.

    Attributes
    ----------
    columns : dict from name to (n,) array
        NaN where a fit has no value.
    coordinates : dict from axis to sequence of n levels
        All settings, also those that never change.
    axes : tuple of str
        Those that change.
    seeds : (n,) array
    diverged : (n,) array of bool
        Fits whose training diverged: they have no value in any column.
    spelled : callable
        From a word to the column that it means: a measure may have aliases.
    """

    columns: Mapping[str, np.ndarray]
    coordinates: Mapping[str, Sequence[Any]]
    axes: tuple[str, ...]
    seeds: np.ndarray
    diverged: np.ndarray
    spelled: Callable[[str], str] = str

    def axis(self, word: str) -> str:
        """The axis, or the setting, that a word means; see `genbench.planning.axes.axis_named`."""
        return axis_named(word, self.axes) if _knows(word, self.axes) else axis_named(word, self.coordinates)

    def numbers(self, word: str) -> np.ndarray | None:
        """A column, its reciprocal, or the numeric levels of an axis; None where there is neither."""
        if word.startswith(RECIPROCAL):
            numbers = self.numbers(word.removeprefix(RECIPROCAL))
            with np.errstate(divide="ignore"):
                return None if numbers is None else 1 / numbers
        word = self.spelled(word)
        if word in self.columns:
            return self.columns[word]
        if not _knows(word, self.coordinates):
            return None
        levels = self.coordinates[self.axis(word)]
        try:
            return np.array([np.nan if each == ABSENT else float(each) for each in levels])
        except ValueError:
            return None

    def chosen(self, filter_: Mapping[str, Any] | None) -> np.ndarray:
        """True for the fits that lie at one of the levels on each axis of the filter."""
        rows = np.ones(len(self.seeds), dtype=bool)
        for word, wanted in (filter_ or {}).items():
            levels = wanted if isinstance(wanted, list) else [wanted]
            rows &= np.array([each in levels for each in self.coordinates[self.axis(word)]], dtype=bool)
        return rows


def _knows(word: str, axes: Iterable[str]) -> bool:
    return word in axes or any(each.rpartition(".")[2] == word for each in axes)


def read_evidence(results: RunTable) -> Evidence:
    """The table of a run and what its fits have of a test history."""
    frame = results.frame
    trials = [Trial.from_dict(each["trial"]) for each in results.records]
    each_one = [trial.coordinates() for trial in trials]
    names = dict.fromkeys(name for each in each_one for name in each)
    columns = {
        name: frame[name].to_numpy(dtype=float)
        for name in (*COLUMNS, *results.measures)
        if name in frame.columns
    }
    for name, (test, train) in GAPS.items():
        columns.setdefault(name, columns[test] - columns[train])
    found = [history_columns(each) for each in results.records]
    if any(found):
        columns |= {
            name: np.array([each.get(name, np.nan) for each in found], dtype=float)
            for name in HISTORY_COLUMNS
        }
    diverged = (frame["stop_reason"] == StopReason.DIVERGED).to_numpy(dtype=bool)
    return Evidence(
        columns={name: np.where(diverged, np.nan, values) for name, values in columns.items()},
        coordinates={name: [each.get(name, ABSENT) for each in each_one] for name in names},
        axes=results.axes,
        seeds=frame["seed"].to_numpy(),
        diverged=diverged,
        spelled=results.column,
    )


def history_columns(record: Mapping[str, Any]) -> dict[str, float]:
    """The columns `HISTORY_COLUMNS` of one fit; empty where no test history was kept.

    The best epoch is the one a reader of the test error would have stopped at: the row of the network as
    initialized does not count.
    """
    history = record.get("test_history")
    if not history:
        return {}
    found = {}
    for kind in ("error", "loss"):
        values = [each for each in history[f"test_{kind}"][1:] if each is not None and np.isfinite(each)]
        last = record.get(f"test_{kind}")
        if values and last is not None:
            found[f"best_test_{kind}"] = min([*values, last])
            found[f"test_{kind}_rise"] = last - found[f"best_test_{kind}"]
    return found
