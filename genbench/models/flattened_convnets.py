"""Convolutional networks without pooling whose classifier reads the whole last map: those of two memos.

Their papers give numbers of layers, of filters and of parameters; where these do not determine a network,
the docstring says what was chosen and what count it has.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from annotated_types import Ge
from torch import nn

import genbench
from genbench.base.constraints import Count, Positive
from genbench.models.image_network import ImageNetwork
from genbench.models.layers import (
    Activation,
    Normalization,
    activation_layer,
    initialize,
    normalization_layer,
)
from genbench.models.polynomial_activation import PolynomialActivation
from genbench.models.shapes import image_shape

__all__ = ["all_convolutional", "five_layer_convnet", "three_layer_convnet"]

SMALLEST_MAP = 5

Biases = Literal["all", "first", "none"]


@dataclass(frozen=True)
class Convolution:
    """One layer: its filters and their geometry."""

    width: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True

    def side(self, before: int) -> int:
        """Height or width of the map that it makes."""
        return (before + 2 * self.padding - self.kernel) // self.stride + 1


def _network(
    task: genbench.Task,
    model: str,
    layers: Sequence[Convolution],
    *,
    activation: Activation,
    make_activation: Callable[[], nn.Module] | None = None,
    normalization: Normalization = "none",
    bias: bool = True,
) -> nn.Module:
    """Convolution, normalization, activation for each layer, then a classifier of the flattened map.

    Raises
    ------
    InvalidInput
        The inputs are not images, or nothing is left of them before the last layer.
    """
    channels, height, width = image_shape(task, model)
    make_activation = make_activation or partial(activation_layer, activation)
    encoder: OrderedDict[str, nn.Module] = OrderedDict()
    for index, layer in enumerate(layers, 1):
        height, width = layer.side(height), layer.side(width)
        if min(height, width) < 1:
            raise genbench.InvalidInput(
                f"model '{model}': images of {task.input_shape[1]} x {task.input_shape[2]} pixels are too "
                "small"
            )
        encoder[f"layer{index}"] = nn.Sequential(
            OrderedDict(
                convolution=nn.Conv2d(
                    channels, layer.width, layer.kernel, layer.stride, layer.padding, bias=layer.bias
                ),
                normalization=normalization_layer(normalization, layer.width, spatial=True),
                activation=make_activation(),
            )
        )
        channels = layer.width
    network = ImageNetwork(
        nn.Sequential(encoder), channels * height * width, task.outputs, block_outputs=list(encoder),
        pool=nn.Flatten(), bias=bias,
    )  # fmt: skip
    initialize(network, network.classifier, activation)
    return network


@genbench.model(
    source="Zhang, Liao et al. 2017, Theory of deep learning III, Figs. 1-4 and 21-24; "
    "Generalization Puzzles in Deep Networks, ICLR 2020 submission, figure 1",
    capturable=True,
)
def all_convolutional(
    task: genbench.Task,
    *,
    width: Count = 16,
    activation: Activation = "relu",
    normalization: Normalization = "none",
    polynomial_degree: Annotated[int, Ge(2)] = 10,
    polynomial_radius: Positive = 24.0,
) -> nn.Module:
    """Five convolutions without pooling, all hidden ones of one width: 9,370 parameters for CIFAR-10.

    The papers give five layers, 16 channels and the count. Here four hidden layers have kernels of 3, 3, 3
    and 1, the first two with stride 2, none with padding, all with biases; the fifth covers the 5 x 5 map
    that is left of 32 x 32 pixels. No other kernels of odd size that do not grow from the second layer on
    have this count without normalization. Images that are smaller are strided only as long as 5 pixels are
    left.

    Parameters
    ----------
    task : Task
        With images of at least 7 x 7 pixels as inputs.
    width : int
        Channels of each hidden layer: the axis of figures 3 and 24.
    activation : str
        ``polynomial`` makes the network of figures 21 to 24.
    normalization : {"batch", "layer", "group", "none"}
        Between convolution and activation.
    polynomial_degree, polynomial_radius
        Of the polynomial and of the interval it is fitted to ReLU on; read with that activation only. The
        paper gives the degree and not the interval.
    """
    _, *sides = image_shape(task, "all-convolutional")
    side, layers = min(sides), []
    for place in range(3):
        strided = Convolution(width, 3, stride=2, bias=normalization == "none")
        plain = Convolution(width, 3, bias=strided.bias)
        layer = strided if place < 2 and strided.side(side) >= SMALLEST_MAP else plain
        side = layer.side(side)
        layers.append(layer)
    layers.append(Convolution(width, 1, bias=normalization == "none"))
    polynomial = partial(PolynomialActivation, polynomial_degree, polynomial_radius)
    return _network(
        task, "all-convolutional", layers, activation=activation, normalization=normalization,
        make_activation=polynomial if activation == "polynomial" else None,
    )  # fmt: skip


@genbench.model(
    source="Generalization Puzzles in Deep Networks, ICLR 2020 submission, appendices B and L.1",
    capturable=True,
)
def three_layer_convnet(
    task: genbench.Task,
    *,
    width: Count = 24,
    stride: Count = 1,
    padding: Annotated[int, Ge(0)] = 0,
    biases: Biases = "first",
    activation: Activation = "relu",
) -> nn.Module:
    """Two convolutions of 5 x 5 and a linear layer on the whole map, nearly without biases.

    A network of this kind is homogeneous in each weight matrix behind the first bias, so that it can be
    divided by the product of its layers' norms. As it stands it is that of appendix L.1.1, with 154,464
    parameters on CIFAR-10; ``width=34`` is that of L.1.2 for MNIST, with 165,784; ``width=64, stride=2,
    padding=2, biases="none"`` is that of appendix B (figure 2), which has 148,160.

    Parameters
    ----------
    task : Task
        With images as inputs.
    width : int
        Filters of both convolutions.
    stride, padding : int
        Of both convolutions.
    biases : {"first", "none", "all"}
        Which layers have one.
    activation : str
    """
    layers = [
        Convolution(width, 5, stride, padding, bias=biases != "none"),
        Convolution(width, 5, stride, padding, bias=biases == "all"),
    ]
    return _network(task, "three-layer-convnet", layers, activation=activation, bias=biases == "all")


@genbench.model(
    source="Generalization Puzzles in Deep Networks, ICLR 2020 submission, appendix L.2", capturable=True
)
def five_layer_convnet(
    task: genbench.Task,
    *,
    width: Count = 32,
    activation: Activation = "relu",
    normalization: Normalization = "batch",
) -> nn.Module:
    """Four convolutions of 3 x 3 with 32, 64, 64 and 128 filters, normalized, and a linear layer on the map.

    The paper says "about 188,810" parameters and nothing on strides, padding and biases. No square map
    before the linear layer gives that number; the nearest is one of 7 x 7, which strides of 2, 2, 1, 1
    make of 32 x 32 pixels: 193,194 parameters, convolutions without biases before their normalization.

    Parameters
    ----------
    task : Task
        With images of at least 7 x 7 pixels as inputs.
    width : int
        Filters of the first layer; the others have twice, twice and four times as many.
    activation : str
    normalization : {"batch", "layer", "group", "none"}
        Between convolution and activation. With ``none`` the convolutions have biases.
    """
    bias = normalization == "none"
    layers = [
        Convolution(width, 3, stride=2, bias=bias),
        Convolution(2 * width, 3, stride=2, bias=bias),
        Convolution(2 * width, 3, padding=1, bias=bias),
        Convolution(4 * width, 3, padding=1, bias=bias),
    ]
    return _network(task, "five-layer-convnet", layers, activation=activation, normalization=normalization)
