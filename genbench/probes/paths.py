"""Sums over all paths through a network, each by one forward pass of a network made for it.

A path goes from an input or a bias to an output; along it the weights are multiplied.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import genbench
from genbench.constraints import Count
from genbench.probes.folding import explicit_batch_norm
from genbench.probes.sample import chunks, evenly_spaced, forward

__all__ = ["OnlySums", "active_paths", "gains", "linear_paths", "refuse_recurrence", "squared_paths"]

# Through these no sum over paths passes. Recurrent modules call their own kernels, which no override sees;
# they are recognized by class.
_NOT_A_SUM = {
    F.max_pool1d: "max-pooling", F.max_pool2d: "max-pooling", F.max_pool3d: "max-pooling",
    F.adaptive_max_pool1d: "max-pooling", F.adaptive_max_pool2d: "max-pooling",
    F.gelu: "GELU", F.silu: "SiLU", F.mish: "Mish", F.selu: "SELU", F.softplus: "softplus",
    F.softmax: "softmax", F.relu6: "ReLU6", F.hardtanh: "hardtanh", F.hardswish: "hardswish",
    F.hardsigmoid: "hardsigmoid", F.logsigmoid: "logsigmoid",
    F.scaled_dot_product_attention: "attention", F.multi_head_attention_forward: "attention",
    F.layer_norm: "layer norm", F.group_norm: "group norm", F.instance_norm: "instance norm",
    torch.tanh: "tanh", Tensor.tanh: "tanh", F.tanh: "tanh",
    torch.sigmoid: "sigmoid", Tensor.sigmoid: "sigmoid", F.sigmoid: "sigmoid",
    torch.softmax: "softmax", Tensor.softmax: "softmax",
}  # fmt: skip
_NOT_ACTIVATED = {F.elu: "ELU", F.celu: "CELU", F.leaky_relu: "leaky ReLU", F.prelu: "PReLU"}
_RELU = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}

_MODEL = genbench.need("folded_model", fold=genbench.setting("fold"))


class OnlySums(TorchFunctionMode):
    """Refuses the operations through which a sum over paths does not pass."""

    refused = _NOT_A_SUM

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            obstacle = self.refused.get(function)
        except TypeError:  # unhashable, hence none of them
            obstacle = None
        if obstacle is not None:
            raise genbench.NotApplicable(f"a sum over paths does not pass through {obstacle}")
        if function in _RELU:
            return self.relu(args[0] if args else (kwargs or {})["input"])
        return function(*args, **(kwargs or {}))

    def relu(self, values: Tensor) -> Tensor:
        """What stands in for a ReLU."""
        return values.clamp_min(0)


class _Linear(OnlySums):
    """Leaves the ReLUs out, so that all paths are open."""

    refused = _NOT_A_SUM | _NOT_ACTIVATED

    def relu(self, values: Tensor) -> Tensor:
        return values


class _Recording(OnlySums):
    """Notes which units are active, ReLU by ReLU in the order of the calls."""

    refused = _NOT_A_SUM | _NOT_ACTIVATED

    def __init__(self) -> None:
        super().__init__()
        self.active: list[Tensor] = []

    def relu(self, values: Tensor) -> Tensor:
        self.active.append(values > 0)
        return values.clamp_min(0)


class _Replaying(OnlySums):
    """Opens the paths through the units that were active."""

    def __init__(self, active: list[Tensor]) -> None:
        super().__init__()
        self._active = iter(active)

    def relu(self, values: Tensor) -> Tensor:
        return values * next(self._active)


@genbench.probe(cost="B")
def squared_paths(inputs, folded=_MODEL, *, fold: bool = True) -> Tensor:
    """Sum over all paths of the product of the squared weights; a number, double.

    Every parameter is squared, biases included, and the network is applied to an input of ones in evaluation
    mode; the outputs are summed. Doubles hold networks of some hundred layers. An average pool over n
    positions enters as 1/n, where the sum over paths has 1/n².

    Parameters
    ----------
    fold : bool
        Fold batch norm into the weights beside it; False takes it as a layer of its own, scale and shift
        squared.

    Raises
    ------
    NotApplicable
        The network has max-pooling, recurrence, attention, a normalization by the example, or an activation
        that does not map positive numbers to themselves.
    """
    squared = _squared(folded)
    with torch.no_grad(), OnlySums():
        return forward(squared, torch.ones_like(inputs[:1], dtype=torch.float64)).sum()


@genbench.probe(cost="B")
def active_paths(model, inputs, device, folded=_MODEL, *, fold: bool = True, examples: Count = 100) -> Tensor:
    """`squared_paths` through the units that are active, for each of s training examples, shape (s,), double.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced; each takes a forward pass in double precision.

    Raises
    ------
    NotApplicable
        As `squared_paths`; and the network has activations that are not ReLUs.
    """
    squared = _squared(folded)
    picked = evenly_spaced(inputs, examples)
    found = []
    with torch.no_grad():
        for part in chunks(picked, device, copies=2):
            recording = _Recording()
            with recording:
                forward(model, picked[part])
            with _Replaying(recording.active):
                ones = torch.ones_like(picked[part], dtype=torch.float64)
                found.append(forward(squared, ones).sum(1))
    return torch.cat(found)


@genbench.probe(cost="C")
def linear_paths(inputs, folded=_MODEL, *, fold: bool = True) -> Tensor:
    """Matrix of the network without its ReLUs, shape (outputs, inputs), double.

    Its entries are the sums, signs included, of the products of the weights over all paths from an input to
    an output.

    Raises
    ------
    NotApplicable
        As `active_paths`.
    """
    refuse_recurrence(folded)
    point = torch.zeros_like(inputs[:1], dtype=torch.float64).requires_grad_()
    with torch.enable_grad():
        with _Linear():
            outputs = forward(folded, point)[0]
        rows = [torch.autograd.grad(output, point, retain_graph=True)[0].flatten() for output in outputs]
    return torch.stack(rows)


def _squared(model: nn.Module) -> nn.Module:
    """A copy in which all parameters are squared, batch norm being a scale and a shift."""
    refuse_recurrence(model)
    squared = copy.deepcopy(model)
    explicit_batch_norm(squared)
    with torch.no_grad():
        for parameter in (*squared.parameters(), *gains(squared).values()):
            parameter.square_()
    return squared


def gains(model: nn.Module) -> dict[str, Tensor]:
    """Buffers by which a network multiplies what passes, by name: what modules list as their ``gains``."""
    return {
        f"{name}.{own}".lstrip("."): module.get_buffer(own)
        for name, module in model.named_modules()
        for own in getattr(module, "gains", ())
    }


def refuse_recurrence(model: nn.Module) -> None:
    """Raise `NotApplicable` for a network with recurrent layers."""
    if any(isinstance(module, nn.RNNBase | nn.RNNCellBase) for module in model.modules()):
        raise genbench.NotApplicable("a sum over paths does not pass through a recurrent layer")
