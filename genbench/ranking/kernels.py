"""The inner loops, compiled: plain arrays in and out. Each statistic's own file says what they mean."""

from __future__ import annotations

import numpy as np

from genbench.ranking.jit import compiled

__all__ = [
    "best_choices",
    "concordant_count",
    "concordant_weight",
    "environment_sums",
    "granulated_pairs",
    "granulated_sums",
    "rank_moments",
    "target_levels",
    "tied_pairs",
    "weighted_top",
]


@compiled
def concordant_weight(rank, weights):
    """Σ w_i·w_j over i before j with rank_i < rank_j, for every column of `weights` (n, B).

    In single precision the weights must be whole, and none times the sum of all more than that holds exactly.
    """
    n, lanes = weights.shape
    total = np.zeros(lanes)
    below = np.empty(lanes, dtype=weights.dtype)
    source = np.arange(n)
    sorted_ = np.empty(n, dtype=np.int64)
    width = 1
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            left, right = low, middle
            below[:] = 0
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
def concordant_count(rank):
    """Number of i before j with rank_i < rank_j; rank (n,) from 0.

    Ranks met so far are marked, and counted by blocks of about √n: a few vector instructions for each row
    where a merge sort mispredicts a branch in every other comparison.
    """
    n = len(rank)
    width = max(64, int(np.sqrt(n)))
    seen = np.zeros(n + width, dtype=np.int32)
    before = np.zeros(n // width + 2, dtype=np.int32)  # marks in the blocks before this one
    total = 0
    for place in range(n):
        value = rank[place]
        block = value // width
        inside = seen[block * width : value]
        count = np.int32(0)
        for k in range(len(inside)):
            count += inside[k]
        total += before[block] + count
        seen[value] += 1
        later = before[block + 1 :]
        for k in range(len(later)):
            later[k] += 1
    return total


@compiled
def tied_pairs(order, codes, weights):
    """Σ_ties ((Σw)² − Σw²)/2 for every column of `weights` (n, B); `order` sorts `codes` (n,)."""
    n, lanes = weights.shape
    total, tied = np.zeros(lanes), np.empty(lanes)
    first = 0
    while first < n:
        stop = first + 1
        while stop < n and codes[order[stop]] == codes[order[first]]:
            stop += 1
        if stop > first + 1:
            tied[:] = 0.0
            for row in order[first:stop]:
                for lane in range(lanes):
                    tied[lane] += weights[row, lane]
                    total[lane] -= weights[row, lane] * weights[row, lane]
            for lane in range(lanes):
                total[lane] += tied[lane] * tied[lane]
        first = stop
    return total / 2.0


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
def granulated_pairs(values, target, level, seed, starts, ends):
    """The pairs of rows that a granulated tau compares: agreement of each measure, the two rows, the dyad.

    Rows of one context (all other axes) adjacent and sorted by level. Returns agreement (P, M): sign·sign, or
    2 where the measure has no value; positions (P, 2); and the number of the pair of configurations (P,),
    rising from 0. `ends` bounds P.
    """
    measures = values.shape[1]
    agreement = np.empty((ends, measures), dtype=np.int8)
    rows = np.empty((ends, 2), dtype=np.int64)
    dyads = np.empty(ends, dtype=np.int64)
    place, dyad = 0, 0
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
                before = place
                for i in range(first, first_end):
                    for j in range(second, second_end):
                        if seed[i] != seed[j]:
                            continue
                        sign = (1 if target[i] > target[j] else 0) - (1 if target[i] < target[j] else 0)
                        for m in range(measures):
                            a, b = values[i, m], values[j, m]
                            if a > b:
                                agreement[place, m] = sign
                            elif a < b:
                                agreement[place, m] = -sign
                            else:
                                agreement[place, m] = 0 if a == b else 2
                        rows[place, 0], rows[place, 1] = i, j
                        dyads[place] = dyad
                        place += 1
                dyad += place > before
                second = second_end
            first = first_end
    return agreement[:place], rows[:place], dyads[:place]


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


@compiled
def pair_weight(difference, first, second):
    """(p₁·p₂ − ½)₊ with p = (1 − 2·exp(−2n(Δ/2)²))₊, n the two numbers of test examples."""
    half = difference / 2.0
    sure = max(0.0, 1.0 - 2.0 * np.exp(-2.0 * first * half * half))
    sure *= max(0.0, 1.0 - 2.0 * np.exp(-2.0 * second * half * half))
    return max(0.0, sure - 0.5)


@compiled
def environment_sums(
    values, target, level, configuration, starts, test_size, weights, effective, loss, nodes, sample
):
    """Weighted mean sign-error per pair of configurations of one context, rows sorted by context and level.

    A pair weighs the product of its rows' weights, with test sizes (no empty array) times `pair_weight`.
    Fills loss (pairs, M), the configurations `nodes` (pairs, 2) and the effective `sample` (pairs,).
    """
    measures = values.shape[1]
    wrong, weight, square = np.empty(measures), np.empty(measures), np.empty(measures)
    place = 0
    for context in range(len(starts) - 1):
        first, stop = starts[context], starts[context + 1]
        while first < stop:
            first_end = first
            while first_end < stop and level[first_end] == level[first]:
                first_end += 1
            second = first_end
            while second < stop:
                second_end = second
                while second_end < stop and level[second_end] == level[second]:
                    second_end += 1
                nodes[place, 0], nodes[place, 1] = configuration[first], configuration[second]
                wrong[:], weight[:], square[:] = 0.0, 0.0, 0.0
                all_weight, all_square = 0.0, 0.0
                for i in range(first, first_end):
                    for j in range(second, second_end):
                        w = weights[i] * weights[j]
                        if w > 0.0 and len(test_size):
                            w *= pair_weight(target[i] - target[j], test_size[i], test_size[j])
                        if w == 0.0:
                            continue
                        all_weight += w
                        all_square += w * w
                        sign = (1.0 if target[i] > target[j] else 0.0) - (
                            1.0 if target[i] < target[j] else 0.0
                        )
                        for m in range(measures):
                            a, b = values[i, m], values[j, m]
                            up, down = (1.0 if a > b else 0.0), (1.0 if a < b else 0.0)
                            here = w * (up + down + (1.0 if a == b else 0.0))
                            wrong[m] += 0.5 * here * (1.0 - sign * (up - down))
                            weight[m] += here
                            square[m] += here * here
                for m in range(measures):
                    kept = weight[m] > 0.0 and weight[m] * weight[m] >= effective * square[m] * (1.0 - 1e-9)
                    loss[place, m] = wrong[m] / weight[m] if kept else np.nan
                sample[place] = all_weight * all_weight / all_square if all_square > 0.0 else 0.0
                place += 1
                second = second_end
            first = first_end


@compiled
def weighted_top(values, order, weights, least):
    """The value where the weight summed up so far first exceeds `least`, and the first value with a weight.

    values (E,) in the order that they are summed up in; order (E,) their rows in weights (N, B); least (B,).
    """
    lanes = weights.shape[1]
    quantile, first = np.full(lanes, np.nan), np.full(lanes, np.nan)
    passed = np.zeros(lanes)
    missing = lanes
    for place in range(len(order)):
        row = order[place]
        for lane in range(lanes):
            weight = weights[row, lane]
            if weight > 0.0:
                if passed[lane] == 0.0:
                    first[lane] = values[place]
                passed[lane] += weight
                if quantile[lane] != quantile[lane] and passed[lane] > least[lane]:
                    quantile[lane] = values[place]
                    missing -= 1
        if missing == 0:
            break
    return quantile, first


@compiled
def target_levels(order, weights, target, share):
    """Smallest target with a weight, the one at which `share` of the weight is reached, and the mean target.

    order (k,) some rows by rising target, the others being absent; weights (n, B). Each (B,), NaN for no
    weight.
    """
    lanes = weights.shape[1]
    total, sums = np.zeros(lanes), np.zeros(lanes)
    for row in order:
        for lane in range(lanes):
            total[lane] += weights[row, lane]
            sums[lane] += weights[row, lane] * target[row]
    good, best = weighted_top(target[order], order, weights, share * total * (1.0 - 1e-9))
    return best, good, np.where(total > 0.0, sums / total, np.nan)


@compiled
def best_choices(order, tie_end, weights, target, good):
    """Weighted mean target of the first tie of `order` with a weight, and the share of it at or below `good`.

    order (k,) rows by oriented value, tie_end[p] the end of the tie of position p; weights (n, B), good (B,).
    """
    lanes = weights.shape[1]
    chosen, hits = np.full(lanes, np.nan), np.full(lanes, np.nan)
    for lane in range(lanes):
        first = 0
        while first < len(order):
            weight, sums, hit = 0.0, 0.0, 0.0
            for place in range(first, tie_end[first]):
                row = order[place]
                w = float(weights[row, lane])
                if w > 0.0:
                    weight += w
                    sums += w * target[row]
                    hit += w if target[row] <= good[lane] else 0.0
            if weight > 0.0:
                chosen[lane], hits[lane] = sums / weight, hit / weight
                break
            first = tie_end[first]
    return chosen, hits
