"""The small AlexNet with which Zhang, Bengio et al. 2017 fitted random labels."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import nn

import genbench
from genbench.base.constraints import Count, Probability
from genbench.models.image_network import ImageNetwork
from genbench.models.layers import Activation, activation_layer, initialize, normalization_layer
from genbench.models.shapes import image_shape

__all__ = ["small_alexnet"]

# Krizhevsky's constants in the form of TensorFlow's CIFAR-10 network: four channels on each side. What torch
# divides by the number of channels is TensorFlow's alpha as it stands, 0.001 / 9.
NEIGHBOURS, ALPHA, BETA, OFFSET = 9, 0.001, 0.75, 1.0

DENSE = (384, 192)


@genbench.model(
    source="Zhang, Bengio et al. 2017, Understanding deep learning requires rethinking, appendix A; "
    "Zhang, Liao et al. 2017, Theory of deep learning III, Table 2",
    capturable=True,
)
def small_alexnet(
    task: genbench.Task,
    *,
    width: Count = 64,
    dropout: Probability = 0.0,
    activation: Activation = "relu",
    normalization: Literal["local-response", "batch", "layer", "group", "none"] = "local-response",
) -> nn.Module:
    """Twice a 5 x 5 convolution, 3 x 3 max pooling and a normalization, then layers of 384 and 192 units.

    On 28 x 28 colour pixels, the centre crops of CIFAR-10 that the paper uses, it has the published
    1,387,786 parameters.

    Parameters
    ----------
    task : Task
        With images as inputs.
    width : int
        Filters of both convolutions.
    dropout : float
        Rate of dropout after the two fully connected layers; none in the paper's experiments.
    activation : str
    normalization : {"local-response", "batch", "layer", "group", "none"}
        After each pooling.
    """
    channels, height, breadth = image_shape(task, "small-alexnet")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index in (1, 2):
        layers[f"layer{index}"] = nn.Sequential(
            OrderedDict(
                convolution=nn.Conv2d(channels, width, 5, padding=2),
                activation=activation_layer(activation),
                pool=nn.MaxPool2d(3, stride=2, padding=1),
                normalization=nn.LocalResponseNorm(NEIGHBOURS, ALPHA, BETA, OFFSET)
                if normalization == "local-response"
                else normalization_layer(normalization, width, spatial=True),
            )
        )
        channels, height, breadth = width, -(-height // 2), -(-breadth // 2)
    layers["flatten"] = nn.Flatten()
    features = channels * height * breadth
    for index, units in enumerate(DENSE, 3):
        layers[f"layer{index}"] = nn.Sequential(
            OrderedDict(
                linear=nn.Linear(features, units),
                activation=activation_layer(activation),
                dropout=nn.Dropout(dropout),
            )
        )
        features = units
    names = [name for name in layers if name != "flatten"]
    network = ImageNetwork(
        nn.Sequential(layers), features, task.outputs, block_outputs=names, pool=nn.Identity()
    )
    initialize(network, network.classifier, activation)
    return network
