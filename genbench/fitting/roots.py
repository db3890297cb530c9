"""One fit, measured: from what the run folder holds to the roots that measures start from.

The test split is never opened here. What is read of the run comes first (`start_of`), what is made of it
second (`roots_from`), so that the two can be done by two processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from genbench.base.data import Split
from genbench.base.errors import InvalidInput, NotApplicable, first_line
from genbench.fitting.building import build, training_data
from genbench.host import Host
from genbench.networks.copying import copy_of
from genbench.networks.walk import Snapshots, Walk
from genbench.planning.plan import Trial, sees_other_examples
from genbench.runs.store import StoredFit
from genbench.runs.weights import read_states

if TYPE_CHECKING:
    from torch import Tensor, nn

    from genbench.fitting.splits import TrainingData

__all__ = ["OF_A_FIT", "Sibling", "Start", "roots", "roots_from", "start_of"]

_OF_DATA = frozenset({"inputs", "targets", "validation", "siblings"})
OF_A_FIT = _OF_DATA | {"model", "initial_model", "snapshots"}
"""Roots that are read from a run folder and the data."""


@dataclass(frozen=True)
class Sibling:
    """The fit of another seed.

    Attributes
    ----------
    state : mapping of Tensor
        Its final weights.
    scale, shift : Tensor or None
        What makes inputs that are normalized with our numbers such as it was trained on; None where they are.
    """

    state: Mapping[str, Tensor]
    scale: Tensor | None = None
    shift: Tensor | None = None


@dataclass(frozen=True)
class Start:
    """What the measures of a fit start from, as read: nothing in it tells how the fit does on test data.

    Attributes
    ----------
    trial : Trial
    history : mapping of list, or None
        Of the training.
    steps : int
    weights : Path
        The file of weights.
    states : sequence of str
        Names of the state dictionaries in it.
    train, validation : Split or None
        Normalized; None where not needed, or where the suite holds nothing out.
    siblings : sequence of Sibling
        By seed.
    """

    trial: Trial
    history: Mapping[str, list[float | None]] | None
    steps: int
    weights: Path
    states: Sequence[str]
    train: Split | None = None
    validation: Split | None = None
    siblings: Sequence[Sibling] = ()


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
    start = start_of(stored, host, root=root, needed=needed, siblings=siblings)
    return roots_from(start, host, device=device, needed=needed)


def start_of(
    stored: StoredFit,
    host: Host,
    *,
    root: Path | None,
    needed: frozenset[str],
    siblings: Sequence[StoredFit] = (),
) -> Start:
    """Read what the measures of a fit start from; of components the data set and the protocol are needed."""
    record = stored.record
    trial = Trial.from_dict(record["trial"])
    train = validation = None
    others = []
    if needed & _OF_DATA:
        _, ours = training_data(trial, host, root, opened=["train"])
        train, validation = Split(ours.inputs, ours.targets), ours.validation
        if "siblings" in needed:
            others = [
                _sibling(each, ours, host, root)
                for each in sorted(siblings, key=lambda each: each.record["trial"]["seed"])
                if "final" in each.record["states"]
            ]
    return Start(
        trial=trial,
        history=record["history"],
        steps=record["steps"],
        weights=stored.folder / "weights.safetensors",
        states=record["states"],
        train=train,
        validation=validation,
        siblings=others,
    )


def roots_from(start: Start, host: Host, *, device: str, needed: frozenset[str]) -> dict[str, Any]:
    """Objects from what was read; see `roots`."""
    built = build(start.trial, host)
    found: dict[str, Any] = {
        "task": start.trial.task,
        "protocol": built.protocol,
        "history": start.history or NotApplicable("the history of its training is not known"),
        "device": torch.device(device),
    }
    states = read_states(start.weights, start.states)
    initialized = built.network()
    if "final" in states:
        found["model"] = _loaded(initialized, states["final"], device)
    if "initial_model" in needed and "initial" in states:
        found["initial_model"] = _loaded(initialized, states["initial"], device)
    if "snapshots" in needed:
        found["snapshots"] = _snapshots(states, start.steps)
    if start.train is not None and needed & _OF_DATA:
        found["inputs"] = start.train.inputs.to(device)
        found["targets"] = start.train.targets.to(device)
        held_out = start.validation
        found["validation"] = (
            NotApplicable("the suite sets no validation split, `validation_size` of its dataset")
            if held_out is None
            else Split(held_out.inputs.to(device), held_out.targets.to(device))
        )
    if "siblings" in needed:
        found["siblings"] = [
            _taking_ours(each, _loaded(initialized, each.state, device)) for each in start.siblings
        ] or NotApplicable("needs siblings: no other seed of this configuration is trained")
    return found


def _loaded(network: nn.Module, state: Mapping[str, torch.Tensor], device: str) -> nn.Module:
    model = copy_of(network)
    try:
        model.load_state_dict(state)
    except RuntimeError as fault:
        raise InvalidInput(f"the weights do not fit the network: {first_line(fault)}") from None
    return model.to(device).eval()


def _sibling(stored: StoredFit, ours: TrainingData, host: Host, root: Path | None) -> Sibling:
    trial = Trial.from_dict(stored.record["trial"])
    state = stored.load_states()["final"]
    if not (sees_other_examples(trial) and trial.splits["normalize"]):
        return Sibling(state)
    _, theirs = training_data(trial, host, root, opened=["train"])
    scale = (ours.std.double() / theirs.std).float()
    return Sibling(state, scale, ((ours.mean.double() - theirs.mean) / theirs.std).float())


def _taking_ours(sibling: Sibling, model: nn.Module) -> nn.Module:
    """The network of another seed, made to take inputs that are normalized with our numbers."""
    scale, shift = sibling.scale, sibling.shift
    if scale is not None and shift is not None:
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
