"""A run folder read as a table: one row a fit. Needs no plugin and no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from genbench.base.outcomes import COMMON_TARGETS, GAPS, NORMALIZED_LOSSES, RESULTS
from genbench.host.settings import split_at_commas
from genbench.planning.axes import ABSENT, axis_named, axis_values
from genbench.planning.plan import Trial
from genbench.runs.rows import configuration_of, value_number
from genbench.runs.standing import MeasureInfo, Records, Standing, read_standing

if TYPE_CHECKING:
    import pandas as pd

    from genbench.ranking import Board, Flips

__all__ = ["MeasureInfo", "Records", "RunTable", "read_table", "table_of", "value_number"]


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


def read_table(folder: Records) -> RunTable:
    """Read all fits and values of a run folder.

    Raises
    ------
    InvalidInput
        This is not a run folder.
    """
    return table_of(read_standing(folder))


def table_of(standing: Standing) -> RunTable:
    """What stands in a run as a table."""
    import pandas as pd

    fits = standing.rows
    coordinates: dict[str, dict[str, Any]] = {}  # by configuration: seeds change none
    for fit in fits:
        if (configuration := configuration_of(fit.point)) not in coordinates:
            coordinates[configuration] = Trial.from_dict(fit.record["trial"]).coordinates()
    axes = axis_values([coordinates[configuration_of(fit.point)] for fit in fits])
    rows = []
    for number, fit in enumerate(fits):
        row = {"key": fit.key, "seed": fit.record["trial"]["seed"]}
        row |= {axis: levels[number] for axis, levels in axes.items()}
        rows.append(row | _outcome(fit.record))
    order = sorted(
        range(len(rows)), key=lambda place: [_sortable(rows[place][axis]) for axis in (*axes, "seed", "key")]
    )
    columns = ["key", "seed", *axes, *_outcome({})]
    left = pd.DataFrame([rows[place] for place in order], columns=columns)
    # The training loss and error are recorded with the fit, and the same numbers.
    measures = standing.measures
    own = [number for number, name in enumerate(measures) if name not in _outcome({})]
    right = pd.DataFrame(
        standing.matrix("numbers")[order][:, own], columns=[list(measures)[number] for number in own]
    )
    seconds = standing.matrix("seconds")[order]
    return RunTable(
        frame=pd.concat([left, right], axis=1),
        axes=tuple(axes),
        measures=measures,
        records=tuple(fits[place].record for place in order),
        seconds={name: seconds[:, number].tolist() for number, name in enumerate(measures)},
        failures=tuple(standing.failed),
        notes=tuple(standing.notes),
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
