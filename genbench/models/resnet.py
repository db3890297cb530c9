"""The residual networks for small images of He, Zhang, Ren & Sun 2016, section 4.2."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Count
from genbench.models.depths import ResNetDepth, blocks_per_stage
from genbench.models.image_network import ImageNetwork
from genbench.models.layers import (
    Activation,
    Normalization,
    activation_layer,
    initialize,
    normalization_layer,
)
from genbench.models.shapes import image_shape

__all__ = ["BasicBlock", "ZeroPadShortcut", "resnet"]


class ZeroPadShortcut(nn.Module):
    """Shortcut without parameters (option A of the paper): every `stride`-th pixel, new channels zero."""

    def __init__(self, new_channels: int, stride: int):
        super().__init__()
        self.new_channels = new_channels
        self.stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        """From (n, channels, h, w) to (n, channels + new, ⌈h/stride⌉, ⌈w/stride⌉), zeros on both sides."""
        before = self.new_channels // 2
        thinned = maps[:, :, :: self.stride, :: self.stride]
        return F.pad(thinned, (0, 0, 0, 0, before, self.new_channels - before))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions, each normalized; the input is added before the last activation."""

    def __init__(
        self,
        channels: int,
        width: int,
        stride: int,
        activation: Activation,
        normalization: Normalization,
    ):
        super().__init__()
        bias = normalization == "none"
        self.convolution1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=bias)
        self.normalization1 = normalization_layer(normalization, width, spatial=True)
        self.activation1 = activation_layer(activation)
        self.convolution2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.normalization2 = normalization_layer(normalization, width, spatial=True)
        same = channels == width and stride == 1
        self.shortcut = nn.Identity() if same else ZeroPadShortcut(width - channels, stride)
        self.activation2 = activation_layer(activation)

    def forward(self, inputs: Tensor) -> Tensor:
        """From (n, channels, h, w) to (n, width, ⌈h/stride⌉, ⌈w/stride⌉)."""
        hidden = self.activation1(self.normalization1(self.convolution1(inputs)))
        residual = self.normalization2(self.convolution2(hidden))
        return self.activation2(residual + self.shortcut(inputs))


@genbench.model(
    source="He et al. 2016, Deep residual learning for image recognition, section 4.2", capturable=True
)
def resnet(
    task: genbench.Task,
    *,
    depth: ResNetDepth = 20,
    width: Count = 16,
    activation: Activation = "relu",
    normalization: Normalization = "batch",
) -> nn.Module:
    """ResNet of 6n + 2 layers: three stages of n blocks with 16, 32 and 64 channels.

    Parameters
    ----------
    task : Task
        With images as inputs.
    depth : int
        6n + 2, such as 20, 32, 44, 56, 110.
    width : int
        Channels of the first stage; they double from stage to stage.
    activation : str
    normalization : {"batch", "layer", "group", "none"}
        After each convolution. With ``none`` the convolutions have biases.

    Raises
    ------
    InvalidInput
        The depth is not 6n + 2, or the inputs are not images.
    """
    in_channels, _, _ = image_shape(task, "resnet")
    try:
        blocks = blocks_per_stage(depth, outside=2)
    except ValueError as error:
        raise genbench.InvalidInput(f"model 'resnet': {error}") from error
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem=nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=normalization == "none"),
            normalization_layer(normalization, width, spatial=True),
            activation_layer(activation),
        )
    )
    channels = width
    for stage in range(3):
        stage_width = width * 2**stage
        members = []
        for index in range(blocks):
            stride = 2 if stage > 0 and index == 0 else 1
            members.append(BasicBlock(channels, stage_width, stride, activation, normalization))
            channels = stage_width
        layers[f"stage{stage + 1}"] = nn.Sequential(*members)
    names = [f"stage{stage}.{index}" for stage in (1, 2, 3) for index in range(blocks)]
    network = ImageNetwork(nn.Sequential(layers), channels, task.outputs, block_outputs=names)
    initialize(network, network.classifier, activation)
    return network
