"""A run folder seen from Python: what is there, as tables and rankings."""

from __future__ import annotations

import collections
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.outcomes import COMMON_TARGETS
from genbench.runs.grid import partial_notes
from genbench.runs.results import RunTable, read_table
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
        Fits that this command trained, and those that it computed values of, in one pass or several.
    failures : dict
        Key of a trial that has no fit to the reason.
    faults : dict
        Measure to reasons and their counts, for values missing because of a fault, in this run or before.
    left_out : dict
        Reason to the number of points of the grid that could not even be planned.
    """

    trials: int = 0
    trained: int = 0
    measured: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    faults: dict[str, collections.Counter[str]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every trial has a fit and no value is missing because of a fault."""
        return not self.failures and not self.faults and not self.left_out

    def failure_counts(self) -> collections.Counter[str]:
        """How many trials have no fit, by reason."""
        return collections.Counter(self.failures.values()) + collections.Counter(self.left_out)


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
        """The table together with what is known of its axes and measures, every record read once."""
        table = read_table(self.folder)
        partial = partial_notes(self.folder.path, table.records, len(table.failures))
        return replace(table, notes=(*table.notes, *partial))

    def rank(self, target: str = "gap", *, axes: Sequence[str] | None = None, **options: Any) -> Board:
        """Rank the measures of this run; `options` are those of `genbench.rank`."""
        return self.results().rank(target, axes=axes, **options)

    def rank_flips(
        self, targets: Sequence[str] = COMMON_TARGETS, *, axes: Sequence[str] | None = None, **options: Any
    ) -> Flips:
        """Rank the measures against several targets; see `genbench.ranking.rank_flips`."""
        return self.results().rank_flips(targets, axes=axes, **options)
