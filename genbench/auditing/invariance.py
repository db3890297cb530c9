"""Invariances measured: every measure before and after changes that a measure of the function cannot see."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from genbench.auditing.networks import ARCHITECTURES, NETWORKS, AuditedNetwork, train_networks
from genbench.auditing.transformations import TRANSFORMATIONS, Transformation, transformed
from genbench.base.errors import NotApplicable
from genbench.base.values import Status, Value
from genbench.host import Host
from genbench.host.battery import Battery
from genbench.host.identity import seed_for
from genbench.measuring import compute

__all__ = [
    "ABOUT",
    "SINGLE_TOLERANCE",
    "TOLERANCE",
    "audit",
    "audit_network",
    "compare",
    "single_threaded",
    "values_of",
]

# A change this small, relative to the value, is rounding; in single precision much more is.
TOLERANCE, SINGLE_TOLERANCE = 1e-6, 1e-3
# Random directions in the weights do not follow a change of the network: a measure that draws them may move
# by this many of its standard deviations across generator seeds, estimated from so many seeds.
DEVIATIONS, DRAWS = 5.0, 12

ABOUT: dict[str, Any] = {
    "version": 1,
    "tolerance": TOLERANCE,
    "tolerance_float32": SINGLE_TOLERANCE,
    "noise_deviations": DEVIATIONS,
    "generator_seeds": DRAWS,
}
"""How the table was made; the seeds are 0 and up."""

_RECORDED = frozenset({"history", "protocol", "task", "generator", "device", "inputs", "targets"})


def audit(
    battery: Battery,
    host: Host,
    networks: Mapping[str, Path] = NETWORKS,
    architectures: Mapping[str, Path] = ARCHITECTURES,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compute a battery on networks before and after every change, and on further architectures as they are.

    Returns
    -------
    networks : dict
        Titles by name.
    measures : dict
        By spelling: ``version``, and ``networks`` with, by name, ``status``, ``reason``, ``value`` before
        and, where the network was changed, ``changes``. A change is a dictionary with ``verdict``:
        ``invariant``, ``noise`` (within that of its random draws), ``moves`` (with ``change``, relative to
        the value before), ``not applicable`` (with ``reason``).
    """
    found: dict[str, Any] = {
        each.spelling: {"version": each.component.version, "networks": {}} for each in battery.requests
    }
    titles = {}
    with single_threaded():
        for network in train_networks({**networks, **architectures}, host):
            say(f"{network.name}: {network.title}")
            titles[network.name] = network.title
            for spelling, entry in audit_network(battery, network, changed=network.name in networks):
                found[spelling]["networks"][network.name] = entry
    return titles, found


@contextmanager
def single_threaded() -> Iterator[None]:
    """One thread, as workers compute with, for the same bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def audit_network(
    battery: Battery, network: AuditedNetwork, changed: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Spelling and entry of each measure."""
    base = values_of(battery, transformed(network.roots, Transformation("")), network.key)
    noise = _noise(battery, network, base) if changed else {}
    after = dict(_after_changes(battery, network)) if changed else {}
    for request in battery.requests:
        before = base[request.spelling]
        if before.status is not Status.OK:
            yield request.spelling, {"status": str(before.status), "reason": before.reason}
            continue
        entry: dict[str, Any] = {"status": "ok", "value": _rounded(float(before), 6)}
        if request.spelling in noise:
            entry["noise"] = _rounded(noise[request.spelling], 2)
        if changed:
            looks = not battery.roots_needed(request) <= _RECORDED
            entry["changes"] = {
                name: _judged(name, before, values, noise.get(request.spelling, 0.0), looks)
                for name, values in after.items()
            }
        yield request.spelling, entry


def _after_changes(
    battery: Battery, network: AuditedNetwork
) -> Iterator[tuple[str, Mapping[str, Value] | NotApplicable]]:
    """Each change with the values behind it, or with the reason why it cannot be made here."""
    for name, change in TRANSFORMATIONS.items():
        try:
            roots = transformed(network.roots, change)
        except NotApplicable as why:
            yield name, why
            continue
        with change.computation():
            yield name, values_of(battery, roots, network.key)


def _judged(
    name: str, before: Value, after: Mapping[str, Value] | NotApplicable, noise: float, looks: bool
) -> dict[str, Any]:
    change = TRANSFORMATIONS[name]
    if isinstance(after, NotApplicable):
        return {"verdict": "not applicable", "reason": str(after)}
    if change.network and not looks:
        return {"verdict": "not applicable", "reason": "it looks at no network"}
    tolerance = TOLERANCE if change.dtype is torch.float64 else SINGLE_TOLERANCE
    return compare(before, after[before.name], tolerance, noise if change.network else 0.0)


def values_of(
    battery: Battery, roots: Mapping[str, Any], key: str, draw: int = 0, only: Iterable[str] | None = None
) -> dict[str, Value]:
    """Values of a battery, or of `only` some of it, by spelling; `draw` chooses the seeds of generators."""
    values = compute(battery, roots, seed_for(key, draw), only=only)
    return {value.name: value for value in values}


def _noise(battery: Battery, network: AuditedNetwork, base: Mapping[str, Value]) -> dict[str, float]:
    """Standard deviation across generator seeds, of those measures that a second seed moves."""
    samples = {
        each.spelling: [float(base[each.spelling])]
        for each in battery.requests
        if "generator" in battery.roots_needed(each) and base[each.spelling].status is Status.OK
    }
    roots = transformed(network.roots, Transformation(""))
    for draw in range(1, DRAWS):
        for name, value in values_of(battery, roots, network.key, draw, only=samples).items():
            samples[name].append(float(value))
        samples = {name: drawn for name, drawn in samples.items() if _is_spread(drawn)}
    return {name: statistics.stdev(drawn) for name, drawn in samples.items()}


def _is_spread(drawn: Sequence[float]) -> bool:
    return all(map(math.isfinite, drawn)) and max(drawn) - min(drawn) > TOLERANCE * max(map(abs, drawn))


def compare(before: Value, after: Value, tolerance: float, noise: float = 0.0) -> dict[str, Any]:
    """How a value moved.

    Parameters
    ----------
    before, after : Value
        `before` has a number.
    tolerance : float
        Relative change that is rounding.
    noise : float
        Standard deviation of the value over random draws.
    """
    if after.status is not Status.OK:
        return {"verdict": "moves", "reason": f"no value behind it: {after.reason}"}
    first, second = float(before), float(after)
    if first == second:
        return {"verdict": "invariant"}
    difference = second - first
    if not math.isfinite(difference):
        return {"verdict": "moves", "reason": f"from {first:g} to {second:g}"}
    scale = max(abs(first), abs(second))
    if abs(difference) <= tolerance * scale:
        return {"verdict": "invariant"}
    change = (
        {"change": _rounded(difference / abs(first), 3)} if first else {"reason": f"from 0 to {second:g}"}
    )
    if abs(difference) <= DEVIATIONS * noise:
        return {"verdict": "noise", **change}
    return {"verdict": "moves", **change}


def _rounded(value: float, digits: int) -> float:
    """To so many significant digits, so that tables do not differ in the last bits of machines."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else value
