"""Fully connected networks."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count, Probability
from genbench.models.layers import (
    Activation,
    Normalization,
    activation_layer,
    initialize,
    normalization_layer,
)

__all__ = ["MLP", "mlp"]


class MLP(nn.Module):
    """Flatten, hidden layers, a linear classifier. `roles` names its parts, see `genbench.networks.roles`."""

    def __init__(self, encoder: nn.Sequential, classifier: nn.Linear):
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier
        self.roles = {
            "block_outputs": [f"encoder.{name}" for name, _ in encoder.named_children() if name != "flatten"],
            "encoder": ["encoder"],
            "classifier": ["classifier"],
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (n, outputs) for inputs (n, *input_shape)."""
        return self.classifier(self.encoder(inputs))


@genbench.model(capturable=True)
def mlp(
    task: genbench.Task,
    *,
    width: Count = 128,
    depth: Count = 2,
    activation: Activation = "relu",
    normalization: Normalization = "none",
    dropout: Probability = 0.0,
) -> nn.Module:
    """A fully connected network on inputs of any shape.

    Parameters
    ----------
    task : Task
    width : int
        Units of each hidden layer.
    depth : int
        Number of hidden layers.
    activation : str
    normalization : {"batch", "layer", "group", "none"}
        Between the linear map and the activation.
    dropout : float
        Rate of dropout after each activation.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    features = math.prod(task.input_shape)
    for index in range(1, depth + 1):
        layers[f"layer{index}"] = nn.Sequential(
            OrderedDict(
                linear=nn.Linear(features, width),
                normalization=normalization_layer(normalization, width, spatial=False),
                activation=activation_layer(activation),
                dropout=nn.Dropout(dropout),
            )
        )
        features = width
    network = MLP(nn.Sequential(layers), nn.Linear(features, task.outputs))
    initialize(network, network.classifier, activation)
    return network
