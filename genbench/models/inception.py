"""The small Inception network with which Zhang, Bengio et al. 2017 fitted random labels."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

import genbench
from genbench.models.image_network import ImageNetwork
from genbench.models.layers import (
    Activation,
    Normalization,
    activation_layer,
    initialize,
    normalization_layer,
)
from genbench.models.shapes import image_shape

__all__ = ["DownsampleBlock", "InceptionBlock", "shift_batch_norm", "small_inception"]

STEM_WIDTH = 96

# A pair: filters of 1 x 1 and of 3 x 3, side by side. A single number: filters of 3 x 3 with stride 2, beside
# a pooling.
BLOCKS: tuple[tuple[int, int] | int, ...] = (
    (32, 32), (32, 48), 80, (112, 48), (96, 64), (80, 80), (48, 96), 96, (176, 160), (176, 160),
)  # fmt: skip


def shift_batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalization that learns a shift and no scale, as TensorFlow's layers do when ReLU follows.

    It is torch's own module, for those who look for it by type; its scale of 1 is a buffer.
    """
    norm = nn.BatchNorm2d(channels)
    del norm.weight
    norm.register_buffer("weight", torch.ones(channels), persistent=False)
    return norm


class NormalizedConvolution(nn.Module):
    """Convolution, normalization, activation."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        stride: int,
        activation: Activation,
        normalization: Normalization,
    ):
        super().__init__()
        self.convolution = nn.Conv2d(
            channels, width, kernel, stride, padding=kernel // 2, bias=normalization == "none"
        )
        self.normalization = (
            shift_batch_norm(width)
            if normalization == "batch"
            else normalization_layer(normalization, width, spatial=True)
        )
        self.activation = activation_layer(activation)

    def forward(self, inputs: Tensor) -> Tensor:
        """From (n, channels, h, w) to (n, width, ⌈h/stride⌉, ⌈w/stride⌉)."""
        return self.activation(self.normalization(self.convolution(inputs)))


class InceptionBlock(nn.Module):
    """Filters of 1 x 1 and of 3 x 3 on the same input, their channels side by side."""

    def __init__(
        self, channels: int, narrow: int, wide: int, activation: Activation, normalization: Normalization
    ):
        super().__init__()
        self.narrow = NormalizedConvolution(channels, narrow, 1, 1, activation, normalization)
        self.wide = NormalizedConvolution(channels, wide, 3, 1, activation, normalization)

    def forward(self, inputs: Tensor) -> Tensor:
        """From (n, channels, h, w) to (n, narrow + wide, h, w)."""
        return torch.cat([self.narrow(inputs), self.wide(inputs)], dim=1)


class DownsampleBlock(nn.Module):
    """Filters of 3 x 3 with stride 2 beside a max pooling of 3 x 3 with stride 2."""

    def __init__(self, channels: int, width: int, activation: Activation, normalization: Normalization):
        super().__init__()
        self.wide = NormalizedConvolution(channels, width, 3, 2, activation, normalization)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """From (n, channels, h, w) to (n, width + channels, ⌈h/2⌉, ⌈w/2⌉)."""
        return torch.cat([self.wide(inputs), self.pool(inputs)], dim=1)


@genbench.model(
    source="Zhang, Bengio et al. 2017, Understanding deep learning requires rethinking, figure 3; "
    "Zhang, Liao et al. 2017, Theory of deep learning III, Table 2",
    capturable=True,
)
def small_inception(
    task: genbench.Task,
    *,
    activation: Activation = "relu",
    normalization: Normalization = "batch",
) -> nn.Module:
    """A convolution, eight Inception blocks and two that halve the resolution, average, classifier.

    It has the published 1,649,402 parameters for colour images of any size and ten classes: one number per
    channel beside the filters. With ``batch`` that is the shift of a batch normalization without scale;
    with ``none`` (the paper's "Inception without batch norm") the bias of the convolution.

    Parameters
    ----------
    task : Task
        With images as inputs.
    activation : str
    normalization : {"batch", "layer", "group", "none"}
        Between convolution and activation.
    """
    channels, _, _ = image_shape(task, "small-inception")
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem=NormalizedConvolution(channels, STEM_WIDTH, 3, 1, activation, normalization)
    )
    channels = STEM_WIDTH
    for index, block in enumerate(BLOCKS, 1):
        if isinstance(block, int):
            layers[f"block{index}"] = DownsampleBlock(channels, block, activation, normalization)
            channels += block
        else:
            layers[f"block{index}"] = InceptionBlock(channels, *block, activation, normalization)
            channels = sum(block)
    names = [name for name in layers if name != "stem"]
    network = ImageNetwork(nn.Sequential(layers), channels, task.outputs, block_outputs=names)
    initialize(network, network.classifier, activation)
    return network
