"""What counts in a run: of each point of the grid one fit, of each measure its newest version."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from genbench.base.counting import counted
from genbench.base.values import Status
from genbench.runs.ages import Age, newest_ages
from genbench.runs.index import Index, signature
from genbench.runs.rows import Meanings, Row, point_of, row_of
from genbench.runs.store import Folder, Measured, StoredFit

__all__ = ["MeasureInfo", "Records", "Standing", "read_standing"]


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
class Standing:
    """The fits and values of a run that count.

    Attributes
    ----------
    rows : list of Row
        Of the fits that count.
    everything : list of Row
        Of all fits, those of older versions too.
    failures : dict
        By key the record of the last failure of each trial without a fit.
    failed : list of mapping
        Of these the ones that no other fit stands in for.
    """

    rows: list[Row]
    everything: list[Row]
    meanings: Sequence[Mapping[str, Any]]
    failures: Mapping[str, Mapping[str, Any]]
    failed: list[Mapping[str, Any]]

    @property
    def notes(self) -> list[str]:
        """What the reader should know: trials without a fit, fits and values of older versions left out."""
        notes = []
        if self.failed:
            notes.append(f"{counted(len(self.failed), 'trial')} without a fit: training failed")
        if older := len(self.everything) - len(self.rows):
            notes.append(f"without {counted(older, 'fit')} of older versions of their components")
        return [*notes, *self._left_out()]

    @cached_property
    def measures(self) -> dict[str, MeasureInfo]:
        """What is known of each measure, by name, sorted."""
        found: dict[str, list[int]] = {}
        kept = self._said[~self._old]
        # All values of each meaning found at once: there may be millions.
        order = np.argsort(_narrow(kept), kind="stable")
        counts = np.bincount(kept, minlength=len(self.meanings))
        cost = np.split(self._seconds[~self._old][order], np.cumsum(counts)[:-1])
        said = np.flatnonzero(counts)
        first = order[np.cumsum(counts)[said] - counts[said]]
        for place in np.argsort(first):  # in the order in which they were said
            found.setdefault(self.meanings[said[place]]["measure"], []).append(int(said[place]))
        described = {}
        for name, places in sorted(found.items()):
            meanings = [self.meanings[place] for place in places]
            newest = meanings[0]
            statuses: dict[str, int] = {}
            for place, meaning in zip(places, meanings, strict=True):
                statuses[meaning["status"]] = statuses.get(meaning["status"], 0) + int(counts[place])
            computed = [place for place in places if self.meanings[place]["status"] == Status.OK]
            seconds = np.concatenate([np.zeros(0), *(cost[place] for place in computed)])
            described[name] = MeasureInfo(
                name=name,
                family=newest["family"],
                direction=newest["direction"],
                cost_class=newest["cost_class"],
                version=newest["version"],
                plugin=newest["plugin"],
                held_out=any(each["held_out"] for each in meanings),
                seconds=float(np.median(seconds)) if len(seconds) else math.nan,
                statuses=statuses,
                aliases=tuple(newest["aliases"] or ()),
            )
        return described

    def matrix(self, what: str) -> np.ndarray:
        """``numbers`` or ``seconds`` of the values that count: fits x measures, NaN where there is none."""
        columns = {name: number for number, name in enumerate(self.measures)}
        column_of = np.array([columns.get(each, -1) for each in self._names], dtype=int)
        kept = ~self._old
        filled = np.full((len(self.rows), len(columns)), math.nan)
        values = self._numbers if what == "numbers" else self._seconds
        filled[self._fit[kept], column_of[self._measure[kept]]] = values[kept]
        return filled

    # All values of all rows, one behind the other.

    @cached_property
    def _fit(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.rows)), [len(each.said) for each in self.rows])

    @cached_property
    def _said(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype=np.int32), *(each.said for each in self.rows)])

    @cached_property
    def _numbers(self) -> np.ndarray:
        return np.concatenate([np.zeros(0), *(each.numbers for each in self.rows)])

    @cached_property
    def _seconds(self) -> np.ndarray:
        return np.concatenate([np.zeros(0), *(each.seconds for each in self.rows)])

    @cached_property
    def _names(self) -> np.ndarray:
        """The measures that any meaning is of, in no order."""
        return np.array(list(dict.fromkeys(each["measure"] for each in self.meanings)), dtype=object)

    @cached_property
    def _measure(self) -> np.ndarray:
        """For each value the place of its measure among the names."""
        places = {name: place for place, name in enumerate(self._names)}
        of_meaning = np.array([places[each["measure"]] for each in self.meanings], dtype=int)
        return of_meaning[self._said]

    @cached_property
    def _newest(self) -> dict[str, Age]:
        """Of each measure the age that counts; asked of all values only where a measure has several."""
        ages: dict[str, set[Age]] = {}
        for place in np.flatnonzero(np.bincount(self._said)).tolist():
            meaning = self.meanings[place]
            ages.setdefault(meaning["measure"], set()).add(_age(meaning))
        several = {name for name, found in ages.items() if len(found) > 1}
        timed = newest_ages(
            (row.times[when], self.meanings[said])
            for row in (self.rows if several else ())
            for said, when in zip(row.said.tolist(), row.when.tolist(), strict=True)
            if self.meanings[said]["measure"] in several
        )
        return {name: next(iter(found)) for name, found in ages.items()} | timed

    @cached_property
    def _old(self) -> np.ndarray:
        """Which values have a newer version, or newer code of a plugin, on another fit."""
        newest = self._newest
        old = [_age(each) != newest.get(each["measure"], _age(each)) for each in self.meanings]
        return np.array(old, dtype=bool)[self._said]

    def _left_out(self) -> list[str]:
        """A line for each measure of which values are left out."""
        counts: dict[str, int] = {}
        other_code: dict[str, str] = {}
        found = np.bincount(self._said[self._old])
        for said in np.flatnonzero(found).tolist():
            name, (version, code) = self.meanings[said]["measure"], _age(self.meanings[said])
            counts[name] = counts.get(name, 0) + int(found[said])
            if version == self._newest[name][0]:
                other_code[name] = f"other code ({code}, not {self._newest[name][1]})"
        return [
            f"{name}: values of {other_code.get(name, 'an older version')} on {counted(count, 'fit')} "
            "are left out; 'genbench measure' computes them anew, 'genbench forget --older' removes them"
            for name, count in sorted(counts.items())
        ]


def _narrow(numbers: np.ndarray) -> np.ndarray:
    """The same numbers in few bytes where they are small, which are sorted in a tenth of the time."""
    return numbers.astype(np.uint16) if numbers.max(initial=0) < 2**16 else numbers


def _age(meaning: Mapping[str, Any]) -> Age:
    return meaning["version"], meaning["code"]


def read_standing(records: Records, *, check_weights: bool = False) -> Standing:
    """Read what is there, from the index where that is as new as the records.

    Parameters
    ----------
    check_weights : bool
        Compare the weights with their hashes, where that was not done since they were written.

    Raises
    ------
    InvalidInput
        This is not a run folder.
    """
    records.suite_content()
    meanings = Meanings()
    rows: list[Row] = []
    failures: dict[str, Mapping[str, Any]] = {}
    if isinstance(records, Folder):
        rows, failures, meanings = _from_folder(records, check_weights)
    else:
        for key in records.fit_keys():
            stored = records.fit(key)
            if stored is not None:
                rows.append(row_of(stored, records.measured(key), meanings))
            elif failure := records.failure(key):
                failures[key] = failure
    newest: dict[str, Row] = {}
    for row in rows:
        if row.point not in newest or row.age > newest[row.point].age:
            newest[row.point] = row
    failed = {point_of(each["trial"])[0]: each for each in failures.values()}
    return Standing(
        rows=list(newest.values()),
        everything=rows,
        meanings=meanings.known,
        failures=failures,
        failed=[failure for point, failure in failed.items() if point not in newest],
    )


def _from_folder(
    folder: Folder, check_weights: bool
) -> tuple[list[Row], dict[str, Mapping[str, Any]], Meanings]:
    index = Index(folder.path)
    known = index.rows()
    rows, fresh = [], []
    failures: dict[str, Mapping[str, Any]] = {}
    for key in folder.fit_keys():
        sign = signature(folder.fit_folder(key))
        was, whole, row = known.get(key, ("", False, None))
        if row is not None and was == sign and (whole or not check_weights):
            rows.append(row)
            continue
        told = folder.lines_told
        stored = folder.fit(key, check_weights=check_weights)
        if stored is None:
            if failure := folder.failure(key):
                failures[key] = failure
            continue
        row = row_of(stored, folder.measured(key), index.meanings)
        rows.append(row)
        if sign and folder.lines_told == told:  # what is damaged is to be told each time
            fresh.append((sign, check_weights, row))
    if fresh:
        index.add(fresh)
    return rows, failures, index.meanings
