"""One fit, measured: from what the run folder holds to the roots that measures start from.

The test split is never opened here.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from genbench.canonical import digest, stream_seed
from genbench.components import Component
from genbench.data import Split
from genbench.errors import InvalidInput
from genbench.fitting import network, parts, training_data
from genbench.host import Host
from genbench.plan import Trial
from genbench.settings import spell
from genbench.store import StoredFit

if TYPE_CHECKING:
    from torch import nn

    from genbench.probing import Battery, Request

__all__ = ["describe_measure", "measure_identity", "roots", "seed_for", "value_key"]


def roots(
    stored: StoredFit,
    host: Host,
    *,
    root: Path | None,
    device: str,
    needed: frozenset[str],
    siblings: Sequence[StoredFit] = (),
) -> dict[str, Any]:
    """What the measures of one fit start from, by root name; only what is `needed` is loaded.

    Raises
    ------
    InvalidInput
        The weights do not fit the network that the record describes.
    """
    trial = Trial.from_dict(stored.record["trial"])
    protocol, _ = parts(trial, host)
    found: dict[str, Any] = {
        "task": trial.task,
        "protocol": protocol,
        "history": stored.record["history"],
        "device": torch.device(device),
    }
    states = stored.load_states()
    initialized = network(trial, host)
    if "final" in states:
        found["model"] = _loaded(initialized, states["final"], device)
    if "initial_model" in needed and "initial" in states:
        found["initial_model"] = _loaded(initialized, states["initial"], device)
    if "snapshots" in needed:
        found["snapshots"] = _snapshots(states)
    if "siblings" in needed and siblings:
        found["siblings"] = [
            _loaded(initialized, each.load_states()["final"], device)
            for each in siblings
            if "final" in each.record["states"]
        ]
    if needed & {"inputs", "targets", "validation"}:
        _, data = training_data(trial, host, root, opened=["train"])
        found["inputs"] = data.inputs.to(device)
        found["targets"] = data.targets.to(device)
        if data.validation is not None:
            held_out = data.validation
            found["validation"] = Split(held_out.inputs.to(device), held_out.targets.to(device))
    return found


def _loaded(network: nn.Module, state: Mapping[str, torch.Tensor], device: str) -> nn.Module:
    model = copy.deepcopy(network)
    try:
        model.load_state_dict(state)
    except RuntimeError as fault:
        raise InvalidInput(f"the weights do not fit the network: {str(fault).splitlines()[0]}") from None
    return model.to(device).eval()


def _snapshots(states: Mapping[str, Mapping[str, torch.Tensor]]) -> list[tuple[int, Any]] | None:
    steps = sorted(
        (int(name.removeprefix("snapshot-")), state)
        for name, state in states.items()
        if name.startswith("snapshot-")
    )
    return steps or None


def seed_for(key: str, seed: int) -> Any:
    """The seeds of the components that measure one fit: stream ``measure``, of the fit and the component."""
    return lambda component, settings: stream_seed("measure", seed, key, spell(component, settings))


def measure_identity(battery: Battery, request: Request) -> str:
    """Hash of the measure and every probe below it, each with its version and settings."""
    below = [_identity(component, settings) for component, settings in battery.probes_below(request)]
    return digest(
        {"measure": _identity(request.component, request.settings), "probes": sorted(below, key=digest)}
    )


def value_key(key: str, identity: str, siblings: Sequence[str] = ()) -> str:
    """Hash of what determines a value: the fit's key, the measure's identity, the siblings compared with."""
    compared = {"siblings": sorted(siblings)} if siblings else {}
    return digest({"fit": key, "measure": identity, **compared})


def _identity(component: Component, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": component.full_name,
        "version": component.version,
        "settings": dict(settings),
        "source": component.source_hash if component.keyed_by_source else "",
    }


def describe_measure(battery: Battery, request: Request) -> dict[str, Any]:
    """What a value's record says of its measure, so that ranking needs no plugin."""
    component = request.component
    return {
        "measure": request.spelling,
        "version": component.version,
        "plugin": component.plugin,
        "source": component.source_hash,
        "family": component.declared.family,
        "direction": component.declared.direction,
        "cost_class": battery.cost_class(request),
        "held_out": "validation" in battery.roots_needed(request),
    }
