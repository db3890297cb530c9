"""Grids: products of the values that settings take, made as far as they are used."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from genbench.base.canonical import canonical_json
from genbench.base.errors import InvalidInput
from genbench.contract.components import Component, Kind, Setting
from genbench.host.settings import check

__all__ = [
    "AXES",
    "DEFAULT_PROTOCOL",
    "EMPTY",
    "LARGEST_SEED",
    "Alternative",
    "Grid",
    "Points",
    "as_axes",
    "axis_faults",
    "check_point",
    "is_axis",
    "repeated_levels",
]

AXES = ("dataset", "model", "protocol", "regularizers", "seeds")
"""The keys of a suite that make its grid."""

DEFAULT_PROTOCOL = "interpolate"

LARGEST_SEED = 2**63 - 1
"""What tables can hold as a whole number."""

EMPTY = "has no values, so that the grid is empty"

# Of a larger product the other points are checked when a plan comes to them.
POINTS_CHECKED_AT_ONCE = 10_000


class Points:
    """The product of the values that each setting of a component takes, the last one varying fastest.

    A point is made when it is first asked for: a product may be far larger than what is run of it.

    Parameters
    ----------
    axes : mapping from setting to sequence
    complete : callable
        From the settings given at a point to all settings; may raise `InvalidInput`.
    """

    def __init__(
        self,
        axes: Mapping[str, Sequence[Any]],
        complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ):
        self._axes = axes
        self._complete = complete
        self._made: dict[int, Mapping[str, Any]] = {}
        self.size = math.prod(len(each) for each in axes.values())

    def check(self) -> None:
        """Make the first points, so that what is wrong with one shows before any is run."""
        for _ in itertools.islice(self, POINTS_CHECKED_AT_ONCE):
            pass

    def __bool__(self) -> bool:
        return self.size > 0

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        if index not in self._made:
            left = range(self.size)[index]
            given = {}
            for name in reversed(list(self._axes)):
                left, place = divmod(left, len(self._axes[name]))
                given[name] = self._axes[name][place]
            self._made[index] = self._complete(given)
        return self._made[index]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (self[index] for index in range(self.size))


@dataclass(frozen=True)
class Alternative:
    """One component with its full settings at each point."""

    component: Component
    points: Points


@dataclass(frozen=True)
class Grid:
    """A product of alternatives; `regularizers` holds one tuple of components for each alternative."""

    dataset: tuple[Alternative, ...]
    model: tuple[Alternative, ...]
    protocol: tuple[Alternative, ...]
    regularizers: tuple[tuple[Alternative, ...], ...]
    seeds: Sequence[int]

    @property
    def settings(self) -> set[str]:
        """Names of all settings of its components."""
        parts = (self.dataset, self.model, self.protocol, *self.regularizers)
        return {name for part in parts for each in part for name in each.component.settings}

    @property
    def size(self) -> int:
        """Number of points, seeds included."""
        parts = [sum(each.points.size for each in part) for part in (self.dataset, self.model, self.protocol)]
        stacks = sum(math.prod(each.points.size for each in stack) for stack in self.regularizers)
        return math.prod(parts) * stacks * len(self.seeds)


def as_axes(component: Component, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values that each of the given settings takes; a single value is an axis of one."""
    return {
        name: value if is_axis(value, of_a_list=_takes_lists(component.settings.get(name))) else [value]
        for name, value in values.items()
    }


def axis_faults(component: Component, axes: Mapping[str, Sequence[Any]]) -> list[str]:
    """What is wrong with any value of any axis, each fault once."""
    faults: dict[str, None] = {}
    for combination in _each_value_once(axes):
        faults.update(dict.fromkeys(check(component, combination)[1]))
    faults.update((f"{name} = []: {EMPTY}", None) for name, each in axes.items() if not each)
    return list(faults)


def repeated_levels(levels: Sequence[Any]) -> list[str]:
    """Levels that an axis names more than once, as a key has them: 1 and 1.0 are one."""
    try:
        counts = Counter(canonical_json(each) for each in levels)
    except (TypeError, ValueError):  # what no setting can be is told elsewhere
        return []
    return [level for level, count in counts.items() if count > 1]


def check_point(component: Component, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """All settings at a point, and what is wrong with them, also with several of them together."""
    settings, problems = check(component, given)
    if component.kind in (Kind.PROTOCOL, Kind.REGULARIZER) and not problems:
        problems = _constructible(component, settings)
    return settings, problems


def _each_value_once(axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Enough combinations to see every value of every axis: their number is that of the longest axis."""
    axes = {name: each for name, each in axes.items() if each}
    longest = max((len(each) for each in axes.values()), default=1)
    for index in range(longest):
        yield {name: each[min(index, len(each) - 1)] for name, each in axes.items()}


def _constructible(component: Component, settings: Mapping[str, Any]) -> list[str]:
    try:
        component.object(**settings)
    except (ValueError, InvalidInput) as fault:
        return [str(fault)]
    return []


def is_axis(value: Any, *, of_a_list: bool) -> bool:
    """A list is an axis, unless the setting itself is a list; then a list of lists is."""
    if not isinstance(value, list):
        return False
    return all(isinstance(each, list) for each in value) if of_a_list and value else not of_a_list


def _takes_lists(known: Setting | None) -> bool:
    annotation = getattr(known, "annotation", None)
    alternatives = (annotation, *get_args(annotation))
    return annotation in (list, tuple) or any(get_origin(each) in (list, tuple) for each in alternatives)
