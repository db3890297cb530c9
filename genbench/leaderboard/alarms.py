"""What no fault proves and no training gives: numbers of an entry that ask for a second pair of hands."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from genbench.base.canonical import canonical_json
from genbench.base.names import CORE
from genbench.base.values import Status
from genbench.leaderboard.entry import Entry
from genbench.leaderboard.files import shown

__all__ = ["ALARM", "alarms"]

ALARM = "alarm: "
"""How the line of an alarm begins."""

FEWEST = 16
"""Fits below which no statement is made."""

TOO_CLOSE = 0.975
"""Spearman's coefficient with a target that no measure of a network reached; one that knew the gap up to
noise of 0.01 would be at 0.97 on digits."""

MOST_LOST = 0.005
"""Share of the core's values that may be lost to crashes, errors and time limits without a word; that of one
measure's values, and of trials without a fit, may be ten times as large."""

FEW = 2
"""Whatever share that is, so many are never too many."""

TARGETS = ("gap", "test_error", "loss_gap", "test_loss")


def alarms(entry: Entry) -> list[str]:
    """A line for each reason to reproduce an entry before anybody relies on it."""
    found = [*_targets_in_disguise(entry), *_outcomes(entry), *_losses(entry), *_selective(entry)]
    return [f"{ALARM}{each}; reproduce it before relying on it" for each in found]


def _targets_in_disguise(entry: Entry) -> Iterator[str]:
    """Measures that know the outcome better than any that was ever computed from a network."""
    keys = sorted(entry.fits)
    targets = {name: np.array([_number(entry.fits[key][name]) for key in keys]) for name in TARGETS}
    trained = np.array([_number(entry.fits[key]["train_error"]) for key in keys])
    for measure, line in sorted(entry.measures.items()):
        if line["held_out"]:
            continue
        values = np.array([_number(_value(entry.values.get(key, {}).get(measure))) for key in keys])
        for name, target in targets.items():
            known = np.isfinite(values) & np.isfinite(target)
            # Where all fits end alike, ranks say nothing.
            if known.sum() < FEWEST or len(set(target[known])) < FEWEST // 2:
                continue
            closeness = _spearman(values[known], target[known])
            expected = _spearman(trained[known], target[known])
            if abs(closeness) >= TOO_CLOSE > abs(expected):
                yield f"measure {shown(measure)} orders the fits as their {name} does ({closeness:+.3f})"
                break


def _outcomes(entry: Entry) -> Iterator[str]:
    """Test errors that the configuration says nothing about, or the seed."""
    groups: dict[str, list[float]] = {}
    for fit in entry.fits.values():
        trial = {name: each for name, each in fit["trial"].items() if name != "seed"}
        groups.setdefault(canonical_json(trial), []).append(_number(fit["test_error"]))
    several = [each for each in map(np.array, groups.values()) if len(each) > 1 and np.isfinite(each).all()]
    if len(several) < FEWEST // 2:
        return
    within = float(np.mean([each.var(ddof=1) for each in several]))
    between = float(np.var([each.mean() for each in several], ddof=1)) * np.mean([len(e) for e in several])
    sizes = np.array([fit["test_examples"] for fit in entry.fits.values()], dtype=float)
    errors = np.clip([_number(fit["test_error"]) for fit in entry.fits.values()], 0, 1)
    sampling = float(np.nanmean(errors * (1 - errors) / sizes))
    if within == 0:
        yield "the seeds of every configuration have the same test error"
    elif within > 9 * sampling and between < 2 * within:
        yield "the test errors do not depend on the configuration, but differ far more than by chance"


def _losses(entry: Entry) -> Iterator[str]:
    """Trials and values of the core that are said to have been lost."""
    trials = len(entry.fits) + len(entry.failures)
    if len(entry.failures) > max(FEW, 10 * MOST_LOST * trials):
        yield f"{len(entry.failures):,} of {trials:,} trials are said to have failed"
    core = {name for name, line in entry.measures.items() if line["plugin"] == CORE}
    lost = collections.Counter[str]()
    total = 0
    for values in entry.values.values():
        for name in core & values.keys():
            total += 1
            status = Status(values[name]["status"])
            lost[name] += status.is_fault or status == Status.NAN
    if lost.total() > max(FEW, MOST_LOST * total):
        yield f"{lost.total():,} of {total:,} values of the core are said to be lost to faults, or no number"
        return
    fits = len(entry.fits)
    for name, count in sorted(lost.items()):
        if count > max(FEW, 10 * MOST_LOST * fits):
            yield f"{count} of {fits} values of {shown(name)} are said to be lost to faults, or no number"


def _selective(entry: Entry) -> Iterator[str]:
    """Measures of the core that are said not to apply to some fits of an architecture alone."""
    alike: dict[str, list[str]] = {}
    for key, fit in sorted(entry.fits.items()):
        trial = {name: each for name, each in fit["trial"].items() if name not in ("seed", "protocol")}
        alike.setdefault(canonical_json(trial), []).append(key)
    for name, line in sorted(entry.measures.items()):
        # What follows from the weights or one pass over the data, and not from how training went.
        if line["plugin"] != CORE or line["cost_class"] not in "ABCD" or line["siblings"]:
            continue
        excused = 0
        for keys in alike.values():
            statuses = [entry.values.get(key, {}).get(name, {}).get("status") for key in keys]
            count = statuses.count(Status.NOT_APPLICABLE)
            excused += count if count < len(keys) else 0
        if excused > max(FEW, MOST_LOST * len(entry.fits)):
            yield (
                f"measure {shown(name)} is said not to apply to {excused} fits of architectures "
                "that it applies to"
            )


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    first, second = _ranks(one), _ranks(other)
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal values sharing their mean."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[places]


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _value(line: Mapping[str, Any] | None) -> float | None:
    return None if line is None else line["value"]
