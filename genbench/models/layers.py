"""Normalizations, activations and initial weights: made here, for all families."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

from torch import nn

from genbench.base.errors import InvalidInput, nearest
from genbench.models.polynomial_activation import PolynomialActivation

__all__ = [
    "Activation",
    "NoNormalization",
    "Normalization",
    "activation_layer",
    "initialize",
    "normalization_layer",
]

Normalization = Literal["batch", "layer", "group", "none"]
"""What a hyperparameter ``normalization`` can be."""

Activation = Literal[
    "relu", "leaky-relu", "elu", "gelu", "silu", "softplus", "tanh", "sigmoid", "polynomial", "identity"
]
"""What a hyperparameter ``activation`` can be; ``polynomial`` is the least-squares polynomial of degree 10
for ReLU on [−24, 24], ``identity`` makes a linear network."""

_ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "polynomial": PolynomialActivation,
    "identity": nn.Identity,
}

_NORMALIZATIONS = ("batch", "layer", "group", "none")

# The size that Wu & He 2018 (Table 3) found best when the number of channels in a group is fixed.
CHANNELS_PER_GROUP = 16


class NoNormalization(nn.Identity):
    """Stands where a normalization can be."""


def activation_layer(name: Activation) -> nn.Module:
    """A new activation module.

    Raises
    ------
    InvalidInput
        There is no such activation.
    """
    if name not in _ACTIVATIONS:
        raise InvalidInput(f"unknown activation '{name}'{nearest(name, _ACTIVATIONS)}")
    return _ACTIVATIONS[name]()


def normalization_layer(name: Normalization, channels: int, *, spatial: bool) -> nn.Module:
    """A new normalization of `channels` channels or features; an identity for ``none``.

    Parameters
    ----------
    name : {"batch", "layer", "group", "none"}
        ``layer`` normalizes over channels and positions of one image, as one group of channels;
        ``group`` uses groups of 16 channels, or fewer and larger ones where 16 does not divide.
    channels : int
    spatial : bool
        Whether the input is a batch of images (n, channels, height, width), not of vectors (n, channels).

    Raises
    ------
    InvalidInput
        There is no such normalization.
    """
    match name:
        case "batch":
            return nn.BatchNorm2d(channels) if spatial else nn.BatchNorm1d(channels)
        case "layer":
            return nn.GroupNorm(1, channels) if spatial else nn.LayerNorm(channels)
        case "group":
            return nn.GroupNorm(math.gcd(channels, max(1, channels // CHANNELS_PER_GROUP)), channels)
        case "none":
            return NoNormalization()
    raise InvalidInput(f"unknown normalization '{name}'{nearest(name, _NORMALIZATIONS)}")


def initialize(network: nn.Module, classifier: nn.Module, activation: Activation = "relu") -> None:
    """Draw weights as He et al. 2015 do: normal with variance gain² / fan-in, biases zero.

    The gain keeps the scale of what passes an activation: √2 for ReLU and what resembles it, 5/3 for tanh,
    1 for sigmoid, the identity and the classifier, which no activation follows.

    Parameters
    ----------
    network : Module
        All of its linear and convolutional layers are drawn; normalizations keep scale 1 and shift 0.
    classifier : Module
        The layer among them that yields the outputs.
    """
    gains = {"tanh": 5 / 3, "sigmoid": 1.0, "identity": 1.0}
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            gain = 1.0 if module is classifier else gains.get(activation, math.sqrt(2))
            nn.init.normal_(module.weight, std=gain / math.sqrt(module.weight[0].numel()))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
