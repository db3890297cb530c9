"""Sums over all paths through a network, by one forward pass with squared weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import genbench
from genbench.probes.folding import explicit_batch_norm
from genbench.probes.sample import forward

__all__ = ["squared_paths"]

# Through these the squared network does not sum over paths. Recurrent modules call their own kernels, which
# no override sees, and are recognized by class.
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


class _OnlySums(TorchFunctionMode):
    """Refuses the operations through which a sum over paths does not pass."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            obstacle = _NOT_A_SUM.get(function)
        except TypeError:  # unhashable, hence none of them
            obstacle = None
        if obstacle is not None:
            raise genbench.NotApplicable(f"a sum over paths does not pass through {obstacle}")
        return function(*args, **(kwargs or {}))


_MODEL = genbench.need("folded_model", fold=genbench.setting("fold"))


@genbench.probe(cost="B")
def squared_paths(inputs, model=_MODEL, *, fold: bool = True) -> Tensor:
    """Sum over all paths of the product of the squared weights along each; a number, double.

    Every parameter is squared, biases included (a path may start at a bias), and the network is applied to an
    input of ones in evaluation mode; the outputs are summed. Doubles hold networks of some hundred layers.
    An average pool over n positions enters as 1/n, where the sum over paths has 1/n².

    Parameters
    ----------
    fold : bool
        Fold batch norm into the weights beside it; False takes it as a layer of its own, scale and shift
        squared.

    Raises
    ------
    NotApplicable
        The network has max-pooling, a normalization by the example, or an activation that does not map
        positive numbers to themselves.
    """
    squared = copy.deepcopy(model)
    explicit_batch_norm(squared)
    for module in squared.modules():
        if isinstance(module, nn.RNNBase | nn.RNNCellBase):
            raise genbench.NotApplicable("a sum over paths does not pass through a recurrent layer")
    ones = torch.ones_like(inputs[:1], dtype=torch.float64)
    with torch.no_grad():
        for parameter in squared.parameters():
            parameter.square_()
        with _OnlySums():
            return forward(squared, ones).sum()
