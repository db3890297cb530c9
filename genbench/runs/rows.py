"""What the records of a run say, one compact row a fit: numbers in arrays, words once for all fits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.base.canonical import canonical_json
from genbench.runs.ages import age

if TYPE_CHECKING:
    from genbench.runs.store import Measured, StoredFit

__all__ = [
    "LONG", "SAID", "FitRecord", "Meanings", "Row", "configuration_of", "point_of", "row_of", "value_number",
]  # fmt: skip

# What a value's record says besides its numbers; the same for most fits, so that it is kept once.
SAID = (
    "measure", "version", "family", "direction", "cost_class", "plugin", "held_out", "aliases", "status",
    "reason", "code",
)  # fmt: skip
# Parts of a fit's record that are long and seldom asked for.
LONG = ("history", "test_history", "seeds")


class Meanings:
    """Each way of speaking of a value, once, under a number of its own.

    Parameters
    ----------
    known : sequence of dict
        Those that have numbers already, in the order of their numbers.
    """

    def __init__(self, known: Sequence[Mapping[str, Any]] = ()):
        self.known: list[Mapping[str, Any]] = []
        self._places: dict[str, int] = {}
        for each in known:
            self.place(each)

    def place(self, value: Mapping[str, Any]) -> int:
        """The number of what a value's record says; a new one where it was not said before."""
        meaning = {name: value.get(name) for name in SAID}
        text = json.dumps(meaning)
        place = self._places.setdefault(text, len(self.known))
        if place == len(self.known):
            self.known.append(meaning)
        return place


class FitRecord(Mapping[str, Any]):
    """The record of a fit, read when it is asked for; its long parts only when they are.

    Parameters
    ----------
    brief : str
        The record without its long parts, as JSON.
    fetch : callable
        Gives the long parts.
    """

    def __init__(self, brief: str, fetch: Callable[[], Mapping[str, Any]]):
        self._brief = brief
        self._fetch = fetch

    @cached_property
    def _short(self) -> Mapping[str, Any]:
        return dict(json.loads(self._brief))

    @cached_property
    def _long(self) -> Mapping[str, Any]:
        return self._fetch()

    def __getitem__(self, name: str) -> Any:
        return self._long[name] if name in LONG else self._short[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._short
        yield from self._long

    def __len__(self) -> int:
        return len(self._short) + len(self._long)


@dataclass
class Row:
    """One fit and its values.

    Attributes
    ----------
    record : mapping
    point : str
        The point of the grid, the same whatever the versions of its components.
    age : (list of int, str)
        Versions of the components and the time, by which a later fit of a point is told from an earlier one.
    said : int array
        For each value the number of its meaning.
    numbers, seconds : float array
        The values, NaN where there is none, and what each measure would cost alone.
    times : tuple of str
    when : int array
        For each value the place of the time when it was computed among the times.
    conflicts : tuple of str
    """

    key: str
    record: Mapping[str, Any]
    point: str
    age: tuple[list[int], str]
    said: np.ndarray
    numbers: np.ndarray
    seconds: np.ndarray
    times: tuple[str, ...]
    when: np.ndarray
    conflicts: tuple[str, ...] = field(default=())


def row_of(stored: StoredFit, measured: Measured, meanings: Meanings) -> Row:
    """The row of a fit as its records are read."""
    values = list(measured.values.values())
    computed = [measured.times.get(name, "") for name in measured.values]
    times = tuple(dict.fromkeys(computed))
    record = stored.record
    point, versions = point_of(record["trial"])
    return Row(
        key=stored.key,
        record=record,
        point=point,
        age=(versions, record.get("time", "")),
        said=np.array([meanings.place({**each, "code": age(each)[1]}) for each in values], dtype=np.int32),
        numbers=np.array([value_number(each) for each in values], dtype=float),
        seconds=np.array([each.get("seconds", np.nan) for each in values], dtype=float),
        times=times,
        when=np.array([times.index(each) for each in computed], dtype=np.int32),
        conflicts=measured.conflicts,
    )


def value_number(value: Mapping[str, Any]) -> float:
    """The number in a value's record; NaN where there is none."""
    if value.get("infinite"):
        return math.copysign(math.inf, value["infinite"])
    return math.nan if value["value"] is None else float(value["value"])


def point_of(trial: Mapping[str, Any]) -> tuple[str, list[int]]:
    """The point of the grid that a trial stands at, and the versions of what it is made of."""
    chosen = [trial["dataset"], trial["model"], trial["protocol"], *trial["regularizers"]]
    bare = [{"name": each["name"], "settings": each["settings"]} for each in chosen]
    return canonical_json([bare, trial["splits"], trial["seed"]]), [each["version"] for each in chosen]


def configuration_of(point: str) -> str:
    """What the points of one configuration have in common: all but the seed, which stands last."""
    return point.rpartition(",")[0]
