"""Inner loops of the conditional mutual information, compiled: pairs counted by the cells of their two rows.

A *table* holds, for each conditioning set s with K_s cells, a K_s × K_s block, flattened one after the other:
entry (a, b) of block s is the weight of the pairs (i, j) with i in cell a and j in cell b that a count is
after.
"""

from __future__ import annotations

import numpy as np

from genbench.ranking.jit import compiled

__all__ = ["cell_pairs_below", "cell_pairs_concordant", "set_information"]

SHORT = 16
"""Rows whose pairs are counted one by one before merging begins."""


@compiled
def cell_pairs_concordant(rank, cells, sizes, weights):
    """Table of Σ w_i·w_j over j before i with rank_j < rank_i; cells (n, sets), sizes and weights 1-D."""
    n = len(rank)
    table = np.zeros((sizes * sizes).sum())
    below = np.zeros(sizes.sum())
    source, merged = np.arange(n), np.empty(n, dtype=np.int64)
    for low in range(0, n, SHORT):
        _count_and_sort_short(table, source, low, min(low + SHORT, n), rank, cells, sizes, weights)
    width = SHORT
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            left, right = low, middle
            below[:] = 0.0
            for out in range(low, high):
                # Equal ranks: the right one first, so that ties are not counted.
                if right < high and (left >= middle or rank[source[left]] >= rank[source[right]]):
                    row = source[right]
                    right += 1
                    if left > low:
                        _add_below(table, below, cells[row], sizes, weights[row])
                else:
                    row = source[left]
                    left += 1
                    if right < high:
                        _insert(below, cells[row], sizes, weights[row])
                merged[out] = row
        source, merged = merged, source
        width *= 2
    return table


@compiled
def _count_and_sort_short(table, source, low, high, rank, cells, sizes, weights):
    """Pairs among a few rows one by one, then those rows sorted by rank: cheaper than the first merges."""
    for i in range(low, high):
        for j in range(low, i):
            if rank[j] < rank[i]:
                weight = weights[i] * weights[j]
                block = 0
                for s in range(len(sizes)):
                    table[block + cells[i, s] * sizes[s] + cells[j, s]] += weight
                    block += sizes[s] * sizes[s]
        place = i
        while place > low and rank[source[place - 1]] > rank[i]:
            source[place] = source[place - 1]
            place -= 1
        source[place] = i


@compiled
def cell_pairs_below(group, key, cells, sizes, weights):
    """Table of Σ w_i·w_j over rows i, j of one group with key_j < key_i; rows sorted by group, then key."""
    n = len(group)
    table = np.zeros((sizes * sizes).sum())
    below = np.zeros(sizes.sum())
    first = 0
    while first < n:
        stop = first
        while stop < n and group[stop] == group[first]:
            stop += 1
        if key[stop - 1] != key[first]:
            below[:] = 0.0
            waiting = first
            for row in range(first, stop):
                while key[waiting] != key[row]:
                    _insert(below, cells[waiting], sizes, weights[waiting])
                    waiting += 1
                _add_below(table, below, cells[row], sizes, weights[row])
        first = stop
    return table


@compiled
def _insert(below, cells, sizes, weight):
    lane = 0
    for s in range(len(sizes)):
        below[lane + cells[s]] += weight
        lane += sizes[s]


@compiled
def _add_below(table, below, cells, sizes, weight):
    lane, block = 0, 0
    for s in range(len(sizes)):
        size = sizes[s]
        # Views, because the compiler vectorizes a loop only where it sees that no index is negative.
        into = table[block + cells[s] * size : block + (cells[s] + 1) * size]
        source = below[lane : lane + size]
        for k in range(size):
            into[k] += weight * source[k]
        lane += size
        block += size * size


@compiled
def set_information(concordant, values_below, target_below, tied_below, total, base, fold, sizes, folded):
    """Mutual information, conditional entropy and conditional covariance of every conditioning set.

    Parameters are tables over the base sets: pairs with both larger, with the larger value (empty where no
    pair ties), with the larger target, with the larger target at tied values; and `total`, all pairs of
    different rows. Set t is base set base[t] with its cells merged: cell c becomes fold[t, c], of folded[t]
    cells. Returns (sets, 3).
    """
    sets, ties = len(base), len(values_below) > 0
    result = np.zeros((sets, 3))
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    for s in range(len(sizes)):
        starts[s + 1] = starts[s] + sizes[s] * sizes[s]
    for t in range(sets):
        size, merged = sizes[base[t]], folded[t]
        sums = np.zeros((5, merged, merged))
        for a in range(size):
            for b in range(size):
                entry = starts[base[t]] + a * size + b
                i, j = fold[t, a], fold[t, b]
                sums[0, i, j] += concordant[entry]
                sums[2, i, j] += target_below[entry]
                if ties:
                    sums[1, i, j] += values_below[entry]
                    sums[3, i, j] += tied_below[entry]
                sums[4, i, j] += total[entry]
        joint = np.empty((3, 3))  # by sign of value and of target: +, −, 0
        everything = 0.0
        for i in range(merged):
            for j in range(i + 1):
                pairs = sums[4, i, j]
                if pairs <= 0.0:
                    continue
                times = 1.0 if i == j else 2.0  # (i, j) and (j, i) mirror each other
                _joint_signs(joint, sums[:, i, j], sums[:, j, i], ties)
                _add_information(result[t], joint, pairs, times)
                everything += times * pairs
        if everything > 0.0:
            result[t] /= everything
    return result


@compiled
def _joint_signs(joint, forth, back, ties):
    """Fill the 3 × 3 counts of (sign of value, sign of target) from counts in both orders of the pair."""
    joint[0, 0], joint[1, 1] = forth[0], back[0]
    joint[2, 0], joint[2, 1] = forth[3], back[3]
    joint[1, 0] = forth[2] - joint[0, 0] - joint[2, 0]
    joint[0, 1] = back[2] - joint[1, 1] - joint[2, 1]
    if not ties:
        joint[:, 2] = 0.0
        return
    joint[0, 2] = forth[1] - joint[0, 0] - joint[0, 1]
    joint[1, 2] = back[1] - joint[1, 0] - joint[1, 1]
    joint[2, 2] = forth[4] - forth[1] - back[1] - joint[2, 0] - joint[2, 1]


@compiled
def _add_information(result, joint, pairs, times):
    smallest = 1e-12 * pairs  # what rounding leaves of a count of zero when weights are no whole numbers
    covariance = joint[0, 0] + joint[1, 1] - joint[0, 1] - joint[1, 0]
    by_value = joint[0].sum() - joint[1].sum()
    by_target = joint[:, 0].sum() - joint[:, 1].sum()
    result[2] += times * (covariance - by_value * by_target / pairs)
    for target in range(3):
        column = joint[0, target] + joint[1, target] + joint[2, target]
        if column <= smallest:
            continue
        result[1] -= times * column * np.log(column / pairs)
        for value in range(3):
            count = joint[value, target]
            if count > smallest:
                row = joint[value, 0] + joint[value, 1] + joint[value, 2]
                result[0] += times * count * np.log(count * pairs / (row * column))
