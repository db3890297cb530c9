"""Modules put into a network that is there: behind a module, before one, or in its place.

The names of what was there stay where that is possible, so that weights, roles and hooks still find it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.base.data import Task
from genbench.base.errors import InvalidInput, nearest
from genbench.networks.kinds import Dropout
from genbench.networks.roles import module_roles
from genbench.networks.watching import watched

__all__ = [
    "Passage",
    "add_role",
    "find_module",
    "insert_after",
    "insert_before",
    "passages",
    "replace",
    "with_dropout",
    "zeros_of",
]

# Batch norm takes part in evaluation mode, but some networks ask for more than one example.
EXAMPLES = 2


class Passage:
    """What went through one module for two examples of zeros.

    Attributes
    ----------
    inputs, outputs : Tensor or None
        What entered first, and what left; None where that is no tensor or the module was not called.
    calls : int
    """

    def __init__(self) -> None:
        self.inputs: Tensor | None = None
        self.outputs: Tensor | None = None
        self.calls = 0


def zeros_of(model: nn.Module, task: Task) -> Tensor:
    """Two examples of zeros where the network lies, in its precision."""
    like = next(model.parameters(), torch.zeros(()))
    return torch.zeros(EXAMPLES, *task.input_shape, device=like.device, dtype=like.dtype)


def passages(model: nn.Module, task: Task, names: Iterable[str]) -> tuple[dict[str, Passage], Tensor]:
    """Send two examples of zeros through a network in evaluation mode.

    Modes and random states stay as they are.

    Returns
    -------
    found : dict from name to Passage
    outputs : Tensor
        Of the network.
    """
    found = {name: Passage() for name in names}

    def note(name: str, given: tuple[Any, ...], output: Any) -> None:
        passage = found[name]
        passage.calls += 1
        passage.inputs = next((each for each in given[:1] if isinstance(each, Tensor)), None)
        passage.outputs = output if isinstance(output, Tensor) else None

    examples = zeros_of(model, task)
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad(), watched({name: model.get_submodule(name) for name in found}, after=note):
            outputs = model.eval()(examples)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return found, outputs


def find_module(model: nn.Module, word: str, purpose: str, task: Task | None = None) -> str:
    """The name of the module that a word means: its name, the end of its name, or a role.

    Parameters
    ----------
    word : str
        ``encoder.stage2``, ``stage2`` where only one name ends so, or a role that one module plays.
    purpose : str
        What the word is for: the errors begin with it.
    task : Task, optional
        With it roles go by the order of calls.

    Raises
    ------
    InvalidInput
        No module is meant, or several are; with the names that there are.
    """
    names = [name for name, _ in model.named_modules() if name]
    if word in names:
        return word
    roles = module_roles(model, None if task is None else zeros_of(model, task))
    if len(roles.get(word, ())) == 1:
        return roles[word][0]
    ending = [name for name in names if name.endswith(f".{word}")]
    if len(ending) == 1:
        return ending[0]
    playing = [*ending, *roles.get(word, ())]
    if playing:
        raise InvalidInput(f"{purpose}: '{word}' is several modules: {', '.join(playing)}")
    known = list(dict.fromkeys([*(name for name, each in roles.items() if len(each) == 1), *names]))
    raise InvalidInput(
        f"{purpose}: the network has no module '{word}'{nearest(word, known)}; it has {_some(known)}"
    )


def insert_after(model: nn.Module, name: str, module: nn.Module, label: str) -> str:
    """Let what leaves the module of that name go through another one; return the other's name.

    A member of a sequence gets it behind itself. Another sequence gets it as its last member. In any other
    place the module becomes a sequence: itself, now called ``NAME.0``, and the other one; the network's roles
    follow.
    """
    parent, own = _parent(model, name)
    if isinstance(parent, nn.Sequential):
        label = _free(parent, label)
        _put_into(parent, own, label, module, behind=True)
        return _sibling(name, label)
    target = model.get_submodule(name)
    if isinstance(target, nn.Sequential):
        label = _free(target, label)
        target.add_module(label, module)
        return f"{name}.{label}"
    setattr(parent, own, nn.Sequential(OrderedDict([("0", target), (label, module)])))
    _rename(model, name, f"{name}.0")
    return f"{name}.{label}"


def insert_before(model: nn.Module, name: str, module: nn.Module, label: str) -> str:
    """Let what enters the module of that name go through another one first; return the other's name.

    A member of a sequence gets it before itself. In any other place the module becomes a sequence: the other
    one and itself, now called ``NAME.0``; the network's roles follow.
    """
    parent, own = _parent(model, name)
    if isinstance(parent, nn.Sequential):
        label = _free(parent, label)
        _put_into(parent, own, label, module, behind=False)
        return _sibling(name, label)
    target = model.get_submodule(name)
    setattr(parent, own, nn.Sequential(OrderedDict([(label, module), ("0", target)])))
    _rename(model, name, f"{name}.0")
    return f"{name}.{label}"


def replace(model: nn.Module, name: str, module: nn.Module, inside: str = "") -> None:
    """Put a module in the place of another.

    Parameters
    ----------
    inside : str
        Where the new module holds the old one, by what name; roles that the old one and its parts play follow
        it. Where it does not, they end.
    """
    parent, own = _parent(model, name)
    parent._modules[own] = module
    if inside:
        _rename(model, name, f"{name}.{inside}")
        return
    for names in _own_roles(model).values():
        names[:] = [each for each in names if not each.startswith(f"{name}.")]


def add_role(model: nn.Module, role: str, name: str) -> None:
    """Let a module play a role beside those that play it already."""
    _own_roles(model).setdefault(role, []).append(name)


def _own_roles(model: Any) -> dict[str, list[str]]:
    if not isinstance(getattr(model, "roles", None), dict):
        model.roles = {}
    return model.roles


def _rename(model: nn.Module, old: str, new: str) -> None:
    """Roles of a module and of its parts, which now go by another name."""
    for names in _own_roles(model).values():
        names[:] = [
            new + each[len(old) :] if each == old or each.startswith(f"{old}.") else each for each in names
        ]


def _parent(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, own = name.rpartition(".")
    return model.get_submodule(path), own


def _sibling(name: str, label: str) -> str:
    path, dot, _ = name.rpartition(".")
    return f"{path}{dot}{label}"


def _free(parent: nn.Module, label: str) -> str:
    """The label, numbered where the parent has one already."""
    names = dict(parent.named_children())
    tried, number = label, 1
    while tried in names:
        number += 1
        tried = f"{label}{number}"
    return tried


def _put_into(sequence: nn.Sequential, own: str, label: str, module: nn.Module, *, behind: bool) -> None:
    members = list(sequence.named_children())
    place = [name for name, _ in members].index(own) + behind
    members.insert(place, (label, module))
    for name, _ in members:
        if name in sequence._modules:
            del sequence._modules[name]
    for name, member in members:
        sequence.add_module(name, member)


def _some(names: Sequence[str], most: int = 12) -> str:
    listed = ", ".join(names[:most])
    return f"{listed} and {len(names) - most} more" if len(names) > most else listed


def with_dropout(model: nn.Module, rate: float) -> nn.Module:
    """The network with this rate in all its dropout modules or, where it has none, behind its activations.

    Dropout of generalization layers keeps its own rate. An activation ``name`` without parameters becomes a
    sequence of itself, ``name.0``, and the dropout, ``name.1``.

    Raises
    ------
    InvalidInput
        There is no place for it.
    """
    added = {
        module
        for name in module_roles(model)["generalization_layers"]
        for module in model.get_submodule(name).modules()
    }
    modules = [each for each in model.modules() if each not in added]
    own = [each for each in modules if isinstance(each, Dropout)]
    for module in own:
        module.p = rate
    if own or rate == 0:
        return model
    places = [place for place in _activations(model) if place[0] not in added]
    if not places:
        raise InvalidInput(
            "the network has neither dropout nor activation modules, so there is no place for it"
        )
    # One module called in several places stays one module.
    sequences = {activation: nn.Sequential(activation, nn.Dropout(rate)) for _, _, activation in places}
    for parent, name, activation in places:
        setattr(parent, name, sequences[activation])
    return model


def _activations(model: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Parent, name and module of each activation without parameters."""
    return [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent._modules.items()
        if child is not None
        and type(child).__module__ == nn.ReLU.__module__
        and not isinstance(child, nn.MultiheadAttention | nn.Softmax | nn.LogSoftmax | nn.Softmax2d)
        and not list(child.parameters())
    ]
