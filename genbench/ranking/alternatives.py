"""What alternatives of one axis do to targets, paired over all other axes and the seeds.

This is the table of regularizers, but for the names it knows nothing of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genbench.ranking.board import markdown_table, strict
from genbench.ranking.errors import RankingError
from genbench.ranking.uncertainty import student_interval

__all__ = ["Alternatives", "compare_alternatives"]

FORMAT = 1
"""Raised when a key of the JSON changes its meaning."""

Cell = tuple[Hashable, Hashable]


@dataclass(frozen=True)
class Alternatives:
    """One row for each alternative and target, best first.

    Parameters
    ----------
    rows : list of dict
        ``alternative, target, rank_low, rank_high, mean, difference, low, high, pairs, units, over``: the
        mean over the fits that could be compared, and by how much it differs from the baseline, with its
        95 % interval.
    baseline : str
        The alternative that the others are compared with; empty where each is compared with the mean of all.
    targets : tuple of str
    notes : list of str
    """

    rows: list[dict[str, Any]]
    baseline: str
    targets: tuple[str, ...]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Strict JSON, the same bytes for the same table whatever the order of its rows."""
        return json.dumps(strict(self.as_dict()), indent=2, ensure_ascii=False) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, with the number of the format; NaN where a number is unknown."""
        return {"format": FORMAT, "baseline": self.baseline, "rows": self.rows, "notes": self.notes}

    def to_markdown(self) -> str:
        """A table for each target, then the notes."""
        parts = [f"{target}\n\n{markdown_table(self.header, self.cells(target))}" for target in self.targets]
        return "\n".join(parts) + "".join(f"\n- {note}" for note in self.notes) + ("\n" if self.notes else "")

    @property
    def header(self) -> list[str]:
        """What stands over the columns of `cells`."""
        against = f"against {self.baseline}" if self.baseline else "against the mean"
        return ["alternative", "rank", "mean", against, "95 %", "pairs"]

    def cells(self, target: str) -> list[list[str]]:
        """The rows of one target as texts, under `header`."""
        return [
            [
                row["alternative"],
                _rank(row),
                f"{row['mean']:.4f}",
                "" if row["alternative"] == self.baseline else f"{row['difference']:+.4f}",
                "" if np.isnan(row["low"]) else f"[{row['low']:+.4f}, {row['high']:+.4f}]",
                str(row["pairs"]),
            ]
            for row in self.rows
            if row["target"] == target
        ]


def _rank(row: Mapping[str, Any]) -> str:
    low, high = row["rank_low"], row["rank_high"]
    return "" if low is None else str(low) if low == high else f"{low}–{high}"


def compare_alternatives(
    alternatives: Sequence[str],
    places: Sequence[Hashable],
    seeds: Sequence[Hashable],
    targets: Mapping[str, np.ndarray],
    baseline: str | None = None,
) -> Alternatives:
    """Rank alternatives by each target, lower being better.

    Parameters
    ----------
    alternatives : sequence of n names
    places : sequence of n
        Where a fit lies on all other axes: fits of the same place and seed are a pair.
    seeds : sequence of n
    targets : dict from name to (n,) array
        NaN where a fit has none.
    baseline : str, optional
        Compare with this alternative; with the mean of all alternatives at each place where left out.

    Returns
    -------
    Alternatives
        Differences are averaged within each place, or within each seed where there are more seeds than
        places; their interval is Student's over these. Two alternatives share a rank where the interval of
        their own paired difference holds 0.

    Raises
    ------
    RankingError
        There is one alternative only, or no such baseline.
    """
    names = sorted(set(alternatives))
    if len(names) < 2:
        raise RankingError("there is one alternative only, nothing to compare")
    if baseline is not None and baseline not in names:
        raise RankingError(f"no alternative is called '{baseline}'; there are {', '.join(names)}")
    rows: list[dict[str, Any]] = []
    notes = []
    for target, values in targets.items():
        table = _Table.of(
            names, list(zip(places, seeds, strict=True)), alternatives, np.asarray(values, float)
        )
        found = [table.row(name, baseline) for name in names]
        known = [each for each in found if not np.isnan(each["difference"])]
        ranks = table.ranks([each["alternative"] for each in known])
        for each, (low, high) in zip(known, ranks, strict=True):
            each["rank_low"], each["rank_high"] = low, high
        found.sort(key=lambda row: (np.isnan(row["difference"]), row["difference"], row["alternative"]))
        rows += [{"alternative": row["alternative"], "target": target, **row} for row in found]
        lonely = [each["alternative"] for each in found if np.isnan(each["difference"])]
        if lonely:
            notes.append(f"{target}: no fit to compare with: {', '.join(lonely)}.")
    over = {row["over"] for row in rows if row["over"]}
    notes.append(f"Intervals are Student's over {' or '.join(sorted(over)) or 'nothing'}; lower is better.")
    return Alternatives(rows, baseline or "", tuple(targets), notes)


@dataclass(frozen=True)
class _Table:
    """Mean of one target by alternative, place and seed."""

    means: Mapping[str, Mapping[Cell, float]]
    by_place: bool

    @classmethod
    def of(
        cls, names: Iterable[str], cells: Sequence[Cell], alternatives: Sequence[str], values: np.ndarray
    ) -> _Table:
        found: dict[str, dict[Cell, list[float]]] = {name: {} for name in names}
        for cell, alternative, value in zip(cells, alternatives, values, strict=True):
            if np.isfinite(value):
                found[alternative].setdefault(cell, []).append(float(value))
        means = {name: {cell: _mean(each) for cell, each in given.items()} for name, given in found.items()}
        return cls(means, len({place for place, _ in cells}) >= len({seed for _, seed in cells}))

    def row(self, name: str, baseline: str | None) -> dict[str, Any]:
        against = self._average() if baseline is None else self.means[baseline]
        shared = [cell for cell in self.means[name] if cell in against]
        units = self._units(name, against)
        difference, low, high = _student(units)
        if name == baseline:
            low = high = np.nan
        return {
            "alternative": name,
            "rank_low": None,
            "rank_high": None,
            "mean": _mean(self.means[name][cell] for cell in shared) if shared else np.nan,
            "difference": difference,
            "low": low,
            "high": high,
            "pairs": len(shared),
            "units": len(units),
            "over": ("configurations" if self.by_place else "seeds") if len(units) > 1 else "",
        }

    def ranks(self, names: Sequence[str]) -> list[tuple[int, int]]:
        """Ranks that each may hold: 1 + those surely better, to all less those surely worse."""
        better = {
            (one, other): _student(self._units(one, self.means[other]))[2] < 0
            for one in names
            for other in names
            if one != other
        }
        return [
            (
                1 + sum(better[other, name] for other in names if other != name),
                len(names) - sum(better[name, other] for other in names if other != name),
            )
            for name in names
        ]

    def _average(self) -> dict[Cell, float]:
        """Mean of all alternatives where all of them have a value."""
        given = list(self.means.values())
        shared = [cell for cell in given[0] if all(cell in each for each in given)]
        return {cell: _mean(each[cell] for each in given) for cell in shared}

    def _units(self, name: str, against: Mapping[Cell, float]) -> np.ndarray:
        """Mean difference within each place, or seed; what is as good as independent."""
        units: dict[Hashable, list[float]] = {}
        for cell, value in self.means[name].items():
            if cell in against:
                unit = cell[0] if self.by_place else cell[1]
                units.setdefault(unit, []).append(value - against[cell])
        return np.array([_mean(units[each]) for each in sorted(units, key=repr)])


def _mean(values: Iterable[float]) -> float:
    """The exactly rounded sum over the count: no result depends on the order of the fits."""
    listed = list(values)
    return math.fsum(listed) / len(listed)


def _student(units: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % interval; NaN where there are too few."""
    if len(units) < 2:
        return (float(units[0]) if len(units) else np.nan), np.nan, np.nan
    mean = float(units.mean())
    low, high = student_interval(
        np.array(mean), np.array(units.var(ddof=1) / len(units)), len(units) - 1, (-np.inf, np.inf)
    )
    return mean, float(low), float(high)
