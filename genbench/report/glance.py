"""What stands on the first screen of a page: the best measures and what judges them, on one drawn scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["MOST", "Scale", "glance", "glance_across", "scale_of"]

MOST = 10
"""Measures that are shown."""

HYPERPARAMETERS = "hyperparameters"
CEILINGS = {"test_set": "ceiling: test set", "seeds": "ceiling: seeds"}


@dataclass(frozen=True)
class Scale:
    """A drawn scale from `low` to `high`, which holds 0."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """The place of a value in per cent of the width; a value beyond an end stands at that end."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 1)

    @property
    def ticks(self) -> list[tuple[float, float]]:
        """0, both ends and the halves between, as far as they lie well apart: each value with its place."""
        halves = [each for each in (-1.0, -0.5, 0.5, 1.0) if self.low < each < self.high]
        values = [0.0, self.high, self.low, *halves]
        kept: list[float] = []
        for value in values:
            if all(abs(self.at(value) - self.at(other)) > 25 for other in kept):
                kept.append(value)
        return [(each, self.at(each)) for each in sorted(kept)]


def scale_of(values: Iterable[Any]) -> Scale:
    """The scale that holds all finite values and 0, from tenth to tenth, within ±1."""
    finite = [each for each in values if isinstance(each, float | int) and math.isfinite(each)]
    low = math.floor(10 * min([*finite, 0.0])) / 10
    high = math.ceil(10 * max([*finite, 0.0])) / 10
    return Scale(max(low, -1.0), max(min(high, 1.0), low + 0.1, 0.1))


def glance(standing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ten best measures among what judges them: ceilings, hyperparameters alone, random measures.

    Parameters
    ----------
    standing : mapping
        See `genbench.report.standing.standing`.

    Returns
    -------
    list of dict
        The largest score first: ``name``, ``kind`` (``measure``, ``judge`` or ``random``), ``place`` of a
        measure from 0, ``score``, ``low`` and ``high``, None where there is none.
    """
    rows = standing["rows"]
    best = [row for row in rows if row["group"] == "ranked" and row["score"] is not None][:MOST]
    found = [
        _line(row["measure"], "measure", row["score"], row["score_low"], row["score_high"], place)
        for place, row in enumerate(best)
    ]
    judges = [row for row in rows if row["measure"] == HYPERPARAMETERS and row["score"] is not None]
    found += [
        _line("hyperparameters", "judge", row["score"], row["score_low"], row["score_high"]) for row in judges
    ]
    found += [
        _line(CEILINGS.get(name, name), "judge", score, None, None)
        for name, score in standing["ceiling"].items()
        if score is not None
    ]
    return [*_sorted(found), *_band(standing["band"])]


def glance_across(across: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same over several suites: means of measures, and the range of the judges from suite to suite.

    `across` is what `genbench.leaderboard.across.across` finds.
    """
    best = [row for row in across["rows"] if row["rank_low"] is not None][:MOST]
    found = [
        _line(row["measure"], "measure", row["mean"], row["mean_low"], row["mean_high"], place)
        for place, row in enumerate(best)
    ]
    found += [
        _line(each["name"], "judge", sum(each["scores"]) / len(each["scores"]), *_ends(each["scores"]))
        for each in across["judges"]
    ]
    return [*_sorted(found), *_band(across["band"])]


def _ends(scores: Sequence[float]) -> tuple[float, float]:
    return min(scores), max(scores)


def _line(name: str, kind: str, score: Any, low: Any, high: Any, place: int | None = None) -> dict[str, Any]:
    return {"name": name, "kind": kind, "place": place, "score": score, "low": low, "high": high}


def _sorted(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The largest first; measures keep their order among each other, which ranks may decide."""
    judges = sorted((each for each in lines if each["kind"] == "judge"), key=lambda each: -each["score"])
    found = [each for each in lines if each["kind"] == "measure"]
    for judge in reversed(judges):
        place = next((at for at, each in enumerate(found) if each["score"] <= judge["score"]), len(found))
        found.insert(place, judge)
    return found


def _band(ends: Sequence[Any]) -> list[dict[str, Any]]:
    low, high = ends
    if low is None or high is None:
        return []
    return [_line("random, 95 %", "random", None, low, high)]
