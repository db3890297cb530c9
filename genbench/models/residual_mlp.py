"""Narrow and very deep fully connected networks with skips over several layers."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

import genbench
from genbench.constraints import Count
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
        return self.activation(inputs + self.residual(inputs))


@genbench.model(source="Taborsky & Hansen, Generalization by design, section 4.1 and Figs. 2, 4, 7")
def residual_mlp(
    task: genbench.Task,
    *,
    width: Count = 17,
    depth: Count = 119,
    skip: Count = 2,
    activation: Activation = "relu",
    normalization: Normalization = "none",
    initialization: Literal["uniform", "he"] = "uniform",
) -> nn.Module:
    """A narrow, deep network with an identity skip over every `skip` hidden layers.

    As it stands it is the regressor of figure 2, 119 hidden layers of 17 units and 36,160 parameters;
    ``skip=7`` is that of figure 4 and ``depth=90`` that of figure 7, with its 45 skips. The first hidden
    layer has none, because its input has another width; where the others are no multiple of `skip`, the
    last skip is shorter. The two other regressors of figure 2 are plain: ``mlp[depth=1,width=11999]`` with
    the published 35,998 parameters, and seven layers with 35,989, which equal widths cannot have (76 units
    give 35,341 and 77 give 36,268).

    Parameters
    ----------
    task : Task
        With inputs of any shape.
    width : int
        Units of each hidden layer.
    depth : int
        Number of hidden layers.
    skip : int
        Layers that a skip leads over.
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
        layer1=nn.Sequential(
            OrderedDict(
                linear=nn.Linear(math.prod(task.input_shape), width),
                normalization=normalization_layer(normalization, width, spatial=False),
                activation=activation_layer(activation),
            )
        ),
    )
    for index, first in enumerate(range(1, depth, skip), 1):
        layers[f"block{index}"] = SkipBlock(width, min(skip, depth - first), activation, normalization)
    network = MLP(nn.Sequential(layers), nn.Linear(width, task.outputs))
    if initialization == "he":
        initialize(network, network.classifier, activation)
    return network
