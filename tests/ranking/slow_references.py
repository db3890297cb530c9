"""Every statistic once more, slow and obvious: loops over pairs, written from the definitions."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

Axes = Mapping[str, Sequence[int]]


def sign(a: float, b: float) -> int:
    """Sign of a − b that also knows infinities."""
    return int(a > b) - int(a < b)


def pair_sums(values, target, weights=None) -> dict[str, float]:
    """Concordant, discordant and tied weight over unordered pairs of different rows."""
    n = len(values)
    weights = [1.0] * n if weights is None else weights
    sums = dict.fromkeys(("concordant", "discordant", "tied_values", "tied_target", "total"), 0.0)
    for i, j in itertools.combinations(range(n), 2):
        weight = weights[i] * weights[j]
        both = sign(values[i], values[j]) * sign(target[i], target[j])
        sums["concordant"] += weight * (both > 0)
        sums["discordant"] += weight * (both < 0)
        sums["tied_values"] += weight * (sign(values[i], values[j]) == 0)
        sums["tied_target"] += weight * (sign(target[i], target[j]) == 0)
        sums["total"] += weight
    return sums


def tau_a(values, target, weights=None) -> float:
    sums = pair_sums(values, target, weights)
    return (sums["concordant"] - sums["discordant"]) / sums["total"] if sums["total"] else math.nan


def tau_b(values, target, weights=None) -> float:
    sums = pair_sums(values, target, weights)
    norm = (sums["total"] - sums["tied_values"]) * (sums["total"] - sums["tied_target"])
    return (sums["concordant"] - sums["discordant"]) / math.sqrt(norm) if norm > 0 else math.nan


def granulated(values, target, axes: Axes, seed, weights=None) -> tuple[dict[str, float], dict[str, int]]:
    """ψ and number of groups per axis; rows without a value are left out."""
    n = len(values)
    weights = [1.0] * n if weights is None else weights
    psi, counts = {}, {}
    for axis in axes:
        groups: dict[tuple, list[int]] = {}
        for row in range(n):
            if not math.isnan(values[row]):
                key = (*(axes[other][row] for other in axes if other != axis), seed[row])
                groups.setdefault(key, []).append(row)
        taus = []
        for rows in groups.values():
            top = bottom = 0.0
            for i, j in itertools.combinations(rows, 2):
                if axes[axis][i] != axes[axis][j]:
                    weight = weights[i] * weights[j]
                    top += weight * sign(values[i], values[j]) * sign(target[i], target[j])
                    bottom += weight
            if bottom > 0:
                taus.append(top / bottom)
        psi[axis] = float(np.mean(taus)) if taus else math.nan
        counts[axis] = len(taus)
    return psi, counts


def information(
    values, target, axes: Axes, weights=None
) -> dict[tuple[str, ...], tuple[float, float, float]]:
    """Per conditioning set: mutual information, conditional entropy, conditional covariance of the signs."""
    n = len(values)
    weights = [1.0] * n if weights is None else weights
    result = {}
    for names in itertools.chain.from_iterable(itertools.combinations(axes, size) for size in range(3)):
        counts: Counter = Counter()
        for i, j in itertools.permutations(range(n), 2):
            cell = tuple((axes[name][i], axes[name][j]) for name in names)
            counts[cell, sign(values[i], values[j]), sign(target[i], target[j])] += weights[i] * weights[j]
        total = sum(counts.values())
        mutual = entropy = covariance = 0.0
        for cell in {key[0] for key in counts}:
            joint = {(a, b): counts[cell, a, b] for a in (-1, 0, 1) for b in (-1, 0, 1)}
            pairs = sum(joint.values())
            if pairs == 0:
                continue
            rows = {a: sum(joint[a, b] for b in (-1, 0, 1)) for a in (-1, 0, 1)}
            columns = {b: sum(joint[a, b] for a in (-1, 0, 1)) for b in (-1, 0, 1)}
            for (a, b), count in joint.items():
                if count > 0:
                    mutual += count * math.log(count * pairs / (rows[a] * columns[b]))
            entropy -= sum(count * math.log(count / pairs) for count in columns.values() if count > 0)
            covariance += sum(a * b * count for (a, b), count in joint.items())
            covariance -= (rows[1] - rows[-1]) * (columns[1] - columns[-1]) / pairs
        result[names] = (mutual / total, entropy / total, covariance / total)
    return result


def sign_errors(values, target, axes: Axes, test_size=None) -> dict[frozenset, tuple[float, float]]:
    """Weighted mean sign-error and effective sample of every pair of configurations differing in one axis."""
    rows_of: dict[tuple, list[int]] = {}
    for row in range(len(values)):
        rows_of.setdefault(tuple(axes[name][row] for name in axes), []).append(row)
    found = {}
    for first, second in itertools.combinations(rows_of, 2):
        if sum(a != b for a, b in zip(first, second, strict=True)) != 1:
            continue
        weights, errors = [], []
        for i, j in itertools.product(rows_of[first], rows_of[second]):
            if math.isnan(values[i]) or math.isnan(values[j]):
                continue
            weight = 1.0
            if test_size is not None:
                sure = [
                    max(0.0, 1 - 2 * math.exp(-2 * size * ((target[i] - target[j]) / 2) ** 2))
                    for size in (test_size[i], test_size[j])
                ]
                weight = max(0.0, sure[0] * sure[1] - 0.5)
            weights.append(weight)
            errors.append((1 - sign(values[i], values[j]) * sign(target[i], target[j])) / 2)
        if sum(weights) > 0:
            mean = sum(w * e for w, e in zip(weights, errors, strict=True)) / sum(weights)
            found[frozenset((first, second))] = (mean, sum(weights) ** 2 / sum(w * w for w in weights))
    return found


def pgdl(values, target, axes: Axes) -> float:
    """The competition's score of a complete grid: two axes at a time, with self pairs."""
    n, scores = len(values), []
    for names in itertools.permutations(axes, 2):
        tables: dict[tuple, np.ndarray] = {}
        for i, j in itertools.product(range(n), repeat=2):
            cell = tuple((axes[name][i], axes[name][j]) for name in names)
            table = tables.setdefault(cell, np.zeros((2, 2)))
            table[0 if target[i] > target[j] else 1, 0 if values[i] > values[j] else 1] += 1
        informations, entropies = [], []
        for table in tables.values():
            joint = table / table.sum()
            by_target, by_value = joint.sum(axis=1), joint.sum(axis=0)
            informations.append(sum(
                joint[a, b] * math.log2(joint[a, b] / (by_target[a] * by_value[b]))
                for a in range(2) for b in range(2) if joint[a, b] > 0
            ))  # fmt: skip
            entropies.append(-sum(p * math.log2(p + 1e-12) for p in by_target))
        scores.append(np.mean(informations) / np.mean(entropies))
    return 100 * min(scores)
