"""Which configurations to run first, so that the part of a grid that is run speaks for the whole."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from genbench.base.canonical import digest
from genbench.planning.axes import axis_values

__all__ = ["balanced_order", "level_counts"]


def balanced_order(coordinates: Sequence[Mapping[str, Any]], first: Iterable[int] = ()) -> list[int]:
    """An order of configurations of which every beginning is balanced.

    Each next one keeps the share of every level of every axis as near as can be to its share in the whole
    grid. Among those that do so equally well comes the one that gives the granulated coefficient most: pairs
    that differ in one axis alone, above all on the axes that have few of them yet. What remains equal is
    ordered by a hash, so that the beginning of the grid is not preferred.

    Parameters
    ----------
    coordinates : sequence of mapping
        For each configuration its settings by name, see `Trial.coordinates`.
    first : iterable of int
        Those that are there already; they come first and count.

    Returns
    -------
    list of int
        Indices of all configurations.
    """
    axes = axis_values(coordinates)
    count = len(coordinates)
    if not axes:
        return list(range(count))
    levels = np.stack([_codes(column) for column in axes.values()])
    groups = np.stack([_codes(zip(*_others(axes, name), strict=True)) for name in axes])
    tie = np.array([int(digest(dict(each))[:12], 16) for each in coordinates])
    picker = _Picker(levels, groups, np.argsort(np.argsort(tie)))
    order = list(dict.fromkeys(first))
    for index in order:
        picker.take(index)
    while len(order) < count:
        order.append(picker.best())
        picker.take(order[-1])
    return order


class _Picker:
    """What is chosen so far, and what each of the others would add.

    Parameters
    ----------
    levels : array of int, shape (axes, n)
        Level of each configuration on each axis.
    groups : array of int, shape (axes, n)
        For each axis, configurations of one group agree on all other axes.
    tie : array of int, shape (n,)
        The order of what is equal otherwise.
    """

    def __init__(self, levels: np.ndarray, groups: np.ndarray, tie: np.ndarray):
        self._levels, self._groups, self._tie = levels, groups, tie
        axes, self._total = levels.shape
        self._rows = np.arange(axes)[:, None]
        self._there = np.zeros((axes, levels.max() + 1))
        self._wanted = np.zeros_like(self._there)
        np.add.at(self._wanted, (np.broadcast_to(self._rows, levels.shape), levels), 1 / self._total)
        self._neighbours = np.zeros((axes, groups.max() + 1))
        self._pairs = np.zeros(axes)
        self._free = np.ones(self._total, dtype=bool)
        self._chosen = 0

    def best(self) -> int:
        """The next configuration."""
        free = np.flatnonzero(self._free)
        missing = (self._chosen + 1) * self._wanted - self._there
        balance = missing[self._rows, self._levels[:, free]].sum(axis=0)
        free = free[balance > balance.max() - 1e-9]
        worth = (self._neighbours[self._rows, self._groups[:, free]] > 0) / (1 + self._pairs[:, None])
        worth = worth.sum(axis=0)
        free = free[worth > worth.max() - 1e-9]
        return int(free[np.argmin(self._tie[free])])

    def take(self, index: int) -> None:
        """Count a configuration as chosen."""
        rows = self._rows[:, 0]
        near = self._neighbours[rows, self._groups[:, index]]
        self._pairs += near
        self._neighbours[rows, self._groups[:, index]] += 1
        self._there[rows, self._levels[:, index]] += 1
        self._free[index] = False
        self._chosen += 1


def level_counts(coordinates: Sequence[Mapping[str, Any]]) -> dict[str, dict[Any, int]]:
    """How many configurations have each level of each axis."""
    counts: dict[str, dict[Any, int]] = {}
    for name, column in axis_values(coordinates).items():
        counts[name] = {}
        for level in column:
            counts[name][level] = counts[name].get(level, 0) + 1
    return counts


def _codes(values: Iterable[Hashable]) -> np.ndarray:
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(each, len(known)) for each in values])


def _others(axes: Mapping[str, Sequence[Any]], name: str) -> list[Sequence[Any]]:
    """The columns of the other axes; where there is none, one that tells nothing apart."""
    return [column for other, column in axes.items() if other != name] or [[0] * len(axes[name])]
