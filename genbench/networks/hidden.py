"""Hidden layers: which they are, and a pass that shows what stands in them.

A hidden layer is the output of a block, as the network names its blocks (`genbench.networks.roles`); in a
network that has no blocks, what enters each weight layer behind the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench.base.errors import NotApplicable
from genbench.networks.kinds import Convolution, is_empty
from genbench.networks.passes import forward
from genbench.networks.roles import in_order_of_calls, module_roles
from genbench.networks.watching import called, watched

__all__ = [
    "At",
    "LayerChoice",
    "Place",
    "altered",
    "captured",
    "chosen_place",
    "differentiable_pass",
    "hidden_places",
]

At = Literal["blocks", "normalizations", "both"]
"""By which layers one differentiates: outputs of blocks, of normalizations, or both."""

LayerChoice = Literal["first", "middle", "last", "penultimate"]
"""One hidden layer: of the blocks the first, the middle or the last, or what enters the classifier."""


@dataclass(frozen=True)
class Place:
    """A hidden layer: what leaves a module, or what enters it."""

    module: str
    side: Literal["output", "input"]
    batch: int = 0
    """The dimension of the examples: 1 where sequences lie with their positions in front."""


def hidden_places(model: nn.Module, at: At, examples: Tensor | None = None) -> list[Place]:
    """The hidden layers of a network, in the order in which a pass of the examples calls them.

    Parameters
    ----------
    examples : Tensor, shape (n, *input_shape), optional
        What the network takes, two are enough. Without it the order is that of definition.

    Raises
    ------
    NotApplicable
        There are none; or one has no dimension with a row for each example.
    """
    return _with_batches(model, _hidden_places(model, at, examples), examples)


def _hidden_places(model: nn.Module, at: At, examples: Tensor | None) -> list[Place]:
    roles = module_roles(model, examples)
    if at == "blocks" and roles["block_outputs"]:
        return [Place(name, "output") for name in roles["block_outputs"]]
    calls = [] if examples is None else called(model, examples)
    names = list(roles["block_outputs"]) if at != "normalizations" else []
    if at != "blocks":
        wanted = {*names, *roles["normalizations"]}
        order = in_order_of_calls(wanted, calls) if calls else [name for name, _ in model.named_modules()]
        names = [name for name in order if name in wanted]
    places = [Place(name, "output") for name in names]
    if not places and at != "normalizations":
        weighty = nn.Linear | Convolution | nn.RNNBase
        weighted = [
            name for name, each in model.named_modules() if isinstance(each, weighty) and not is_empty(each)
        ]
        places = [Place(name, "input") for name in in_order_of_calls(weighted, calls)[1:]]
    if not places:
        what = "normalizations" if at == "normalizations" else "hidden layers"
        raise NotApplicable(f"the network has no {what}")
    return places


def chosen_place(model: nn.Module, layer: LayerChoice, examples: Tensor | None = None) -> Place:
    """The hidden layer of that description, of those of `hidden_places`."""
    examples = None if examples is None else examples[:2]
    if layer == "penultimate":
        classifier = module_roles(model, examples)["classifier"]
        if not classifier:
            raise NotApplicable("the network has no classifier layer")
        place = Place(classifier[0], "input")
    else:
        places = _hidden_places(model, "blocks", examples)
        place = places[{"first": 0, "middle": (len(places) - 1) // 2, "last": -1}[layer]]
    return _with_batches(model, [place], examples)[0]


def _with_batches(model: nn.Module, places: list[Place], examples: Tensor | None) -> list[Place]:
    """The places with the dimensions that grow with the number of examples."""
    if examples is None:
        return places
    few = examples[:1].repeat_interleave(2, 0), examples[:1].repeat_interleave(3, 0)
    shapes = [_shapes(model, places, some) for some in few]
    found = []
    for place in places:
        sizes = [each.get(place) for each in shapes]
        if None in sizes:  # whoever needs the place will say what is wrong with it
            found.append(place)
            continue
        grown = [axis for axis, pair in enumerate(zip(*sizes, strict=False)) if pair == (2, 3)]
        if not grown:
            raise _no_rows(place)
        found.append(replace(place, batch=grown[0]))
    return found


def _no_rows(place: Place) -> NotApplicable:
    return NotApplicable(f"what is in '{place.module}' has no row for each example")


def _shapes(model: nn.Module, places: list[Place], examples: Tensor) -> dict[Place, tuple[int, ...]]:
    """Of what stands in the places; of those that a pass reaches."""
    shapes: dict[Place, tuple[int, ...]] = {}

    def note(place: Place, value: Any) -> None:
        first = value[0] if isinstance(value, tuple) else value
        if isinstance(first, Tensor):
            shapes[place] = tuple(first.shape)

    leaving, entering = _sides(model, places)
    with watched(leaving, after=lambda place, _, value: note(place, value)), watched(entering, before=note):
        called(model, examples)
    return shapes


def _sides(model: nn.Module, places: list[Place]) -> tuple[dict[Place, nn.Module], dict[Place, nn.Module]]:
    """The modules of places that are outputs, and of those that are inputs."""
    modules = {place: model.get_submodule(place.module) for place in places}
    leaving = {place: module for place, module in modules.items() if place.side == "output"}
    return leaving, {place: module for place, module in modules.items() if place.side == "input"}


def differentiable_pass(
    model: nn.Module, inputs: Tensor, places: list[Place], device: torch.device
) -> tuple[Tensor, list[Tensor]]:
    """Outputs and hidden layers of a forward pass, of one graph that begins at the inputs.

    Raises
    ------
    NotApplicable
        As `captured`; or the network switches gradients off there.
    """
    with torch.enable_grad(), captured(model, places) as hidden:
        outputs = forward(model, inputs.to(device, copy=True).requires_grad_())
    if not all(each.requires_grad for each in (outputs, *hidden)):
        raise NotApplicable("the network switches gradients off at a hidden layer")
    return outputs, hidden


@contextmanager
def captured(model: nn.Module, places: list[Place]) -> Iterator[list[Tensor]]:
    """A list that a forward pass inside the block fills with the hidden layers, in the order of `places`.

    Each has a row for each example, wherever the network keeps the examples. The network goes on with a
    copy, so that an operation in place behind a hidden layer leaves it alone.

    Raises
    ------
    NotApplicable
        A hidden layer is no tensor, or is computed several times or never.
    """
    found: dict[Place, Tensor] = {}
    hidden: list[Tensor] = []

    def keep(place: Place, value: Tensor) -> Tensor:
        found[place] = value
        return value.clone()

    with altered(model, places, keep):
        yield hidden
    hidden.extend(found[place] for place in places)


@contextmanager
def altered(
    model: nn.Module, places: list[Place], change: Callable[[Place, Tensor], Tensor]
) -> Iterator[None]:
    """Let one pass inside the block go on with `change(place, hidden layer)` in the place of hidden layers.

    `change` is handed a row for each example, wherever the network keeps the examples. Of several tensors,
    such as those of a recurrent module, the hidden layer is the first.

    Raises
    ------
    NotApplicable
        A hidden layer is no tensor, or is computed several times or never.
    """
    changed: set[Place] = set()
    examples: int | None = None  # where the pass is one of a part of the network, nobody knows

    def count(_: str, given: tuple[Any, ...]) -> None:
        nonlocal examples
        examples = len(given[0])

    def first_changed(place: Place, value: Any) -> Any:
        first = value[0] if isinstance(value, tuple) else value
        if not isinstance(first, Tensor):
            raise NotApplicable(f"module '{place.module}' yields no tensor")
        if place in changed:
            raise NotApplicable(f"module '{place.module}' is called several times in one pass")
        if examples is not None and first.shape[place.batch : place.batch + 1] != (examples,):
            raise _no_rows(place)
        changed.add(place)
        instead = change(place, first.movedim(place.batch, 0)).movedim(0, place.batch)
        return (instead, *value[1:]) if isinstance(value, tuple) else instead

    leaving, entering = _sides(model, places)
    with (
        watched({"": model}, before=count),
        watched(leaving, after=lambda place, _, value: first_changed(place, value)),
        watched(entering, before=first_changed),
    ):
        yield
    missing = [place.module for place in places if place not in changed]
    if missing:
        raise NotApplicable(f"module '{missing[0]}' is never called")
