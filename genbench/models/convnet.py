"""Plain convolutional networks without pooling between layers."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

import genbench
from genbench.base.constraints import Count, Probability
from genbench.models.image_network import ImageNetwork
from genbench.models.layers import (
    Activation,
    Normalization,
    activation_layer,
    initialize,
    normalization_layer,
)
from genbench.models.shapes import image_shape

__all__ = ["convnet"]

SMALLEST_MAP = 4


@genbench.model(
    source="after Springenberg et al. 2015, Striving for simplicity: the all convolutional net",
    capturable=True,
)
def convnet(
    task: genbench.Task,
    *,
    width: Count = 32,
    depth: Count = 4,
    activation: Activation = "relu",
    normalization: Normalization = "none",
    dropout: Probability = 0.0,
) -> nn.Module:
    """A stack of 3 x 3 convolutions; every second one halves the resolution by its stride.

    The resolution is halved as long as the feature maps stay at least 4 pixels high and wide; their average
    over positions goes into a linear classifier.

    Parameters
    ----------
    task : Task
        With images as inputs.
    width : int
        Channels of each layer.
    depth : int
        Number of convolutions, that is of hidden layers.
    activation : str
    normalization : {"batch", "layer", "group", "none"}
        Between convolution and activation.
    dropout : float
        Rate of dropout after each activation.
    """
    channels, *sides = image_shape(task, "convnet")
    side = min(sides)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index in range(1, depth + 1):
        stride = 2 if index % 2 == 0 and side >= 2 * SMALLEST_MAP else 1
        side = -(-side // stride)
        layers[f"layer{index}"] = nn.Sequential(
            OrderedDict(
                convolution=nn.Conv2d(channels, width, 3, stride, padding=1, bias=normalization == "none"),
                normalization=normalization_layer(normalization, width, spatial=True),
                activation=activation_layer(activation),
                dropout=nn.Dropout(dropout),
            )
        )
        channels = width
    network = ImageNetwork(nn.Sequential(layers), width, task.outputs, block_outputs=list(layers))
    initialize(network, network.classifier, activation)
    return network
