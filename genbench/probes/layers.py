"""The weight layers of a network: their matrices, and what is needed to apply them as operators."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import genbench
from genbench.base import moved
from genbench.networks.folding import folded_copy
from genbench.networks.kinds import Convolution
from genbench.networks.layers import Layer, weight_layers
from genbench.networks.passes import forward
from genbench.networks.watching import watched

__all__ = ["folded_initial_model", "folded_model", "initial_layers", "input_shapes", "layers"]

moved.signpost(__name__)

_MODEL = genbench.need("folded_model", shared="fold")
_INITIAL_MODEL = genbench.need("folded_initial_model", shared="fold")


@genbench.probe
def folded_model(model, *, fold: bool = True) -> nn.Module:
    """A copy of the network in double precision, evaluation mode, batch norm folded into the weights.

    In double precision throughout: a narrower one that the network mentions, such as ``inputs.float()``, is
    read as double precision.

    Parameters
    ----------
    fold : bool
        Fold each batch norm, with its running statistics, into the weights beside it; False leaves it as it
        is.

    Raises
    ------
    NotApplicable
        A batch norm cannot be folded, see `fold_plan`.
    """
    return folded_copy(model, fold=fold)


@genbench.probe
def folded_initial_model(initial_model, *, fold: bool = True) -> nn.Module:
    """The network at initialization, treated as `folded_model` treats the trained one.

    Its running variance is 1, so that folding rescales the trained weights and hardly the initial ones.

    Parameters
    ----------
    fold : bool
        Fold each batch norm into the weights beside it; False leaves it as it is.
    """
    return folded_copy(initial_model, fold=fold)


@genbench.probe
def layers(model=_MODEL) -> tuple[Layer, ...]:
    """Weight layers in the order of definition; no biases, no normalizations.

    Raises
    ------
    NotApplicable
        The network has no weights, or transposed convolutions.
    """
    return weight_layers(model)


@genbench.probe
def initial_layers(model=_INITIAL_MODEL) -> tuple[Layer, ...]:
    """The weight layers at initialization, read as those of the trained network are."""
    return weight_layers(model)


@genbench.probe(cost="B")
def input_shapes(model, inputs) -> dict[str, tuple[int, ...]]:
    """Shape of one example where it enters each convolution, by module name, from one example's forward pass.

    Of a convolution that is applied at several places, the largest.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def record(name: str, given: tuple[Any, ...]) -> None:
        shape = tuple(given[0].shape[1:])
        shapes[name] = max(shape, shapes.get(name, shape), key=lambda size: torch.Size(size).numel())

    modules = {name: module for name, module in model.named_modules() if isinstance(module, Convolution)}
    if modules:
        with torch.no_grad(), watched(modules, before=record):
            forward(model, inputs[:2])
    return shapes
