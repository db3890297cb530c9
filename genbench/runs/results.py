"""A run folder read as a table: one row a fit. Needs no plugin and no torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genbench.base.values import Status
from genbench.planning.axes import ABSENT, axis_values
from genbench.planning.plan import Trial
from genbench.runs.store import Folder, StoredFit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MeasureInfo", "RunTable", "read_table", "value_number", "with_costs"]

TARGETS = ("gap", "test_error", "loss_gap")

NORMALIZED_LOSSES = (
    "normalized_train_loss",
    "normalized_test_loss",
    "output_normalized_train_loss",
    "output_normalized_test_loss",
)


@dataclass(frozen=True)
class MeasureInfo:
    """What the records say of a measure.

    Attributes
    ----------
    seconds : float
        Median over the fits of what the measure costs alone.
    statuses : dict
        How many fits have a value of each status.
    aliases : tuple of str
        Other names of the measure, without settings; the column has the first name.
    """

    name: str
    family: str
    direction: str
    cost_class: str
    version: int
    plugin: str
    held_out: bool
    seconds: float
    statuses: Mapping[str, int] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunTable:
    """The results of a run.

    Attributes
    ----------
    frame : DataFrame
        One row a fit: ``key``, ``seed``, a column for each axis, the targets, how training ended, and a
        column for each measure. Sorted by axes and seed, so that two runs of one suite give the same table.
    axes : tuple of str
    measures : dict of MeasureInfo
        By column.
    notes : tuple of str
        What the reader should know: trials without a fit, fits of older versions left out.
    """

    frame: pd.DataFrame
    axes: tuple[str, ...]
    measures: Mapping[str, MeasureInfo]
    notes: tuple[str, ...] = ()

    def column(self, word: str) -> str:
        """The column of the measure that a word means, which may be an alias; another word as it is."""
        if word in self.measures:
            return word
        name, bracket, settings = word.partition("[")
        for column, info in self.measures.items():
            if name in info.aliases and column.partition("[")[1:] == (bracket, settings):
                return column
        return word


def value_number(value: Mapping[str, Any]) -> float:
    """The number in a value's record; NaN where there is none."""
    if value.get("infinite"):
        return math.copysign(math.inf, value["infinite"])
    return math.nan if value["value"] is None else float(value["value"])


def read_table(folder: Folder) -> RunTable:
    """Read all fits and values of a run folder.

    Raises
    ------
    InvalidInput
        This is not a run folder.
    """
    import pandas as pd

    folder.suite_content()
    fits, notes = _current(folder)
    trials = [Trial.from_dict(each.record["trial"]) for each in fits]
    axes = axis_values([each.coordinates() for each in trials])
    values = [dict(folder.measured(each.key).values) for each in fits]
    notes += _without_older_versions(values)
    measures = _describe(values)
    rows = []
    for number, (stored, trial) in enumerate(zip(fits, trials, strict=True)):
        row = {"key": stored.key, "seed": trial.seed}
        row |= {axis: levels[number] for axis, levels in axes.items()}
        row |= _outcome(stored.record)
        row |= {
            name: value_number(values[number][name]) if name in values[number] else math.nan
            for name in measures
            if name not in row  # the training loss and error are recorded with the fit, and the same numbers
        }
        rows.append(row)
    rows.sort(key=lambda row: [_sortable(row[axis]) for axis in (*axes, "seed", "key")])
    columns = ["key", "seed", *axes, *_outcome({}), *(m for m in measures if m not in _outcome({}))]
    return RunTable(pd.DataFrame(rows, columns=columns), tuple(axes), measures, tuple(notes))


def with_costs(folder: Folder, results: RunTable) -> pd.DataFrame:
    """The table with a column ``seconds of MEASURE`` behind each measure's values."""
    import pandas as pd

    costs = [folder.measured(key).values for key in results.frame["key"]]
    columns = {
        f"seconds of {name}": [each[name]["seconds"] if name in each else math.nan for each in costs]
        for name in results.measures
    }
    return pd.concat([results.frame, pd.DataFrame(columns, index=results.frame.index)], axis=1)


def _outcome(record: Mapping[str, Any]) -> dict[str, Any]:
    test, train = record.get("test_error"), record.get("train_error")
    return {
        "stop_reason": record.get("stop_reason"),
        "epochs": record.get("epochs"),
        "steps": record.get("steps"),
        "train_error": _number(train),
        "train_error_clean": _number(record.get("train_error_clean")),
        "train_loss": _number(record.get("train_loss")),
        "test_error": _number(test),
        "test_loss": _number(record.get("test_loss")),
        "gap": _number(test) - _number(train),
        "loss_gap": _number(record.get("test_loss")) - _number(record.get("train_loss")),
        **{name: _number(record.get(name)) for name in NORMALIZED_LOSSES},
    }


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _sortable(value: Any) -> tuple[int, Any]:
    """Numbers before texts, the absent level first."""
    if value == ABSENT:
        return (0, "")
    if isinstance(value, bool | int | float):
        return (1, float(value))
    return (2, str(value))


def _current(folder: Folder) -> tuple[list[StoredFit], list[str]]:
    """The fits that count: of several for one point of the grid, those of the newest versions, made last."""
    newest: dict[str, tuple[tuple[list[int], str], StoredFit]] = {}
    failed: set[str] = set()
    older = 0
    for key in folder.fit_keys():
        stored = folder.fit(key)
        if stored is None:
            failure = folder.failure(key)
            if failure is not None:
                failed.add(_point(failure["trial"])[0])
            continue
        point, versions = _point(stored.record["trial"])
        age = (versions, stored.record.get("time", ""))
        if point in newest:
            older += 1
        if point not in newest or age > newest[point][0]:
            newest[point] = (age, stored)
    notes = []
    if failed := failed - newest.keys():
        notes.append(f"{len(failed)} trials have no fit: training failed")
    if older:
        notes.append(f"{older} fits of older versions of their components are left out")
    return [stored for _, stored in newest.values()], notes


def _point(trial: Mapping[str, Any]) -> tuple[str, list[int]]:
    from genbench.base.canonical import canonical_json

    chosen = [trial["dataset"], trial["model"], trial["protocol"], *trial["regularizers"]]
    bare = [{"name": each["name"], "settings": each["settings"]} for each in chosen]
    return canonical_json([bare, trial["splits"], trial["seed"]]), [each["version"] for each in chosen]


def _without_older_versions(values: list[dict[str, Mapping[str, Any]]]) -> list[str]:
    """Remove values of measures that have newer versions on other fits; a note for each measure."""
    newest: dict[str, int] = {}
    for each in values:
        for name, value in each.items():
            newest[name] = max(value["version"], newest.get(name, 0))
    left_out: dict[str, int] = {}
    for each in values:
        for name in [name for name in each if each[name]["version"] < newest[name]]:
            del each[name]
            left_out[name] = left_out.get(name, 0) + 1
    return [
        f"{name}: values of an older version on {count} fits are left out; "
        "'genbench measure' computes them anew"
        for name, count in sorted(left_out.items())
    ]


def _describe(values: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, MeasureInfo]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in values:
        for name, value in each.items():
            found.setdefault(name, []).append(value)
    described = {}
    for name, records in sorted(found.items()):
        newest = max(records, key=lambda record: record["version"])
        computed = [each["seconds"] for each in records if each["status"] == Status.OK]
        statuses: dict[str, int] = {}
        for record in records:
            statuses[record["status"]] = statuses.get(record["status"], 0) + 1
        described[name] = MeasureInfo(
            name=name,
            family=newest["family"],
            direction=newest["direction"],
            cost_class=newest["cost_class"],
            version=newest["version"],
            plugin=newest["plugin"],
            held_out=any(record["held_out"] for record in records),
            seconds=statistics.median(computed) if computed else math.nan,
            statuses=statuses,
            aliases=tuple(newest.get("aliases", ())),
        )
    return described
