"""The small AlexNet with which Zhang, Bengio et al. 2017 fitted random labels."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


class ResponseNorm(nn.LocalResponseNorm):
    """torch's own but for deterministic algorithms on CUDA, which have no gradient of its pooling."""

    def forward(self, input: Tensor) -> Tensor:
        """Divide pictures by the size of their neighbouring channels."""
        return _normalized(input, self.size, self.alpha, self.beta, self.k)


@torch.fx.wrap  # whoever traces a network follows no branches
def _normalized(input: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    if input.is_cuda and torch.are_deterministic_algorithms_enabled():
        return pooled_flat(input, size, alpha, beta, k)
    return F.local_response_norm(input, size, alpha, beta, k)


def pooled_flat(input: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """Local response normalization by pooling over channels as over the rows of a picture."""
    before = size // 2
    squares = F.pad(input.square().flatten(2).unsqueeze(1), (0, 0, before, size - 1 - before))
    means = F.avg_pool2d(squares, (size, 1), stride=1).squeeze(1)
    return input / (means.view(input.shape) * alpha + k) ** beta


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
                normalization=ResponseNorm(NEIGHBOURS, ALPHA, BETA, OFFSET)
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
