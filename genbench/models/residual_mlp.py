"""Narrow and very deep fully connected networks with skips over several layers."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Annotated, Literal

from annotated_types import Ge
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count
from genbench.models.layers import (
    Activation,
    Normalization,
    activation_layer,
    initialize,
    normalization_layer,
)
from genbench.models.mlp import MLP

__all__ = ["SkipBlock", "residual_mlp"]


class SkipBlock(nn.Module):
    """x + f(x): linear layers with activations between them, and one after the sum."""

    def __init__(self, width: int, layers: int, activation: Activation, normalization: Normalization):
        super().__init__()
        members: OrderedDict[str, nn.Module] = OrderedDict()
        for index in range(1, layers + 1):
            members[f"linear{index}"] = nn.Linear(width, width)
            members[f"normalization{index}"] = normalization_layer(normalization, width, spatial=False)
            if index < layers:
                members[f"activation{index}"] = activation_layer(activation)
        self.residual = nn.Sequential(members)
        self.activation = activation_layer(activation)

    def forward(self, inputs: Tensor) -> Tensor:
        """φ(x + f(x)) of x, both (n, width)."""
        return self.activation(inputs + self.residual(inputs))


@genbench.model(
    source="Taborsky & Hansen, Generalization by design, section 4.1 and Figs. 2, 4, 7", capturable=True
)
def residual_mlp(
    task: genbench.Task,
    *,
    width: Count = 17,
    depth: Count = 119,
    skip: Annotated[int, Ge(0)] = 2,
    activation: Activation = "relu",
    normalization: Normalization = "none",
    initialization: Literal["uniform", "he"] = "uniform",
) -> nn.Module:
    """A narrow, deep network with an identity skip over every `skip` hidden layers.

    As it stands it is the regressor of figure 2, 119 hidden layers of 17 units and 36,160 parameters;
    ``skip=7`` is that of figure 4 and ``depth=90`` that of figure 7, with its 45 skips. The first hidden
    layer has none, because its input has another width; where the others are no multiple of `skip`, the
    last skip is shorter. The two other regressors of figure 2 are plain: ``depth=1,width=11999,skip=0`` with
    the published 35,998 parameters, and seven layers with 35,989, which equal widths cannot have (76 units
    give 35,341 and 77 give 36,268). A plain `mlp` is no stand-in on inputs of one dimension: its biases
    start at zero, so that all units of the first layer bend at the same input.

    Parameters
    ----------
    task : Task
        With inputs of any shape.
    width : int
        Units of each hidden layer.
    depth : int
        Number of hidden layers.
    skip : int
        Layers that a skip leads over; 0 is a plain network without any.
    activation : str
        Within a block, and after each sum.
    normalization : {"batch", "layer", "group", "none"}
        After each linear map.
    initialization : {"uniform", "he"}
        Weights and biases uniform within ±1/√fan-in, torch's own way, in which dozens of blocks keep their
        scale; or as in the other networks, in which every block without normalization doubles the variance.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        flatten=nn.Flatten(),
        layer1=_layer(math.prod(task.input_shape), width, activation, normalization),
    )
    if skip:
        for index, first in enumerate(range(1, depth, skip), 1):
            layers[f"block{index}"] = SkipBlock(width, min(skip, depth - first), activation, normalization)
    else:
        for index in range(2, depth + 1):
            layers[f"layer{index}"] = _layer(width, width, activation, normalization)
    network = MLP(nn.Sequential(layers), nn.Linear(width, task.outputs))
    if initialization == "he":
        initialize(network, network.classifier, activation)
    return network


def _layer(inputs: int, width: int, activation: Activation, normalization: Normalization) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            linear=nn.Linear(inputs, width),
            normalization=normalization_layer(normalization, width, spatial=False),
            activation=activation_layer(activation),
        )
    )
