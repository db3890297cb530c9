"""A run folder seen from Python: what is there, as tables and rankings."""

from __future__ import annotations

import collections
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.host.settings import split_at_commas
from genbench.planning.axes import axis_named
from genbench.runs.results import TARGETS, RunTable, read_table
from genbench.runs.store import Folder

if TYPE_CHECKING:
    import pandas as pd

    from genbench.ranking import Board, Flips

__all__ = ["Run", "Summary"]


@dataclass
class Summary:
    """What a command did.

    Attributes
    ----------
    trials : int
        Of the plan.
    trained, measured : int
        Fits and passes that this command made.
    failures : dict
        Key of a trial that has no fit to the reason.
    faults : dict
        Measure to reasons and their counts, for values missing because of a fault, in this run or before.
    """

    trials: int = 0
    trained: int = 0
    measured: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    faults: dict[str, collections.Counter[str]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return not self.failures and not self.faults

    def failure_counts(self) -> collections.Counter[str]:
        """How many trials have no fit, by reason."""
        return collections.Counter(self.failures.values())


class Run:
    """A run folder.

    Parameters
    ----------
    folder : Path or str
    warn : callable
        Takes a line for each record that is damaged and therefore left out.

    Attributes
    ----------
    summary : Summary or None
        What the command that returned this run did.
    """

    def __init__(
        self,
        folder: Path | str,
        summary: Summary | None = None,
        warn: Callable[[str], None] = warnings.warn,
    ):
        self.folder = Folder(folder, warn)
        self.summary = summary

    def table(self) -> pd.DataFrame:
        """All fits as a table.

        Returns
        -------
        DataFrame
            One row a fit: its key and seed, a column for each axis, how training ended, errors (shares from
            0 to 1), losses (nats), the targets, and a column for each measure.

        Raises
        ------
        InvalidInput
            The folder is no run folder.
        """
        return self.results().frame

    def results(self) -> RunTable:
        """The table together with what is known of its axes and measures."""
        return read_table(self.folder)

    def rank(self, target: str = "gap", *, axes: Sequence[str] | None = None, **options: Any) -> Board:
        """Rank the measures of this run; `options` are those of `genbench.rank`."""
        from genbench import ranking

        results, known = self._ranking(axes, options)
        board = ranking.rank(results.frame, target=target, **known)
        return replace(board, notes=[*board.notes, *results.notes])

    def rank_flips(
        self, targets: Sequence[str] = TARGETS, *, axes: Sequence[str] | None = None, **options: Any
    ) -> Flips:
        """Rank the measures against several targets; see `genbench.ranking.rank_flips`."""
        from genbench import ranking

        results, known = self._ranking(axes, options)
        return ranking.rank_flips(results.frame, targets, **known)

    def _ranking(
        self, axes: Sequence[str] | None, options: Mapping[str, Any]
    ) -> tuple[RunTable, dict[str, Any]]:
        """The table, and what its records say of axes, measures and the test set."""
        results = self.results()
        sizes = {each["test_examples"] for each in _records(self.folder)}
        # The random draw is no candidate: the ranking shows it among the controls.
        asked = options.get("measures")
        measures = [name for name in results.measures if name != "random"]
        if asked:
            words = split_at_commas(asked) if isinstance(asked, str) else asked
            measures = list(dict.fromkeys(results.column(each) for each in words))
        info = {name: results.measures[name] for name in measures if name in results.measures}
        known: dict[str, Any] = {
            "axes": list(results.axes) if axes is None else [axis_named(each, results.axes) for each in axes],
            "directions": {name: each.direction for name, each in info.items()},
            "families": {name: each.family for name, each in info.items()},
            "costs": {name: each.seconds for name, each in info.items()},
            "held_out": [name for name, each in info.items() if each.held_out],
            "test_size": sizes.pop() if len(sizes) == 1 else None,
        }
        return results, {**known, **options, "measures": measures}


def _records(folder: Folder) -> list[Mapping[str, Any]]:
    stored = (folder.fit(key) for key in folder.fit_keys())
    return [each.record for each in stored if each is not None]
