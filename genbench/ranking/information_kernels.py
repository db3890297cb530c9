"""Inner loops of the conditional mutual information, compiled: pairs counted by the cells of their two rows.

A *table* holds, for each conditioning set s with K_s cells, a K_s × K_s block, flattened one after the other:
entry (a, b) of block s is the weight of the pairs (i, j) with i in cell a and j in cell b that a count is
after. There is one for each set of weights, a *lane*: lanes stand innermost, for all of them see the rows in
the same order, and one vector instruction adds to several. Weights are whole numbers wherever there is more
than one lane, so that the order of the additions changes no bit.
"""

from __future__ import annotations

import numpy as np

from genbench.ranking.jit import compiled

__all__ = ["cell_pairs_below", "cell_pairs_concordant", "set_information"]

SHORT, MOST_RUNS = 48, 16
"""Rows whose pairs are counted one by one before merging begins, and runs of rows that are merged at once.

What costs is adding up the cells below a row. Two runs at once would have that done for half of the rows in
each of log2 rounds; sixteen have it done for nearly all, in a quarter as many rounds.
"""


@compiled
def cell_pairs_concordant(rank, order, cells, sizes, weights, table):
    """Add to `table` Σ w_i·w_j over j before i with rank_j < rank_i.

    `order` has the rows by rank, of equal ranks the last first, so that ties are not counted.
    """
    n, lanes = weights.shape
    for low in range(0, n, SHORT):
        _count_short(table, low, min(low + SHORT, n), rank, cells, sizes, weights)
    below, wide = np.empty((MOST_RUNS, sizes.sum() * lanes), dtype=weights.dtype), _wide(sizes, weights)
    inside = np.empty(n, dtype=np.int64)
    width = SHORT
    while width < n:
        block = MOST_RUNS * width
        _sort_blocks(inside, order, block)
        for low in range(0, n, block):
            high = min(low + block, n)
            runs = (high - low + width - 1) // width
            below[:runs] = 0
            for place in range(low, high):
                row = inside[place]
                run = (row - low) // width
                if run > 0:
                    _add_below(table, below[run], wide, cells[row], sizes, weights[row])
                for later in range(run + 1, runs):
                    _insert(below[later], cells[row], sizes, weights[row])
        width = block


@compiled
def _wide(sizes, weights):
    """Room for a row's weights repeated for every cell of the largest set."""
    return np.empty(sizes.max() * weights.shape[1], dtype=weights.dtype)


@compiled
def _sort_blocks(inside, order, block):
    """The rows of each block in turn, those of one in the order of all."""
    following = np.arange(0, len(order), block)
    for row in order:
        place = row // block
        inside[following[place]] = row
        following[place] += 1


@compiled
def _count_short(table, low, high, rank, cells, sizes, weights):
    """Pairs among a few rows, one by one."""
    lanes = weights.shape[1]
    product = np.empty(lanes, dtype=weights.dtype)
    for i in range(low, high):
        for j in range(low, i):
            if rank[j] < rank[i]:
                for lane in range(lanes):
                    product[lane] = weights[i, lane] * weights[j, lane]
                block = 0
                for s in range(len(sizes)):
                    start = block + (cells[i, s] * sizes[s] + cells[j, s]) * lanes
                    into = table[start : start + lanes]
                    for lane in range(lanes):
                        into[lane] += product[lane]
                    block += sizes[s] * sizes[s] * lanes


@compiled
def cell_pairs_below(group, key, cells, sizes, weights, table):
    """Add to `table` Σ w_i·w_j over rows of one group with key_j < key_i; rows sorted by group, then key."""
    n, lanes = weights.shape
    below, wide = np.empty(sizes.sum() * lanes, dtype=weights.dtype), _wide(sizes, weights)
    first = 0
    while first < n:
        stop = first
        while stop < n and group[stop] == group[first]:
            stop += 1
        if key[stop - 1] != key[first]:
            below[:] = 0
            waiting = first
            for row in range(first, stop):
                while key[waiting] != key[row]:
                    _insert(below, cells[waiting], sizes, weights[waiting])
                    waiting += 1
                if waiting > first:
                    _add_below(table, below, wide, cells[row], sizes, weights[row])
        first = stop


@compiled
def _insert(below, cells, sizes, weights):
    lanes, block = len(weights), 0
    for s in range(len(sizes)):
        start = block + cells[s] * lanes
        # Views, because the compiler vectorizes a loop only where it sees that no index is negative.
        into = below[start : start + lanes]
        for lane in range(lanes):
            into[lane] += weights[lane]
        block += sizes[s] * lanes


@compiled
def _add_below(table, below, wide, cells, sizes, weights):
    lanes = len(weights)
    for first in range(0, len(wide), lanes):
        for lane in range(lanes):
            wide[first + lane] = weights[lane]
    passed, block = 0, 0
    for s in range(len(sizes)):
        length = sizes[s] * lanes
        into = table[block + cells[s] * length : block + (cells[s] + 1) * length]
        source = below[passed : passed + length]
        for k in range(length):
            into[k] += wide[k] * source[k]
        passed += length
        block += sizes[s] * length


@compiled
def set_information(
    concordant, values_below, target_below, tied_below, total, base, starts, fold, sizes, folded, result
):
    """Mutual information, conditional entropy and conditional covariance of every lane and conditioning set.

    Parameters are tables over the base sets, (entries, lanes): pairs with both larger, with the larger value
    (empty where no pair ties), with the larger target, with the larger target at tied values; and `total`,
    all pairs of different rows. Set t is base set base[t], whose block begins at starts[t], with its cells
    merged: cell c becomes fold[t, c], of folded[t] cells. Fills `result` (lanes, sets, 3).
    """
    ties = len(values_below) > 0
    joint = np.empty(9)
    for lane in range(total.shape[1]):
        for t in range(len(base)):
            size, merged = sizes[base[t]], folded[t]
            block = merged * merged
            sums = np.zeros(5 * block)  # the five tables of the set, one after the other
            for a in range(size):
                for b in range(size):
                    entry = starts[t] + a * size + b
                    place = fold[t, a] * merged + fold[t, b]
                    sums[place] += concordant[entry, lane]
                    sums[2 * block + place] += target_below[entry, lane]
                    sums[4 * block + place] += total[entry, lane]
                    if ties:
                        sums[block + place] += values_below[entry, lane]
                        sums[3 * block + place] += tied_below[entry, lane]
            _information_of_set(result[lane, t], sums, merged, joint, ties)


@compiled
def _information_of_set(result, sums, merged, joint, ties):
    everything, block = 0.0, merged * merged
    for i in range(merged):
        for j in range(i + 1):
            pairs = sums[4 * block + i * merged + j]
            if pairs <= 0.0:
                continue
            times = 1.0 if i == j else 2.0  # (i, j) and (j, i) mirror each other
            _joint_signs(joint, sums, block, i * merged + j, j * merged + i, pairs, ties)
            _add_information(result, joint, pairs, times)
            everything += times * pairs
    if everything > 0.0:
        for k in range(3):
            result[k] /= everything


@compiled
def _joint_signs(joint, sums, block, forth, back, pairs, ties):
    """Fill the counts at 3·(sign of value) + (sign of target), signs in the order +, −, 0.

    `forth` and `back` are the places of a pair of cells in both orders.
    """
    joint[0], joint[4] = sums[forth], sums[back]
    joint[6], joint[7] = sums[3 * block + forth], sums[3 * block + back]
    joint[3] = sums[2 * block + forth] - joint[0] - joint[6]
    joint[1] = sums[2 * block + back] - joint[4] - joint[7]
    if ties:
        larger, smaller = sums[block + forth], sums[block + back]
        joint[2] = larger - joint[0] - joint[1]
        joint[5] = smaller - joint[3] - joint[4]
        joint[8] = pairs - larger - smaller - joint[6] - joint[7]
    else:
        joint[2] = joint[5] = joint[8] = 0.0


@compiled
def _add_information(result, joint, pairs, times):
    smallest = 1e-12 * pairs  # what rounding leaves of a count of zero when weights are no whole numbers
    by_value = joint[0] + joint[1] + joint[2] - joint[3] - joint[4] - joint[5]
    by_target = joint[0] + joint[3] + joint[6] - joint[1] - joint[4] - joint[7]
    covariance = joint[0] + joint[4] - joint[1] - joint[3]
    result[2] += times * (covariance - by_value * by_target / pairs)
    for target in range(3):
        column = joint[target] + joint[3 + target] + joint[6 + target]
        if column <= smallest:
            continue
        result[1] -= times * column * np.log(column / pairs)
        for value in range(3):
            count = joint[3 * value + target]
            if count > smallest:
                row = joint[3 * value] + joint[3 * value + 1] + joint[3 * value + 2]
                result[0] += times * count * np.log(count * pairs / (row * column))
