"""Conditional mutual information between the order a measure gives to pairs and the order of the target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from genbench.ranking.design import Design
from genbench.ranking.ranks import EXACT, dense_rank, joint_code, stable_order

__all__ = [
    "ConditionalInformation",
    "ConditioningSets",
    "PairCounter",
    "conditional_information",
    "conditioning_sets",
]

MOST_CELLS = 512
"""A set of axes with more occupied cells is left out: it would hold hardly two rows a cell to learn from."""

CACHED, MOST_LANES = 131_072, 64
"""Numbers of a table, over all its sets of weights, that are near at hand; and sets of weights at most.

A megabyte is in the second cache of a processor of today. In the first one lanes would be few, and what is
done for a row whatever their number would cost more than what is done for each.
"""


@dataclass(frozen=True)
class ConditioningSets:
    """All sets of at most two axes, as cells; counts are kept for `base` sets, the others are sums of those.

    Parameters
    ----------
    names : tuple of tuple of str
        The sets, by size: ``()``, ``("depth",)``, ``("depth", "width")`` ...
    cells : (n, base) int64 array
        Cell of each row in each base set.
    sizes : (base,) int64 array
        Number of cells, empty ones added to make it a multiple of four, which suits vector registers.
    base, folded : (sets,) int64 arrays
        The base set that each set is summed from, and its number of cells.
    fold : (sets, most cells) int64 array
        Cell of the base set to cell of the set.
    left_out : tuple of tuple of str
        Sets with more than `MOST_CELLS` cells.
    """

    names: tuple[tuple[str, ...], ...]
    cells: np.ndarray
    sizes: np.ndarray
    base: np.ndarray
    folded: np.ndarray
    fold: np.ndarray
    left_out: tuple[tuple[str, ...], ...]

    @property
    def starts(self) -> np.ndarray:
        """Where the block of each base set begins in a table, (base,)."""
        return np.cumsum(self.sizes**2) - self.sizes**2

    def take(self, rows: np.ndarray) -> ConditioningSets:
        """The cells of some of the rows; a cell may be left empty."""
        return replace(self, cells=self.cells[rows])

    @property
    def entries(self) -> int:
        """How many a table has, see `information_kernels`."""
        return int((self.sizes**2).sum())

    def lanes(self, weights: np.ndarray) -> list[np.ndarray]:
        """Whole weights (n, B), side by side, cut into parts whose tables stay in a processor's cache.

        They are in single precision, twice as many at once and each in half the time, where no count of
        pairs can be more than that holds exactly.
        """
        short = self._most_pairs(weights) <= EXACT
        weights = weights.astype(np.float32 if short else float)
        at_once = int(np.clip((1 + short) * CACHED // self.entries, 1, MOST_LANES))
        return np.array_split(weights, -(-weights.shape[1] // at_once), axis=1)

    def _most_pairs(self, weights: np.ndarray) -> float:
        """What no entry of a table under these weights exceeds."""
        return max(
            float((np.eye(size)[cells].T @ weights).max(initial=0)) ** 2
            for cells, size in zip(self.cells.T, self.sizes, strict=True)
        )


@dataclass(frozen=True)
class ConditionalInformation:
    """Per conditioning set, shapes (sets,), and what is left of them.

    Parameters
    ----------
    names : tuple of tuple of str
    normalized : array
        Î = I(V_μ; V_g | U_S) / H(V_g | U_S), in [0, 1]; NaN where the cells leave nothing to know (H = 0).
    covariance : array
        Conditional covariance of the two signs, whose sign is the direction of the association.
    minimum : float
        K: the smallest Î; NaN where none exists.
    signed : float
        K with the sign of the association in the set where it is attained.
    attained : tuple of str or None
        That set; the first of equals.
    """

    names: tuple[tuple[str, ...], ...]
    normalized: np.ndarray
    covariance: np.ndarray
    minimum: float
    signed: float
    attained: tuple[str, ...] | None


def conditioning_sets(design: Design) -> ConditioningSets:
    """List the sets of zero, one and two axes and give every row its cell in each."""
    count = len(design.names)
    wanted: list[tuple[int, ...]] = [axes for size in range(3) for axes in combinations(range(count), size)]
    cells = {axes: joint_code([design.codes[:, axis] for axis in axes], design.n) for axes in wanted}
    size = {axes: int(cells[axes].max(initial=0)) + 1 for axes in wanted}
    kept = [axes for axes in wanted if size[axes] <= MOST_CELLS]
    base: list[tuple[int, ...]] = []
    for axes in reversed(kept):  # pairs first: what they contain is summed from them
        if not any(set(axes) <= set(larger) for larger in base):
            base.append(axes)
    parents = [min((b for b in base if set(axes) <= set(b)), key=lambda b: size[b]) for axes in kept]
    fold = np.zeros((len(kept), max(_padded(size[axes]) for axes in base)), dtype=np.int64)
    for place, (axes, parent) in enumerate(zip(kept, parents, strict=True)):
        fold[place, cells[parent]] = cells[axes]
    return ConditioningSets(
        names=tuple(tuple(design.names[axis] for axis in axes) for axes in kept),
        cells=np.stack([cells[axes] for axes in base], axis=1),
        sizes=np.array([_padded(size[axes]) for axes in base], dtype=np.int64),
        base=np.array([base.index(parent) for parent in parents], dtype=np.int64),
        folded=np.array([size[axes] for axes in kept], dtype=np.int64),
        fold=fold,
        left_out=tuple(tuple(design.names[a] for a in axes) for axes in wanted if size[axes] > MOST_CELLS),
    )


def _padded(size: int) -> int:
    return -(-size // 4) * 4


@dataclass(frozen=True)
class Weighting:
    """Sets of weights (n, B), with what they say of the target alone: shared by all measures.

    `total` and `target_below` are tables (see `information_kernels`) of all ordered pairs of different rows
    and of those whose first row has the larger target, (entries, B).
    """

    weights: np.ndarray
    total: np.ndarray
    target_below: np.ndarray


@dataclass(frozen=True)
class Informations:
    """`ConditionalInformation` under each of B sets of weights.

    Parameters
    ----------
    normalized, covariance : (B, sets) arrays
    minimum, signed : (B,) arrays
    place : (B,) array
        Of the set with the minimum; −1 where none exists.
    """

    normalized: np.ndarray
    covariance: np.ndarray
    minimum: np.ndarray
    signed: np.ndarray
    place: np.ndarray


class PairCounter:
    """Counts the pairs of rows by their cells and by the order of one measure and one target.

    The orders of the rows are found once; all sets of weights then share the rounds of a merge sort that
    carries, for every conditioning set, the weights per cell of the rows already passed.

    Parameters
    ----------
    values, target : (n,) arrays
        Infinities are ordered values that tie with each other; NaN is not allowed.
    sets : ConditioningSets
        Of these rows.

    Notes
    -----
    Time O(n log n · Σ_S cells(S)) per set of weights, Σ over the base sets; memory O(Σ_S cells(S)²). Nothing
    is ever held or looped over per pair.
    """

    def __init__(self, values: np.ndarray, target: np.ndarray, sets: ConditioningSets):
        self._sets = sets
        rank, against = dense_rank(values), dense_rank(target)
        rising = stable_order(rank)
        falling = stable_order(int(rank.max(initial=0)) - rank)
        by_target = stable_order(against)
        by_both = by_target[stable_order(rank[by_target])]
        alone = np.zeros(len(rank), dtype=np.int64)
        # Target ascending, within its ties values descending.
        self._concordant = falling[stable_order(against[falling])]
        self._rank = rank[self._concordant]
        # By value, of equal ones the last first.
        self._rising = len(rank) - 1 - stable_order(self._rank[::-1])
        # Each scan: an order of the rows, the groups within which pairs count, and what is compared.
        self._by_target = by_target, alone, against[by_target]
        self._by_value = rising, alone, rank[rising]
        self._tied = by_both, rank[by_both], against[by_both]
        self._ties = rank.max(initial=0) + 1 < len(rank) or against.max(initial=0) + 1 < len(rank)

    def weighting(self, weights: np.ndarray) -> Weighting:
        """Prepare sets of weights (n, B) for this measure and any other with the same rows and target.

        Where there is more than one set, or they are in single precision, they must be whole numbers.
        """
        return Weighting(weights, _all_pairs(self._sets, weights), self._below(weights, *self._by_target))

    def information(self, weighting: Weighting) -> Informations:
        """The information, a pair counting with the product of its rows' weights."""
        from genbench.ranking.information_kernels import set_information

        sets, weights, none = self._sets, weighting.weights, np.zeros((0, 0), dtype=weighting.weights.dtype)
        found = np.zeros((weights.shape[1], len(sets.names), 3))
        set_information(
            self.concordant(weights),
            self.values_below(weights) if self._ties else none,
            weighting.target_below,
            self._below(weights, *self._tied) if self._ties else none,
            weighting.total,
            sets.base,
            sets.starts[sets.base],
            sets.fold,
            sets.sizes,
            sets.folded,
            found,
        )
        return _summary(*np.moveaxis(found, 2, 0))

    def concordant(self, weights: np.ndarray) -> np.ndarray:
        """Table of the pairs whose first row has the larger value and the larger target, (entries, B)."""
        from genbench.ranking.information_kernels import cell_pairs_concordant

        sets, rows = self._sets, self._concordant
        table = np.zeros((sets.entries, weights.shape[1]), dtype=weights.dtype)
        cell_pairs_concordant(
            self._rank, self._rising, sets.cells[rows], sets.sizes, weights[rows], table.ravel()
        )
        return table

    def values_below(self, weights: np.ndarray) -> np.ndarray:
        """Table of the pairs whose first row has the larger value, (entries, B)."""
        return self._below(weights, *self._by_value)

    def _below(
        self, weights: np.ndarray, order: np.ndarray, group: np.ndarray, key: np.ndarray
    ) -> np.ndarray:
        from genbench.ranking.information_kernels import cell_pairs_below

        sets = self._sets
        table = np.zeros((sets.entries, weights.shape[1]), dtype=weights.dtype)
        cell_pairs_below(group, key, sets.cells[order], sets.sizes, weights[order], table.ravel())
        return table


def _all_pairs(sets: ConditioningSets, weights: np.ndarray) -> np.ndarray:
    """Table of the weights of all ordered pairs of different rows, (entries, B)."""
    blocks = []
    for place, size in enumerate(sets.sizes):
        inside = (sets.cells[:, place] == np.arange(size)[:, None]).astype(float)
        mass = inside @ weights
        block = mass[:, None] * mass
        block[np.diag_indices(size)] -= inside @ weights**2
        blocks.append(block.reshape(-1, weights.shape[1]))
    return np.concatenate(blocks)


def _summary(mutual: np.ndarray, entropy: np.ndarray, covariance: np.ndarray) -> Informations:
    exists = entropy > 1e-12
    normalized = np.full(mutual.shape, np.nan)
    np.divide(mutual, entropy, out=normalized, where=exists)
    normalized = np.clip(normalized, 0.0, 1.0)
    place = np.where(exists, normalized, np.inf).argmin(axis=1)
    lanes = np.arange(len(place))
    minimum = normalized[lanes, place]
    signed = np.sign(covariance[lanes, place]) * minimum
    return Informations(normalized, covariance, minimum, signed, np.where(exists.any(axis=1), place, -1))


def conditional_information(
    values: np.ndarray, target: np.ndarray, design: Design, weights: np.ndarray | None = None
) -> ConditionalInformation:
    """Î(S) for every set S of at most two axes, and their minimum K.

    Over ordered pairs (i, j) of different rows let V_μ = sign(μ_i − μ_j), V_g = sign(g_i − g_j), each −1, 0
    or 1, and U_S the values of both rows on the axes in S. Then

        I(V_μ; V_g | U_S) = Σ_u p(u) Σ_{a,b} p(a, b | u) log[ p(a, b | u) / (p(a | u) p(b | u)) ]
        Î(S) = I(V_μ; V_g | U_S) / H(V_g | U_S) ,    K = min over |S| ≤ 2 of Î(S) ,

    p being shares of the pairs' weights: cells count by their pairs, empty ones not at all. A constant
    measure has K = 0. I does not see direction (−μ scores as μ); `signed` does. The plug-in value is biased
    upwards by about one over the number of rows per cell: compare with the band of random measures.

    Parameters
    ----------
    values, target : (n,) arrays
        Infinities are ordered values that tie with each other; NaN is not allowed.
    design : Design
    weights : (n,) array, optional
        A pair counts with the product of its rows' weights.

    Notes
    -----
    O(n log n · Σ_S cells(S)), see `PairCounter`.

    References
    ----------
    Jiang et al. 2020, arXiv 1912.02178, section 3.3, eq. 8-10.
    """
    sets = conditioning_sets(design)
    counter = PairCounter(np.asarray(values), np.asarray(target), sets)
    lane = np.ones(design.n) if weights is None else np.asarray(weights, dtype=float)
    found = counter.information(counter.weighting(lane[:, None]))
    place = int(found.place[0])
    return ConditionalInformation(
        sets.names,
        found.normalized[0],
        found.covariance[0],
        float(found.minimum[0]),
        float(found.signed[0]),
        None if place < 0 else sets.names[place],
    )
