"""One fit, measured: from what the run folder holds to the roots that measures start from.

The test split is never opened here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from genbench.base.data import Split
from genbench.base.errors import InvalidInput, NotApplicable, first_line
from genbench.fitting.building import build
from genbench.host import Host
from genbench.networks.copying import copy_of
from genbench.networks.walk import Snapshots, Walk
from genbench.planning.plan import Trial, sees_other_examples
from genbench.runs.store import StoredFit

if TYPE_CHECKING:
    from torch import nn

    from genbench.fitting.splits import TrainingData

__all__ = ["roots"]


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
    built = build(trial, host)
    found: dict[str, Any] = {
        "task": trial.task,
        "protocol": built.protocol,
        "history": stored.record["history"] or NotApplicable("the history of its training is not known"),
        "device": torch.device(device),
    }
    states = stored.load_states()
    initialized = built.network()
    if "final" in states:
        found["model"] = _loaded(initialized, states["final"], device)
    if "initial_model" in needed and "initial" in states:
        found["initial_model"] = _loaded(initialized, states["initial"], device)
    if "snapshots" in needed:
        found["snapshots"] = _snapshots(states, stored.record["steps"])
    if needed & {"inputs", "targets", "validation", "siblings"}:
        _, data = built.training_data(root, opened=["train"])
        found["inputs"] = data.inputs.to(device)
        found["targets"] = data.targets.to(device)
        held_out = data.validation
        found["validation"] = (
            NotApplicable("the suite sets no validation split, `validation_size` of its dataset")
            if held_out is None
            else Split(held_out.inputs.to(device), held_out.targets.to(device))
        )
    if "siblings" in needed:
        found["siblings"] = [
            _sibling(each, _loaded(initialized, each.load_states()["final"], device), data, host, root)
            for each in sorted(siblings, key=lambda each: each.record["trial"]["seed"])
            if "final" in each.record["states"]
        ] or NotApplicable("needs siblings: no other seed of this configuration is trained")
    return found


def _loaded(network: nn.Module, state: Mapping[str, torch.Tensor], device: str) -> nn.Module:
    model = copy_of(network)
    try:
        model.load_state_dict(state)
    except RuntimeError as fault:
        raise InvalidInput(f"the weights do not fit the network: {first_line(fault)}") from None
    return model.to(device).eval()


def _sibling(
    stored: StoredFit, model: nn.Module, ours: TrainingData, host: Host, root: Path | None
) -> nn.Module:
    """The network of another seed, made to take inputs that are normalized with our numbers."""
    trial = Trial.from_dict(stored.record["trial"])
    if not (sees_other_examples(trial) and trial.splits["normalize"]):
        return model
    _, theirs = build(trial, host).training_data(root, opened=["train"])
    scale = (ours.std.double() / theirs.std).float()
    shift = ((ours.mean.double() - theirs.mean) / theirs.std).float()
    model.register_forward_pre_hook(
        lambda module, given: (given[0] * scale.to(given[0]) + shift.to(given[0]), *given[1:])
    )
    return model


def _snapshots(states: Mapping[str, Mapping[str, torch.Tensor]], last: int) -> Snapshots | NotApplicable:
    """What was kept along training, with the weights at its begin and end, which are kept by these names."""
    walk = Walk.of_state(states["trajectory"]) if "trajectory" in states else None
    steps = {
        int(name.removeprefix("snapshot-")): state
        for name, state in states.items()
        if name.startswith("snapshot-")
    }
    if not steps and walk is None:
        return NotApplicable("not kept: the suite's `keep` needs { snapshots = N } and { trajectory = N }")
    for step, name in ((0, "initial"), (last, "final")):
        if steps and name in states:
            steps.setdefault(step, states[name])
    return Snapshots(sorted(steps.items(), key=lambda each: each[0]), walk)
