"""The wide residual networks of Zagoruyko & Komodakis 2016: few layers of many channels."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count, Probability
from genbench.models.depths import WideResNetDepth, blocks_per_stage
from genbench.models.image_network import ImageNetwork
from genbench.models.layers import (
    Activation,
    Normalization,
    activation_layer,
    initialize,
    normalization_layer,
)
from genbench.models.shapes import image_shape

__all__ = ["PreActivationBlock", "wide_resnet"]

STEM_WIDTH = 16


class PreActivationBlock(nn.Module):
    """Normalize, activate, convolve, twice, with dropout between; a 1 x 1 convolution where shapes differ.

    Where there is a convolution on the shortcut, it sees the normalized and activated input.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        stride: int,
        activation: Activation,
        normalization: Normalization,
        dropout: float,
    ):
        super().__init__()
        bias = normalization == "none"
        self.normalization1 = normalization_layer(normalization, channels, spatial=True)
        self.activation1 = activation_layer(activation)
        self.convolution1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=bias)
        self.normalization2 = normalization_layer(normalization, width, spatial=True)
        self.activation2 = activation_layer(activation)
        self.dropout = nn.Dropout(dropout)
        self.convolution2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.projects = channels != width or stride != 1
        self.shortcut = nn.Conv2d(channels, width, 1, stride, bias=False) if self.projects else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """From (n, channels, h, w) to (n, width, ⌈h/stride⌉, ⌈w/stride⌉)."""
        activated = self.activation1(self.normalization1(inputs))
        hidden = self.activation2(self.normalization2(self.convolution1(activated)))
        residual = self.convolution2(self.dropout(hidden))
        return residual + self.shortcut(activated if self.projects else inputs)


@genbench.model(source="Zagoruyko & Komodakis 2016, Wide residual networks", capturable=True)
def wide_resnet(
    task: genbench.Task,
    *,
    depth: WideResNetDepth = 16,
    widen_factor: Count = 4,
    dropout: Probability = 0.0,
    activation: Activation = "relu",
    normalization: Normalization = "batch",
) -> nn.Module:
    """WRN-d-k: three stages of (d - 4) / 6 pre-activation blocks with 16k, 32k and 64k channels.

    Parameters
    ----------
    task : Task
        With images as inputs.
    depth : int
        6n + 4, such as 16, 22, 28, 40.
    widen_factor : int
        The k that multiplies the channels.
    dropout : float
        Rate of dropout between the two convolutions of a block.
    activation : str
    normalization : {"batch", "layer", "group", "none"}
        Before each activation. With ``none`` the 3 x 3 convolutions have biases.

    Raises
    ------
    InvalidInput
        The depth is not 6n + 4, or the inputs are not images.
    """
    in_channels, _, _ = image_shape(task, "wide-resnet")
    try:
        blocks = blocks_per_stage(depth, outside=4)
    except ValueError as error:
        raise genbench.InvalidInput(f"model 'wide-resnet': {error}") from error
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem=nn.Conv2d(in_channels, STEM_WIDTH, 3, padding=1, bias=normalization == "none")
    )
    channels = STEM_WIDTH
    for stage in range(3):
        width = STEM_WIDTH * widen_factor * 2**stage
        members = []
        for index in range(blocks):
            stride = 2 if stage > 0 and index == 0 else 1
            members.append(PreActivationBlock(channels, width, stride, activation, normalization, dropout))
            channels = width
        layers[f"stage{stage + 1}"] = nn.Sequential(*members)
    layers["head"] = nn.Sequential(
        normalization_layer(normalization, channels, spatial=True), activation_layer(activation)
    )
    names = [f"stage{stage}.{index}" for stage in (1, 2, 3) for index in range(blocks)]
    network = ImageNetwork(nn.Sequential(layers), channels, task.outputs, block_outputs=names)
    initialize(network, network.classifier, activation)
    return network
