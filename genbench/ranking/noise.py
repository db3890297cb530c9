"""What chance does: keyed random draws, noisy oracles, the null band, and the ceiling that noise leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

__all__ = [
    "ORACLE_NOISE",
    "keyed_normal",
    "null_band",
    "oracle",
    "oracle_tau",
    "row_keys",
    "seed_variance",
    "shrunken",
]

ORACLE_NOISE = (0.01, 0.02, 0.05)
"""Standard deviations added to the target by the oracles of Jiang et al. 2020, section 5."""

AT_ONCE = 100
"""Random measures held at a time."""

STREAMS = 8
"""Streams of draws per seed: one for each purpose below."""
NULL_STREAM, ORACLE_STREAM, CEILING_STREAM = range(3)


def row_keys(identities: Sequence[str]) -> np.ndarray:
    """A 64-bit number for each row from the text that identifies it; repeats are told apart by their count.

    What is drawn from such keys follows the row wherever it stands and whatever other rows there are.
    """
    import hashlib

    seen: dict[str, int] = {}
    keys = np.empty(len(identities), dtype=np.uint64)
    for row, identity in enumerate(identities):
        seen[identity] = seen.get(identity, -1) + 1
        digest = hashlib.blake2b(f"{seen[identity]}:{identity}".encode(), digest_size=8).digest()
        keys[row] = int.from_bytes(digest, "big")
    return keys


def keyed_normal(keys: np.ndarray, stream: int, draws: int, first: int = 0) -> np.ndarray:
    """Standard normal draws, one row per key, that depend on key, stream and draw number only.

    Parameters
    ----------
    keys : (n,) uint64 array
    stream : int
        Separates uses of the same keys.
    draws, first : int
        Draw numbers ``first`` to ``first + draws − 1``.

    Returns
    -------
    (n, draws) array

    References
    ----------
    Steele, Lea & Flood 2014, OOPSLA (the SplitMix64 generator, used here as a hash).
    """
    from scipy.special import ndtri

    with np.errstate(over="ignore"):
        start = _mix(keys + np.uint64(stream) * np.uint64(0xD1B54A32D192ED03))
        counter = np.arange(first + 1, first + draws + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = _mix(start[:, None] + counter)
    uniform = ((bits >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52
    return ndtri(uniform)


def _mix(bits: np.ndarray) -> np.ndarray:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def oracle(target: np.ndarray, keys: np.ndarray, deviation: float, seed: int = 0) -> np.ndarray:
    """The target plus Gaussian noise of standard `deviation`, in the target's own unit, (n,)."""
    draw = round(1e4 * deviation)  # each size of noise has its own draw
    return target + deviation * keyed_normal(keys, STREAMS * seed + ORACLE_STREAM, 1, draw)[:, 0]


def oracle_tau(spread: float, deviation: float) -> float:
    """Expected tau of an oracle on a Gaussian target: (2/π)·asin(s/√(s² + ε²)).

    Target and oracle are jointly Gaussian with correlation s/√(s² + ε²) (Greiner 1909; Kendall 1948).
    """
    return float(2 / np.pi * np.arcsin(spread / np.hypot(spread, deviation)))


def null_band(
    statistics: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    keys: np.ndarray,
    draws: Mapping[str, int],
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Rank statistics of measures drawn at random: what a measure without content scores.

    Parameters
    ----------
    statistics : mapping
        Name to function from values (n, M) to (M,), of the values' order only.
    keys : (n,) uint64 array
    draws : mapping
        Number of draws for each statistic.

    Returns
    -------
    dict
        Name to (draws,) array. Draw 0 is the one that stands in the table as ``random``.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    for first in range(0, max(draws.values(), default=0), AT_ONCE):
        values = keyed_normal(keys, STREAMS * seed + NULL_STREAM, AT_ONCE, first)
        for name, statistic in statistics.items():
            if first < draws[name]:
                parts[name].append(statistic(values[:, : draws[name] - first]))
    return {name: np.concatenate(found) for name, found in parts.items()}


def seed_variance(target: np.ndarray, configuration: np.ndarray) -> float:
    """Pooled variance of the target between the seeds of one configuration; NaN without repeats.

    It holds the sampling noise of the test set too, as far as the seeds do not share it.
    """
    count = np.bincount(configuration)
    mean = np.bincount(configuration, weights=target) / np.maximum(count, 1)
    freedom = int(np.maximum(count - 1, 0).sum())
    return float(((target - mean[configuration]) ** 2).sum() / freedom) if freedom else float("nan")


def shrunken(target: np.ndarray, variance: np.ndarray | float) -> np.ndarray:
    """The target drawn in around its mean until noise of `variance` would restore its spread.

    A stand-in for the target without its noise: what is observed is the truth plus noise, hence spread wider
    than the truth, and an oracle tested on it plus more noise would look better than it is.
    """
    spread = float(target.var(ddof=1))
    kept = np.sqrt(max(spread - float(np.mean(variance)), 0.0) / spread) if spread > 0 else 0.0
    return target.mean() + kept * (target - target.mean())
