"""The layers that the generalization layers of Taborsky & Hansen add to a network, whatever its tensors.

Vectors get linear layers, feature maps 3 x 3 convolutions, sequences of vectors a linear layer at each place.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from genbench.models.layers import Activation, initialize

__all__ = [
    "InitialWeights",
    "SkippedBlock",
    "joining_layer",
    "new_layer",
    "projection",
    "shape_fault",
    "square_layer",
]

InitialWeights = Literal["torch", "he"]
"""How new layers are drawn: uniformly with variance 1 / (3 · fan-in), torch's default, or normally with
variance gain² / fan-in, as in the built-in models."""

KERNEL = 3


class SkippedBlock(nn.Module):
    """Two layers with an activation between, and a shortcut around them: W φ(W_g x) + ν W_s x.

    Attributes
    ----------
    skip : Tensor, shape ()
        ν, kept with the weights: a network measured later has that of the end of training.
    gains : tuple of str
        Buffers that multiply what passes, for sums over paths.
    owner : object
        Who put it into the network.
    added : tuple of str
        Which of its layers were not in the network before.
    """

    skip: Tensor
    gains: ClassVar[tuple[str, ...]] = ("skip",)

    def __init__(
        self, first: nn.Module, activation: nn.Module, second: nn.Module, shortcut: nn.Module, skip: float
    ):
        super().__init__()
        self.first = first
        self.activation = activation
        self.second = second
        self.shortcut = shortcut
        self.register_buffer("skip", torch.tensor(float(skip)))
        self.owner: object = None
        self.added: tuple[str, ...] = ("first", "second")

    def forward(self, inputs: Tensor) -> Tensor:
        """W φ(W_g x) + ν W_s x, of the shape that W yields."""
        return self.second(self.activation(self.first(inputs))) + self.skip * self.shortcut(inputs)


def shape_fault(shape: torch.Size) -> str:
    """Why no layer can be added behind a tensor of this shape; empty where one can."""
    return "" if len(shape) in (2, 3, 4) else f"no layer is known for tensors of shape {tuple(shape)}"


def square_layer(
    shape: torch.Size, *, bias: bool, activation: Activation, initial_weights: InitialWeights
) -> nn.Module:
    """W_g: as many units behind it as before it, and an activation behind."""
    return _drawn(new_layer(shape, _width(shape), bias=bias), activation, initial_weights)


def joining_layer(
    before: torch.Size, behind: torch.Size, *, bias: bool, initial_weights: InitialWeights
) -> nn.Module:
    """From tensors of one shape to those of another, smaller by a whole factor; no activation behind.

    Raises
    ------
    ValueError
        No layer does that.
    """
    stride = _stride(before, behind)
    return _drawn(new_layer(before, _width(behind), bias=bias, stride=stride), "identity", initial_weights)


def projection(before: torch.Size, behind: torch.Size) -> nn.Module:
    """W_s: the identity where the shapes agree, else a linear map of each position, drawn as He et al. do.

    Raises
    ------
    ValueError
        No layer does that.
    """
    if before == behind:
        return nn.Identity()
    stride = _stride(before, behind)
    if len(before) == 4:
        return _drawn(nn.Conv2d(before[1], behind[1], 1, stride, bias=False), "identity")
    return _drawn(nn.Linear(before[-1], behind[-1], bias=False), "identity")


def new_layer(shape: torch.Size, width: int, *, bias: bool, stride: int = 1) -> nn.Module:
    """A linear layer or a convolution for tensors of a shape, drawn as torch does."""
    if len(shape) == 4:
        return nn.Conv2d(shape[1], width, KERNEL, stride, padding=KERNEL // 2, bias=bias)
    return nn.Linear(shape[-1], width, bias=bias)


def _drawn(layer: nn.Module, activation: Activation, initial_weights: InitialWeights = "he") -> nn.Module:
    if initial_weights == "he":
        initialize(layer, nn.Identity(), activation)
    return layer


def _width(shape: torch.Size) -> int:
    return shape[1] if len(shape) == 4 else shape[-1]


def _stride(before: torch.Size, behind: torch.Size) -> int:
    fault = f"no layer leads from tensors of shape {tuple(before[1:])} to {tuple(behind[1:])}"
    if len(before) != len(behind):
        raise ValueError(fault)
    if len(before) != 4:
        if before[:-1] != behind[:-1]:
            raise ValueError(fault)
        return 1
    stride = -(-before[2] // max(1, behind[2]))
    if any(-(-side // stride) != wanted for side, wanted in zip(before[2:], behind[2:], strict=True)):
        raise ValueError(fault)
    return stride
