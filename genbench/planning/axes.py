"""The axes of a grid: their values over trials, and the one that a word means."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from genbench.base.errors import UsageError, nearest

__all__ = ["ABSENT", "axis_named", "axis_values", "rounding_faults"]

# Numbers that are no further apart than this, as a share of the larger, differ by rounding only.
_ROUNDING = 8 * 2.0**-52

ABSENT = "-"
"""The value of a setting on an axis for a component that lacks it: a level like any other."""


def axis_values(coordinates: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Value of each trial on each axis: on every coordinate that takes more than one value where it exists.

    A setting that one model has and another lacks is no axis for that alone; once it is one, `ABSENT` is a
    level of it.

    Parameters
    ----------
    coordinates : sequence of mapping
        For each trial its settings by name, see `Trial.coordinates`.
    """
    names = dict.fromkeys(name for each in coordinates for name in each)
    columns = {name: [each.get(name, ABSENT) for each in coordinates] for name in names}
    return {name: column for name, column in columns.items() if len(set(column) - {ABSENT}) > 1}


def rounding_faults(levels: Mapping[str, Iterable[Any]]) -> list[str]:
    """A line for each two levels of an axis that differ by rounding only, such as 0.1 + 0.2 and 0.3."""
    faults = []
    for name, values in levels.items():
        numbers = sorted({each for each in values if isinstance(each, float | int)})
        faults += [
            f"{name}: {low!r} and {high!r} differ by rounding only; write one of them for both"
            for low, high in itertools.pairwise(numbers)
            if isinstance(low + high, float) and 0 < high - low <= _ROUNDING * max(abs(low), abs(high))
        ]
    return faults


def axis_named(word: str, axes: Iterable[str]) -> str:
    """The axis that a word means: its full name, or its last part where that is unique.

    Raises
    ------
    UsageError
        No axis, or several, have that last part.
    """
    axes = list(axes)
    if word in axes:
        return word
    found = [each for each in axes if each.rpartition(".")[2] == word]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"axis '{word}' is ambiguous: {', '.join(found)}")
    raise UsageError(f"unknown axis '{word}'{nearest(word, axes)}")
