"""Repeatability: how far chance moves a measure, against how far the fits of a run lie apart."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genbench.base.errors import InvalidInput, UsageError
from genbench.base.values import Status
from genbench.host import Host
from genbench.host.battery import Battery
from genbench.runs.store import Folder, StoredFit

__all__ = ["LARGEST_RATIO", "Samples", "audit", "drawing", "samples", "spreads"]

LARGEST_RATIO = 0.1
"""Above this share of the spread across models a measure's chance is said to be too large."""

Samples = Mapping[str, Mapping[str, Sequence[float]]]
"""By a measure's spelling and the key of a fit, a value for each generator seed."""


def drawing(battery: Battery) -> Battery:
    """The part of a battery whose values depend on a generator.

    Raises
    ------
    UsageError
        There is none.
    """
    found = [each for each in battery.requests if "generator" in battery.roots_needed(each)]
    if not found:
        raise UsageError("none of these measures draws at random: each has one value on each fit")
    return battery.only(found)


def audit(
    run: Path,
    battery: Battery,
    host: Host,
    *,
    repeats: int = 3,
    fits: int = 32,
    data: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    sample: Callable[[Sequence[StoredFit]], Samples] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compute the measures that draw at random with several generator seeds on the fits of a run.

    Parameters
    ----------
    run : Path
        A run folder; nothing is trained and nothing is written to it.
    battery : Battery
        Measures that draw, see `drawing`.
    repeats : int
        Generator seeds for each fit, the run's own seed the first of them.
    fits : int
        Use at most so many fits, evenly spaced in the order of their keys, which is that of a hash.
    sample : callable, optional
        Computes the values on the fits that were chosen; by default `samples` does, in this process.

    Returns
    -------
    about : dict
        The suite, its version, and how many fits and seeds there were.
    measures : dict
        By spelling what `spreads` returns, with the measure's ``version``.
    """
    folder = Folder(run)
    suite = folder.suite_content()
    stored = _stored(folder)
    if len(stored) < 2:
        raise InvalidInput(f"'{run}': needs two trained fits at least, it has {len(stored)}")
    chosen = [stored[at] for at in np.unique(np.linspace(0, len(stored) - 1, fits).round().astype(int))]
    keys = [each.key for each in chosen]
    if sample is None:
        found = samples(run, keys, battery, host, repeats=repeats, data=data, say=say)
    else:
        found = sample(chosen)
    about = {
        "suite": suite.get("name", ""), "suite_version": suite.get("version", 1),
        "fits": len(chosen), "repeats": repeats, "largest_ratio": LARGEST_RATIO,
    }  # fmt: skip
    versions = {each.spelling: each.component.version for each in battery.requests}
    return about, {
        name: {"version": versions[name], **spreads([rows[key] for key in keys if key in rows])}
        for name, rows in found.items()
    }


def samples(
    run: Path,
    keys: Sequence[str],
    battery: Battery,
    host: Host,
    *,
    repeats: int,
    data: Path | None,
    say: Callable[[str], None] = lambda line: None,
) -> Samples:
    """The values of a battery on some fits of a run, with several generator seeds.

    Returns
    -------
    dict of dict of list of float
        By spelling and key of the fit, a value for each seed; no entry where one of them has none.
    """
    from genbench.auditing.invariance import single_threaded, values_of
    from genbench.fitting.roots import roots

    stored = _stored(Folder(run))
    families, fits = _families(stored), {each.key: each for each in stored}
    found: dict[str, dict[str, list[float]]] = {each.spelling: {} for each in battery.requests}
    with single_threaded():
        for number, key in enumerate(keys, start=1):
            say(f"fit {number} of {len(keys)}")
            given = roots(
                fits[key], host, root=data, device="cpu", needed=battery.roots, siblings=families[key]
            )
            seed = fits[key].record["trial"]["seed"]
            drawn = [values_of(battery, given, key, seed + repeat) for repeat in range(repeats)]
            for name, rows in found.items():
                if all(values[name].status is Status.OK for values in drawn):
                    rows[key] = [float(values[name]) for values in drawn]
    return found


def _stored(folder: Folder) -> list[StoredFit]:
    return [each for each in (folder.fit(key) for key in folder.fit_keys()) if each is not None]


def _families(stored: Sequence[StoredFit]) -> dict[str, list[StoredFit]]:
    """By key, the other fits of the same configuration."""
    from genbench.planning.plan import Trial

    groups: dict[str, list[StoredFit]] = defaultdict(list)
    for each in stored:
        groups[Trial.from_dict(each.record["trial"]).configuration].append(each)
    return {
        each.key: [other for other in group if other is not each]
        for group in groups.values()
        for each in group
    }


def spreads(samples: Sequence[Sequence[float]]) -> Mapping[str, Any]:
    """Spread within and between fits, from a one-way analysis of variance with random effects.

    Parameters
    ----------
    samples : sequence of sequence of float
        A row for each fit with a value for each generator seed. Rows with values that are not finite are left
        out.

    Returns
    -------
    dict
        ``fits`` used; ``within``, the root of the mean square within, the standard deviation across generator
        seeds; ``between``, across models, the noise of their means taken off; ``ratio`` of the two; ``icc``,
        the share of the variance that is the models' (Shrout & Fleiss 1979, ICC(1,1)). None where there are
        too few rows, or where models do not differ at all.
    """
    rows = np.array([row for row in samples if all(map(math.isfinite, row))], dtype=float)
    found: dict[str, Any] = {"fits": len(rows), "within": None, "between": None, "ratio": None, "icc": None}
    if len(rows) < 2 or rows.shape[1] < 2:
        return found
    count = rows.shape[1]
    # In units of the largest value, whose square may be no number.
    unit = float(np.abs(rows).max()) or 1.0
    rows = rows / unit
    within = float(rows.var(axis=1, ddof=1).mean())
    means = count * float(rows.mean(axis=1).var(ddof=1))
    between = max(0.0, (means - within) / count)
    found["within"], found["between"] = _digits(unit * within**0.5), _digits(unit * between**0.5)
    if between > 0:
        found["ratio"] = _digits((within / between) ** 0.5)
    if means + within > 0:
        found["icc"] = _digits((means - within) / (means + (count - 1) * within))
    return found


def _digits(value: float) -> float:
    return float(f"{value:.3g}")
