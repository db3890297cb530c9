"""Batch norm in evaluation mode is a scale and a shift of each channel; here the scale goes into the weights.

Which weights these are is read off a traced graph (torch.fx), never off the order of definition. Batch norm
behind a layer is absorbed by that layer whole. Before a layer, with a ReLU between as in pre-activation
networks, its scale can be moved through the ReLU into the layers that read it, and the shift stays behind;
the function is the same. Where neither is possible that is said: a measure that quietly passed over a
normalization would compare unlike things.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from genbench.base.errors import NotApplicable
from genbench.networks.copying import copy_of, make_plain
from genbench.networks.kinds import BatchNorm, is_batch_norm
from genbench.networks.passes import require_real_weights

__all__ = ["FoldPlan", "explicit_batch_norm", "fold_plan", "folded_copy"]

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_IDENTITIES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)

# A factor for each channel passes through these, if it is positive.
_HOMOGENEOUS_MODULES = (
    *_IDENTITIES, nn.ReLU, nn.LeakyReLU, nn.Flatten,
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool2d,
)  # fmt: skip
_HOMOGENEOUS_FUNCTIONS = (
    F.relu, torch.relu, F.leaky_relu, torch.flatten, F.dropout,
    F.avg_pool1d, F.avg_pool2d, F.max_pool1d, F.max_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d,
)  # fmt: skip
_HOMOGENEOUS_METHODS = ("relu", "relu_", "flatten")


@dataclass(frozen=True)
class FoldPlan:
    """Names of layers, each with the name of a batch norm.

    Attributes
    ----------
    behind : mapping
        Layers and the batch norm that follows and is absorbed whole.
    before : mapping
        Layers and the batch norm whose scale is moved forward into them.
    """

    behind: Mapping[str, str]
    before: Mapping[str, str]


class _Tracer(fx.Tracer):
    """Keeps layers and normalizations whole, derived classes of other packages included."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        known = (*_LAYERS, *_IDENTITIES, BatchNorm)
        return isinstance(module, known) or super().is_leaf_module(module, qualified_name)


def fold_plan(model: nn.Module) -> FoldPlan:
    """Find for each batch norm the layers that take it in.

    Raises
    ------
    NotApplicable
        The graph cannot be traced; or a batch norm neither follows a layer that only it reads, nor is read,
        through ReLUs and pooling, by ungrouped layers only.
    """
    modules = dict(model.named_modules())
    norms = {name for name, module in modules.items() if is_batch_norm(module)}
    behind: dict[str, str] = {}
    before: dict[str, str] = {}
    calls = _calls(model) if norms else []
    times_called = Counter(str(node.target) for node in calls)
    for node in calls:
        norm = str(node.target)
        if norm not in norms:
            continue
        layer = _layer_before(node, modules)
        readers = [layer] if layer else _layers_after(node, modules)
        if not readers or any(times_called[name] > 1 for name in (norm, *readers)):
            raise NotApplicable(
                f"batch norm '{norm}' cannot be folded: the layers beside it do not take it in alone"
            )
        (behind if layer else before).update(dict.fromkeys(readers, norm))
    unseen = norms - set(behind.values()) - set(before.values())
    if unseen:
        raise NotApplicable(f"batch norm '{min(unseen)}' cannot be folded: it is never called")
    return FoldPlan(behind, before)


def _calls(model: nn.Module) -> list[fx.Node]:
    try:
        graph = _Tracer().trace(model)
    except Exception as fault:  # tracing runs the model's own code on stand-ins, which may raise anything
        raise NotApplicable(f"batch norm cannot be folded, tracing fails: {fault}") from None
    return [node for node in graph.nodes if node.op == "call_module"]


def _layer_before(node: fx.Node, modules: Mapping[str, nn.Module]) -> str | None:
    current: Any = node.args[0] if node.args else None
    while isinstance(current, fx.Node) and current.op == "call_module" and len(current.users) == 1:
        module = modules[str(current.target)]
        if isinstance(module, _LAYERS):
            return str(current.target)
        if not isinstance(module, _IDENTITIES):
            return None
        current = current.args[0]
    return None


def _layers_after(node: fx.Node, modules: Mapping[str, nn.Module]) -> list[str]:
    """The layers that read a node through homogeneous operations, none if anything else reads it too."""
    found: list[str] = []
    for user in node.users:
        if user.op == "call_module" and isinstance(modules[str(user.target)], _LAYERS):
            if getattr(modules[str(user.target)], "groups", 1) > 1:
                return []
            found.append(str(user.target))
        elif _is_homogeneous(user, modules):
            readers = _layers_after(user, modules)
            if not readers:
                return []
            found += readers
        else:
            return []
    return found


def _is_homogeneous(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return type(modules[str(node.target)]) in _HOMOGENEOUS_MODULES
    if node.op == "call_function":
        return node.target in _HOMOGENEOUS_FUNCTIONS
    return node.op == "call_method" and node.target in _HOMOGENEOUS_METHODS


def folded_copy(model: nn.Module, *, fold: bool = True) -> nn.Module:
    """A copy of the network in double precision, evaluation mode, batch norm folded into the weights.

    Parameters
    ----------
    fold : bool
        False leaves every batch norm as it is.

    Raises
    ------
    NotApplicable
        A batch norm cannot be folded, see `fold_plan`; or some weights are complex.
    """
    require_real_weights(model)
    plan = fold_plan(model) if fold else FoldPlan({}, {})
    copied = copy_of(model).double().eval().requires_grad_(False)
    for module in list(copied.modules()):
        make_plain(module)
    if fold:
        explicit_batch_norm(copied)
    modules: dict[str, Any] = dict(copied.named_modules())
    for layer, norm in plan.behind.items():
        _absorb(modules[layer], modules[norm])
    for norm in dict.fromkeys(plan.before.values()):
        readers = [modules[layer] for layer, each in plan.before.items() if each == norm]
        _move_forward(modules[norm], readers)
    return copied


def explicit_batch_norm(model: nn.Module) -> None:
    """Rewrite every batch norm in place: its weight becomes all of its scale, its bias all of its shift.

    Raises
    ------
    NotApplicable
        A batch norm keeps no running statistics, and so depends on the batch even in evaluation mode.
    """
    for norm in model.modules():
        if not isinstance(norm, BatchNorm):
            continue
        if norm.running_mean is None or norm.running_var is None:
            raise NotApplicable("a batch norm keeps no running statistics")
        scale = (norm.running_var.double() + norm.eps).rsqrt()
        shift = torch.zeros_like(scale)
        if norm.affine:
            scale, shift = scale * norm.weight.detach(), shift + norm.bias.detach()
        norm.affine = True
        norm.weight = nn.Parameter(scale, requires_grad=False)
        norm.bias = nn.Parameter(shift - scale * norm.running_mean.double(), requires_grad=False)
        norm.running_mean = torch.zeros_like(scale)
        norm.running_var = torch.full_like(scale, 1 - norm.eps)


def _absorb(layer: Any, norm: BatchNorm) -> None:
    """Take a batch norm into the layer before it."""
    bias = torch.zeros_like(norm.weight) if layer.bias is None else layer.bias
    rows = norm.weight.reshape(-1, *[1] * (layer.weight.ndim - 1))
    _set(layer, layer.weight * rows, norm.bias + norm.weight * bias)
    _set(norm, torch.ones_like(norm.weight), torch.zeros_like(norm.bias))


def _move_forward(norm: BatchNorm, readers: list[Any]) -> None:
    """Move the size of a batch norm's scale into the layers that read it; signs and shift stay."""
    size = norm.weight.abs()
    size = torch.where(size > 0, size, torch.ones_like(size))  # a channel of scale zero has nothing to move
    for layer in readers:
        # Behind a flattening a layer has several columns for each channel, side by side.
        columns = size.repeat_interleave(layer.weight.shape[1] // len(size))
        _set(layer, layer.weight * columns.reshape(1, -1, *[1] * (layer.weight.ndim - 2)), layer.bias)
    _set(norm, norm.weight / size, norm.bias / size)


def _set(module: Any, weight: Tensor, bias: Tensor | None) -> None:
    module.weight = nn.Parameter(weight, requires_grad=False)
    module.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
