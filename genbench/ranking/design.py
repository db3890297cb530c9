"""Where each row stands in the grid: levels on the axes, configuration, seed, and the groups made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genbench.ranking.errors import RankingError
from genbench.ranking.ranks import dense_rank, joint_code, stable_order

__all__ = ["Design", "Slices", "check_axis_names", "design_from_codes", "missing_patterns"]

INTERVAL_ENDS = ("low", "high", "se")
TAKEN = frozenset({*INTERVAL_ENDS, "all", "p_random", "tau_b"})
"""Names of axes whose granulated tau would stand in a column that a board has already, as ``psi_low``."""


@dataclass(frozen=True)
class Slices:
    """Rows in an order that makes groups adjacent: group g is ``order[starts[g]:starts[g + 1]]``.

    `level` is the level of each row on the axis in question, in that order, rising within a group.
    """

    order: np.ndarray
    starts: np.ndarray
    level: np.ndarray

    @cached_property
    def levels(self) -> np.ndarray:
        """Number of levels in each group, (G,)."""
        new = np.ones(len(self.level), dtype=np.int64)
        new[1:] = self.level[1:] != self.level[:-1]
        new[self.starts[:-1]] = 1
        return np.add.reduceat(new, self.starts[:-1])

    @property
    def level_pairs(self) -> np.ndarray:
        """Number of pairs of different levels in each group, (G,)."""
        return self.levels * (self.levels - 1) // 2

    @property
    def lone(self) -> bool:
        """Whether a single group has two levels."""
        return int((self.levels > 1).sum()) <= 1

    @property
    def independent(self) -> float:
        """What the groups count for in small-sample corrections: the number of those with two levels.

        A single group counts for half its levels, the disjoint pairs that it could hold.
        """
        several = self.levels[self.levels > 1]
        return float(len(several)) if len(several) > 1 else float(several.sum()) / 2


@dataclass(frozen=True)
class Design:
    """The axes of a grid, as integers.

    Parameters
    ----------
    names : tuple of str
        The axes, each with at least two levels among the rows.
    codes : (n, A) int64 array
        Level of each row on each axis, from 0.
    configuration : (n,) int64 array
        Rows with one code agree on every axis; from 0, without holes. Differs from what `codes` say where
        axes with a single level among the rows were left out of `names` (it does not matter), or never.
    seed : (n,) int64 array
        The coordinate within a configuration that pairs rows of different configurations; all zero when
        repeats are not paired, and then every pair of rows from two configurations counts.
    skipped : tuple of str
        Axes with a single level, which are no axes.
    """

    names: tuple[str, ...]
    codes: np.ndarray
    configuration: np.ndarray
    seed: np.ndarray
    skipped: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """How many rows there are."""
        return len(self.configuration)

    @cached_property
    def n_configurations(self) -> int:
        """How many different configurations the rows have."""
        return int(self.configuration.max(initial=-1)) + 1

    def context(self, axis: int) -> np.ndarray:
        """One code for each combination of all the axes but this one, shape (n,)."""
        others = [self.codes[:, other] for other in range(len(self.names)) if other != axis]
        return joint_code(others, self.n)

    def slices(self, axis: int, within_seed: bool) -> Slices:
        """Rows ordered by context, (seed,) level and seed; a group is a context, or a context and a seed."""
        context = self.context(axis)
        level = self.codes[:, axis]
        group = joint_code([context, self.seed], self.n) if within_seed else context
        order = stable_order(self.seed)
        order = order[stable_order(level[order])]
        order = order[stable_order(group[order])]
        ordered = group[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        return Slices(order, np.append(starts, self.n).astype(np.int64), level[order])

    def take(self, rows: np.ndarray) -> Design:
        """The design of some of the rows; axes keep their places even where one level is left."""
        return Design(
            self.names, self.codes[rows], dense_rank(self.configuration[rows]), self.seed[rows], self.skipped
        )


def missing_patterns(known: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Columns of a bool array (n, M) that know the same rows: their positions, and those rows, (n,) bool."""
    packed = np.packbits(known, axis=0)
    patterns: dict[bytes, list[int]] = {}
    for column in range(known.shape[1]):
        patterns.setdefault(packed[:, column].tobytes(), []).append(column)
    for columns in patterns.values():
        yield np.array(columns), known[:, columns[0]]


def check_axis_names(axes: Collection[str]) -> None:
    """Raise `RankingError` for an axis whose column on a board would be that of something else."""
    taken = TAKEN | {f"{axis}_{end}" for axis in axes for end in INTERVAL_ENDS}
    for axis in axes:
        if axis in taken:
            raise RankingError(
                f"the axis '{axis}' would be scored in 'psi_{axis}', the name of another column; rename it"
            )


def design_from_codes(axes: Mapping[str, np.ndarray], seed: np.ndarray | None = None) -> Design:
    """A design from one integer (or otherwise sortable) column per axis.

    Parameters
    ----------
    axes : mapping from name to (n,) array
    seed : (n,) array, optional
        Rows of different configurations are paired where they agree on it; without it all are.
    """
    ranked = {name: dense_rank(np.asarray(column)) for name, column in axes.items()}
    n = len(next(iter(ranked.values()))) if ranked else (0 if seed is None else len(seed))
    names = tuple(name for name, column in ranked.items() if column.max(initial=0) > 0)
    codes = np.stack([ranked[name] for name in names], axis=1) if names else np.zeros((n, 0), dtype=np.int64)
    return Design(
        names=names,
        codes=codes,
        configuration=joint_code([codes[:, axis] for axis in range(len(names))], n),
        seed=np.zeros(n, dtype=np.int64) if seed is None else dense_rank(np.asarray(seed)),
        skipped=tuple(name for name in ranked if name not in names),
    )
