"""Networks that are linear piece by piece: linear once every ReLU is held as it is at one example.

Two things tell them from others. Some operations are known by name, which makes for a clear reason; for the
rest the network itself is tried at a few points, where what is linear must add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from genbench.base.errors import NotApplicable
from genbench.networks.copying import copy_of
from genbench.networks.passes import forward, require_real_weights

__all__ = [
    "BENT",
    "FAR",
    "PreActivations",
    "add_up",
    "fixed_normal",
    "name_among",
    "require_linear_pieces",
]

# Neither linear nor ReLUs nor the identity of positive numbers. Recurrent modules call their own kernels,
# which no override sees.
BENT: Mapping[Any, str] = {
    F.max_pool1d: "max-pooling", F.max_pool2d: "max-pooling", F.max_pool3d: "max-pooling",
    F.max_pool1d_with_indices: "max-pooling", F.max_pool2d_with_indices: "max-pooling",
    F.max_pool3d_with_indices: "max-pooling", F.adaptive_max_pool1d: "max-pooling",
    F.adaptive_max_pool2d: "max-pooling", F.adaptive_max_pool3d: "max-pooling",
    F.lp_pool1d: "power-average pooling", F.lp_pool2d: "power-average pooling",
    F.gelu: "GELU", F.silu: "SiLU", F.mish: "Mish", F.selu: "SELU", F.softplus: "softplus", F.glu: "GLU",
    F.softmax: "softmax", F.softmin: "softmin", F.log_softmax: "log-softmax", F.relu6: "ReLU6",
    F.softsign: "softsign", F.tanhshrink: "tanhshrink", F.hardtanh: "hardtanh", F.hardswish: "hardswish",
    F.hardsigmoid: "hardsigmoid", F.logsigmoid: "logsigmoid",
    F.scaled_dot_product_attention: "attention", F.multi_head_attention_forward: "attention",
    F.layer_norm: "layer norm", F.group_norm: "group norm", F.instance_norm: "instance norm",
    F.local_response_norm: "local response norm",
    torch.tanh: "tanh", Tensor.tanh: "tanh", F.tanh: "tanh",
    torch.sigmoid: "sigmoid", Tensor.sigmoid: "sigmoid", F.sigmoid: "sigmoid",
    torch.softmax: "softmax", Tensor.softmax: "softmax",
    torch.log_softmax: "log-softmax", Tensor.log_softmax: "log-softmax",
}  # fmt: skip
_NO_BORDER = {**BENT, F.elu: "ELU", F.celu: "CELU"}
_RELU: Mapping[Any, str] = {
    F.relu: "ReLU", torch.relu: "ReLU", torch.relu_: "ReLU", Tensor.relu: "ReLU", Tensor.relu_: "ReLU",
    F.leaky_relu: "leaky ReLU", torch.nn.functional.leaky_relu_: "leaky ReLU",
    F.prelu: "PReLU", torch.prelu: "PReLU",
}  # fmt: skip

# Of the largest output; linear operations in double precision stay far below.
_TOLERANCE = 1e-8
# Inputs so large that biases hide no kink.
FAR = 1e3


def name_among(names: Mapping[Any, str], function: Any) -> str | None:
    """Name of an operation, None if it is none of those listed."""
    try:
        return names.get(function)
    except TypeError:  # unhashable
        return None


class _AtReLUs(TorchFunctionMode):
    """Does something at each ReLU, leaky or not; refuses what bends otherwise."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        obstacle = name_among(_NO_BORDER, function)
        if obstacle is not None:
            raise NotApplicable(f"the borders of linear pieces are counted at ReLUs, not at {obstacle}")
        if name_among(_RELU, function) is None:
            return function(*args, **kwargs)
        others = {name: value for name, value in kwargs.items() if name != "input"}
        values = args[0] if args else kwargs["input"]
        return self.relu(values, lambda numbers: function(numbers, *args[1:], **others))

    def relu(self, values: Tensor, bend: Callable[[Tensor], Tensor]) -> Tensor:
        """What is to be done in place of ``bend(values)``."""
        raise NotImplementedError


class PreActivations(_AtReLUs):
    """Keeps what enters each ReLU, one row for each example, in the order of the calls.

    Raises
    ------
    NotApplicable
        The network has an operation that is known to be neither linear nor a ReLU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Tensor] = []

    def relu(self, values: Tensor, bend: Callable[[Tensor], Tensor]) -> Tensor:
        """Keep a copy of what enters, and let the ReLU do its work."""
        self.values.append(values.detach().flatten(1).clone())  # a copy: the ReLU may work in place
        return bend(values)


class _Held(_AtReLUs):
    """Multiplies by the slope that each ReLU has at values recorded before."""

    def __init__(self, recorded: Iterable[Tensor]) -> None:
        super().__init__()
        self._recorded = iter(recorded)

    def relu(self, values: Tensor, bend: Callable[[Tensor], Tensor]) -> Tensor:
        signs = torch.where(next(self._recorded) > 0, 1.0, -1.0).to(values.dtype).reshape(values.shape)
        tried = signs.clone()
        bent = bend(tried)
        slopes = signs * bent
        return values.mul_(slopes) if bent is tried else values * slopes  # in place where the ReLU is


def require_linear_pieces(network: nn.Module, example: Tensor) -> None:
    """Raise `NotApplicable` unless the network is linear once its ReLUs are held as they are at an example.

    Takes two forward passes of six inputs, in double precision.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    example : Tensor, shape (1, *input_shape)
        Of real numbers.
    """
    require_real_weights(network)
    network, example = copy_of(network).double(), example.double()
    one, other = FAR * fixed_normal(2, example)
    points = torch.cat([example, torch.zeros_like(one), one, -one, other, one + other])
    with torch.no_grad():
        with PreActivations() as recorded:
            there = forward(network, example.expand_as(points).contiguous())
        with _Held(recorded.values):
            found = forward(network, points)
    here, origin, first, opposite, second, both = found
    known = torch.stack([there[0], 2 * origin, first + second])
    if not add_up(torch.stack([here, first + opposite, both + origin]), known, found):
        raise NotApplicable(
            "the network bends elsewhere than at ReLUs, or has ReLUs that are written as another operation"
        )


def fixed_normal(count: int, like: Tensor) -> Tensor:
    """Normal numbers, the same at each call, to try a network on: shape (count, *like.shape), double."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, *like.shape, dtype=torch.float64, generator=generator).to(like.device)


def add_up(sums: Tensor, expected: Tensor, terms: Tensor) -> bool:
    """Whether sums of `terms` are what they are of a linear network, up to rounding in double precision."""
    return bool((sums - expected).abs().max() <= _TOLERANCE * terms.abs().max())
