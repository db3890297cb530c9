"""What a value is a value of: a measure and every probe below it; the keys made of that. Knows no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genbench.base.canonical import digest, stream_seed
from genbench.contract.components import Component
from genbench.host.settings import spell

if TYPE_CHECKING:
    from genbench.host.battery import Battery, Request

__all__ = ["describe_measure", "identity_digest", "identity_of", "measure_identity", "seed_for", "value_key"]


def identity_of(battery: Battery, request: Request) -> dict[str, Any]:
    """The measure and every probe below it, each with its version and settings, in plain data."""
    below = [_identity(component, settings) for component, settings in battery.probes_below(request)]
    return {"measure": _identity(request.component, request.settings), "probes": below}


def identity_digest(identity: Mapping[str, Any]) -> str:
    """Hash of what `identity_of` returns, whatever the order of the probes."""
    return digest({"measure": identity["measure"], "probes": sorted(identity["probes"], key=digest)})


def measure_identity(battery: Battery, request: Request) -> str:
    """Hash of the measure and every probe below it, each with its version and settings."""
    return identity_digest(identity_of(battery, request))


def value_key(key: str, identity: str, siblings: Sequence[str] = ()) -> str:
    """Hash of what determines a value: the fit's key, the measure's identity, the siblings compared with."""
    compared = {"siblings": sorted(siblings)} if siblings else {}
    return digest({"fit": key, "measure": identity, **compared})


def _identity(component: Component, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": component.full_name,
        "version": component.version,
        "settings": dict(settings),
        "source": component.code,
    }


def seed_for(key: str, seed: int) -> Callable[[Component, Mapping[str, Any]], int]:
    """The seeds of the components that measure one fit: stream ``measure``, of the fit and the component."""
    return lambda component, settings: stream_seed("measure", seed, key, spell(component, settings))


def describe_measure(battery: Battery, request: Request) -> dict[str, Any]:
    """What a value's record says of its measure, so that ranking needs no plugin."""
    component = request.component
    return {
        "measure": request.spelling,
        "aliases": list(component.declared.aliases),
        "version": component.version,
        "plugin": component.plugin,
        "source": component.source_hash,
        "code": component.code,
        "family": component.declared.family,
        "direction": component.declared.direction,
        "cost_class": battery.cost_class(request),
        "held_out": "validation" in battery.roots_needed(request),
    }
