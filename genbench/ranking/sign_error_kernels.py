"""Inner loops of the sign-error under many sets of weights, compiled."""

from __future__ import annotations

import numpy as np

from genbench.ranking.jit import compiled
from genbench.ranking.kernels import pair_weight

__all__ = ["add_losses", "upper_quantiles"]


@compiled
def add_losses(values, target, level, starts, test_size, weights, known, sums, counts, held):
    """Losses (M, B) of each pair of configurations, rows sorted by context and level: summed up, and held.

    values (n, M), weights (n, B), known (pairs of configurations, M); sums and counts (M, B) are added to;
    held (M, B, pairs of configurations) is filled, or has no last extent.
    """
    measures, lanes = values.shape[1], weights.shape[1]
    wrong, there, both = np.empty((1, measures)), np.empty((1, measures)), np.empty((1, lanes))
    place = 0
    for context in range(len(starts) - 1):
        first, stop = starts[context], starts[context + 1]
        while first < stop:
            first_end = _same_level(level, first, stop)
            second = first_end
            while second < stop:
                second_end = _same_level(level, second, stop)
                most = (first_end - first) * (second_end - second)
                if len(wrong) < most:
                    wrong, there = np.empty((most, measures)), np.empty((most, measures))
                    both = np.empty((most, lanes))
                pairs, whole = 0, True
                for i in range(first, first_end):
                    for j in range(second, second_end):
                        w = 1.0
                        if len(test_size):
                            w = pair_weight(target[i] - target[j], test_size[i], test_size[j])
                        if w == 0.0:
                            continue
                        sign = (1.0 if target[i] > target[j] else 0.0) - (
                            1.0 if target[i] < target[j] else 0.0
                        )
                        for lane in range(lanes):
                            both[pairs, lane] = weights[i, lane] * weights[j, lane] * w
                        missing = 0
                        for m in range(measures):
                            a, b = values[i, m], values[j, m]
                            up, down = (1.0 if a > b else 0.0), (1.0 if a < b else 0.0)
                            here = up + down + (1.0 if a == b else 0.0)
                            wrong[pairs, m] = 0.5 * here * (1.0 - sign * (up - down))
                            there[pairs, m] = here
                            missing += here == 0.0
                        whole = whole and missing == 0
                        pairs += 1
                if pairs:
                    loss = np.dot(wrong[:pairs].T, both[:pairs])
                    # Where every measure has all its values, one row of weights is that of all.
                    weight = np.dot(
                        (there[:pairs] if not whole else there[:pairs, :1].copy()).T, both[:pairs]
                    )
                    _take_in(loss, weight, known[place], sums, counts, held, place)
                elif held.shape[2]:
                    held[:, :, place] = np.nan
                place += 1
                second = second_end
            first = first_end


@compiled
def _same_level(level, first, stop):
    """Where the rows of the level at `first` end."""
    end = first
    while end < stop and level[end] == level[first]:
        end += 1
    return end


@compiled
def _take_in(loss, weight, known, sums, counts, held, place):
    """One environment's losses: `loss` over `weight` (M, B), or (1, B), where there is a weight."""
    for m in range(loss.shape[0]):
        of = m if len(weight) > 1 else 0
        for lane in range(loss.shape[1]):
            there = known[m] and weight[of, lane] > 0.0
            if there:
                each = loss[m, lane] / weight[of, lane]
                sums[m, lane] += each
                counts[m, lane] += 1.0
            if held.shape[2]:
                held[m, lane, place] = each if there else np.nan


@compiled
def upper_quantiles(held, share, quantile, maximum):
    """Of the numbers in each row of `held` (M, B, E) the largest, and the one that `share` do not exceed."""
    measures, lanes, environments = held.shape
    for m in range(measures):
        for lane in range(lanes):
            count = 0
            row = held[m, lane]
            for k in range(environments):  # what is a number comes first
                if row[k] == row[k]:
                    row[count] = row[k]
                    count += 1
            if count:
                place = max(int(np.ceil(share * count - 1e-9)) - 1, 0)
                ordered = np.partition(row[:count], place)
                quantile[m, lane] = ordered[place]
                maximum[m, lane] = ordered[place:].max()
