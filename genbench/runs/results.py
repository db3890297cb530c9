"""A run folder read as a table: one row a fit. Needs no plugin and no torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from genbench.base.outcomes import COMMON_TARGETS, GAPS, NORMALIZED_LOSSES, RESULTS
from genbench.base.values import Status
from genbench.host.settings import split_at_commas
from genbench.planning.axes import ABSENT, axis_named, axis_values
from genbench.planning.plan import Trial
from genbench.runs.ages import Age, age, newest_ages
from genbench.runs.store import Measured, StoredFit

if TYPE_CHECKING:
    import pandas as pd

    from genbench.ranking import Board, Flips

__all__ = ["MeasureInfo", "Records", "RunTable", "read_table", "value_number"]


class Records(Protocol):
    """What a table is read from: a run folder, or an entry of the leaderboard in its place."""

    def suite_content(self) -> Mapping[str, Any]:
        """The suite as run; raises `InvalidInput` where there is none."""
        ...

    def fit_keys(self) -> list[str]:
        """Keys of all trials of which there is a record."""
        ...

    def fit(self, key: str) -> StoredFit | None:
        """The fit of a key, or None."""
        ...

    def failure(self, key: str) -> Mapping[str, Any] | None:
        """The last failure to train a trial, or None."""
        ...

    def measured(self, key: str) -> Measured:
        """The values of a fit."""
        ...


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
    records : tuple of mapping
        The record of each fit, in the order of the rows.
    seconds : dict of sequence
        By measure what it would cost alone on each fit, NaN where there is no value.
    failures : tuple of mapping
        The record of the last failure of each trial that has no fit.
    notes : tuple of str
        What the reader should know: trials without a fit, fits of older versions left out.
    """

    frame: pd.DataFrame
    axes: tuple[str, ...]
    measures: Mapping[str, MeasureInfo]
    records: tuple[Mapping[str, Any], ...]
    seconds: Mapping[str, Sequence[float]]
    failures: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def test_examples(self) -> int | None:
        """Size of the test set; None where it differs from fit to fit."""
        sizes = {each["test_examples"] for each in self.records}
        return sizes.pop() if len(sizes) == 1 else None

    def column(self, word: str) -> str:
        """The column of the measure that a word means, which may be an alias; another word as it is."""
        if word in self.measures:
            return word
        name, bracket, settings = word.partition("[")
        for column, info in self.measures.items():
            if name in info.aliases and column.partition("[")[1:] == (bracket, settings):
                return column
        return word

    def with_costs(self) -> pd.DataFrame:
        """The table with a column ``seconds of MEASURE`` behind each measure's values."""
        import pandas as pd

        costs = {f"seconds of {name}": column for name, column in self.seconds.items()}
        return pd.concat([self.frame, pd.DataFrame(costs, index=self.frame.index)], axis=1)

    def about(self, columns: Sequence[str]) -> dict[str, Any]:
        """What the columns of an exported table are, to be kept beside it: see `genbench.ranking.sidecar`."""
        from genbench.ranking.sidecar import described

        told = ("direction", "family", "held_out", "cost_class", "version", "plugin")
        measures = {
            name: {each: getattr(info, each) for each in told}
            for name, info in self.measures.items()
            if name != "random"  # a control
        }
        return described(columns, self.axes, measures, self.test_examples)

    def rank(self, target: str = "gap", *, axes: Sequence[str] | None = None, **options: Any) -> Board:
        """Rank the measures; `options` are those of `genbench.rank`, filled in from what the records say."""
        from genbench import ranking

        board = ranking.rank(self.frame, target=target, **self._known(axes, options))
        return replace(board, notes=[*board.notes, *self.notes])

    def rank_flips(
        self, targets: Sequence[str] = COMMON_TARGETS, *, axes: Sequence[str] | None = None, **options: Any
    ) -> Flips:
        """Rank the measures against several targets; see `genbench.ranking.rank_flips`."""
        from genbench import ranking

        return ranking.rank_flips(self.frame, targets, **self._known(axes, options))

    def _known(self, axes: Sequence[str] | None, options: Mapping[str, Any]) -> dict[str, Any]:
        """What the records say of axes, measures and the test set, under what was asked for."""
        # The random draw is no candidate: the ranking shows it among the controls.
        asked = options.get("measures")
        measures = [name for name in self.measures if name != "random"]
        if asked:
            words = split_at_commas(asked) if isinstance(asked, str) else asked
            measures = list(dict.fromkeys(self.column(each) for each in words))
        info = {name: self.measures[name] for name in measures if name in self.measures}
        known: dict[str, Any] = {
            "axes": list(self.axes) if axes is None else [axis_named(each, self.axes) for each in axes],
            "directions": {name: each.direction for name, each in info.items()},
            "families": {name: each.family for name, each in info.items()},
            "costs": {name: each.seconds for name, each in info.items()},
            "held_out": [name for name, each in info.items() if each.held_out],
            "test_size": self.test_examples,
        }
        return {**known, **options, "measures": measures}


def value_number(value: Mapping[str, Any]) -> float:
    """The number in a value's record; NaN where there is none."""
    if value.get("infinite"):
        return math.copysign(math.inf, value["infinite"])
    return math.nan if value["value"] is None else float(value["value"])


def read_table(folder: Records) -> RunTable:
    """Read all fits and values of a run folder, each record once.

    Raises
    ------
    InvalidInput
        This is not a run folder.
    """
    import pandas as pd

    folder.suite_content()
    fits, failures, notes = _current(folder)
    trials = [Trial.from_dict(each.record["trial"]) for each in fits]
    axes = axis_values([each.coordinates() for each in trials])
    measured = [folder.measured(each.key) for each in fits]
    values = [dict(each.values) for each in measured]
    notes += _without_older_versions(values, [each.times for each in measured])
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
    order = sorted(
        range(len(rows)), key=lambda place: [_sortable(rows[place][axis]) for axis in (*axes, "seed", "key")]
    )
    columns = ["key", "seed", *axes, *_outcome({}), *(m for m in measures if m not in _outcome({}))]
    return RunTable(
        frame=pd.DataFrame([rows[place] for place in order], columns=columns),
        axes=tuple(axes),
        measures=measures,
        records=tuple(fits[place].record for place in order),
        seconds={
            name: [
                values[place][name].get("seconds", math.nan) if name in values[place] else math.nan
                for place in order
            ]
            for name in measures
        },
        failures=tuple(failures),
        notes=tuple(notes),
    )


def _outcome(record: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: _number(record.get(name)) for name in (*RESULTS, *NORMALIZED_LOSSES)}
    return {
        "stop_reason": record.get("stop_reason"),
        "epochs": record.get("epochs"),
        "steps": record.get("steps"),
        "train_error": numbers["train_error"],
        "train_error_clean": _number(record.get("train_error_clean")),
        "train_loss": numbers["train_loss"],
        "test_error": numbers["test_error"],
        "test_loss": numbers["test_loss"],
        **{name: numbers[GAPS[name][0]] - numbers[GAPS[name][1]] for name in ("gap", "loss_gap")},
        **{name: numbers[name] for name in NORMALIZED_LOSSES},
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


def _current(folder: Records) -> tuple[list[StoredFit], list[Mapping[str, Any]], list[str]]:
    """The fits that count, the failures of trials that have none, and what is to be said of both.

    Of several fits for one point of the grid those of the newest versions count, made last.
    """
    newest: dict[str, tuple[tuple[list[int], str], StoredFit]] = {}
    failed: dict[str, Mapping[str, Any]] = {}
    older = 0
    for key in folder.fit_keys():
        stored = folder.fit(key)
        if stored is None:
            failure = folder.failure(key)
            if failure is not None:
                failed[_point(failure["trial"])[0]] = failure
            continue
        point, versions = _point(stored.record["trial"])
        age = (versions, stored.record.get("time", ""))
        if point in newest:
            older += 1
        if point not in newest or age > newest[point][0]:
            newest[point] = (age, stored)
    notes = []
    failures = [failure for point, failure in failed.items() if point not in newest]
    if failures:
        notes.append(f"{len(failures)} trials have no fit: training failed")
    if older:
        notes.append(f"{older} fits of older versions of their components are left out")
    return [stored for _, stored in newest.values()], failures, notes


def _point(trial: Mapping[str, Any]) -> tuple[str, list[int]]:
    from genbench.base.canonical import canonical_json

    chosen = [trial["dataset"], trial["model"], trial["protocol"], *trial["regularizers"]]
    bare = [{"name": each["name"], "settings": each["settings"]} for each in chosen]
    return canonical_json([bare, trial["splits"], trial["seed"]]), [each["version"] for each in chosen]


def _without_older_versions(
    values: list[dict[str, Mapping[str, Any]]], times: Sequence[Mapping[str, str]]
) -> list[str]:
    """Remove values of measures that have newer ones on other fits; a note for each measure."""
    newest = newest_ages(
        (when.get(name, ""), {**value, "measure": name})
        for each, when in zip(values, times, strict=True)
        for name, value in each.items()
    )
    left_out: dict[str, int] = {}
    other_code: dict[str, str] = {}
    for each in values:
        for name in [name for name in each if age(each[name]) != newest[name]]:
            version, code = age(each.pop(name))
            left_out[name] = left_out.get(name, 0) + 1
            if version == newest[name][0]:
                other_code[name] = code
    return [
        f"{name}: values of {_older(name, newest, other_code)} on {count} fits are left out; "
        "'genbench measure' computes them anew, 'genbench forget --older' removes them"
        for name, count in sorted(left_out.items())
    ]


def _older(name: str, newest: Mapping[str, Age], other_code: Mapping[str, str]) -> str:
    if name not in other_code:
        return "an older version"
    return f"other code ({other_code[name]}, not {newest[name][1]})"


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
