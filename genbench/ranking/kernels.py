"""The inner loops, compiled: plain arrays in, plain arrays out. Each statistic's own file says what they mean."""

from __future__ import annotations

import numpy as np

from genbench.ranking.jit import compiled

__all__ = ["concordant_weight", "granulated_sums", "granulated_dyads", "rank_moments"]


@compiled
def concordant_weight(rank, weights):
    """Σ w_i·w_j over i before j with rank_i < rank_j, for every column of `weights` (n, B)."""
    n, lanes = weights.shape
    total = np.zeros(lanes)
    below = np.empty(lanes)
    source = np.arange(n)
    sorted_ = np.empty(n, dtype=np.int64)
    width = 1
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
                    for lane in range(lanes):
                        total[lane] += weights[row, lane] * below[lane]
                else:
                    row = source[left]
                    left += 1
                    if right < high:
                        for lane in range(lanes):
                            below[lane] += weights[row, lane]
                sorted_[out] = row
        source, sorted_ = sorted_, source
        width *= 2
    return total


@compiled
def granulated_sums(values, target, level, starts, weights):
    """Sum over groups of the weighted mean of sign·sign, and the weight of the pairs in every group.

    values (n, M), NaN where missing; target, level, weights (n,), rows of one group adjacent, from
    starts[g] to starts[g + 1]. Returns sums (M,), present (M,), pairs (G, M).
    """
    groups, measures = len(starts) - 1, values.shape[1]
    sums, present = np.zeros(measures), np.zeros(measures)
    pairs = np.zeros((groups, measures))
    agreement = np.empty(measures)
    for group in range(groups):
        agreement[:] = 0.0
        for i in range(starts[group], starts[group + 1]):
            for j in range(starts[group], i):
                weight = weights[i] * weights[j]
                if level[i] == level[j] or weight == 0.0:
                    continue
                sign = (1.0 if target[i] > target[j] else 0.0) - (1.0 if target[i] < target[j] else 0.0)
                for m in range(measures):
                    a, b = values[i, m], values[j, m]
                    up, down = (1.0 if a > b else 0.0), (1.0 if a < b else 0.0)
                    pairs[group, m] += weight * (up + down + (1.0 if a == b else 0.0))
                    agreement[m] += weight * sign * (up - down)
        for m in range(measures):
            if pairs[group, m] > 0.0:
                sums[m] += agreement[m] / pairs[group, m]
                present[m] += 1.0
    return sums, present, pairs


@compiled
def granulated_dyads(values, target, level, seed, group, configuration, starts, pairs, present, centre, ends):
    """Residuals of the granulated tau, summed over the pairs of rows of each pair of configurations.

    Rows of one context (all other axes) adjacent and sorted by level; `group` is the row's index in `pairs`.
    Returns residuals (D, M) and the two configurations of each dyad (D, 2); `ends` bounds D.
    """
    measures = values.shape[1]
    residuals = np.zeros((ends, measures))
    nodes = np.zeros((ends, 2), dtype=np.int64)
    dyad = 0
    for context in range(len(starts) - 1):
        stop = starts[context + 1]
        first = starts[context]
        while first < stop:
            first_end = first
            while first_end < stop and level[first_end] == level[first]:
                first_end += 1
            second = first_end
            while second < stop:
                second_end = second
                while second_end < stop and level[second_end] == level[second]:
                    second_end += 1
                nodes[dyad, 0], nodes[dyad, 1] = configuration[first], configuration[second]
                for i in range(first, first_end):
                    for j in range(second, second_end):
                        if seed[i] != seed[j]:
                            continue
                        sign = (1.0 if target[i] > target[j] else 0.0) - (1.0 if target[i] < target[j] else 0.0)
                        for m in range(measures):
                            a, b = values[i, m], values[j, m]
                            up, down = (1.0 if a > b else 0.0), (1.0 if a < b else 0.0)
                            if up + down > 0.0 or a == b:
                                share = 1.0 / (present[m] * pairs[group[i], m])
                                residuals[dyad, m] += share * (sign * (up - down) - centre[m])
                dyad += 1
                second = second_end
            first = first_end
    return residuals[:dyad], nodes[:dyad]


@compiled
def rank_moments(order, tie_end, weights, target_rank):
    """Weighted midranks of a measure against given midranks of the target.

    order (n,) sorts the measure, tie_end[k] is the end of the tie that position k belongs to; weights and
    target_rank (n, B). Returns Σ w·r·t and Σ w·r² with r the measure's midrank, each (B,).
    """
    n, lanes = weights.shape
    cross, square = np.zeros(lanes), np.zeros(lanes)
    before, tied = np.zeros(lanes), np.empty(lanes)
    first = 0
    while first < n:
        stop = tie_end[first]
        tied[:] = 0.0
        for k in range(first, stop):
            for lane in range(lanes):
                tied[lane] += weights[order[k], lane]
        for k in range(first, stop):
            row = order[k]
            for lane in range(lanes):
                midrank = before[lane] + 0.5 * tied[lane]
                cross[lane] += weights[row, lane] * midrank * target_rank[row, lane]
                square[lane] += weights[row, lane] * midrank * midrank
        for lane in range(lanes):
            before[lane] += tied[lane]
        first = stop
    return cross, square
