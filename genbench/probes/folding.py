"""Batch norm in evaluation mode is an affine map; here it is folded into the layer before it.

Which layer that is, is read off a traced graph (torch.fx), never off the order of definition. Where it cannot
be folded, that is said: a measure that quietly skipped a normalization would compare unlike things.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

import genbench

__all__ = ["Affine", "fold_plan", "folded_copy", "is_batch_norm"]

_FOLDABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPARENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


@dataclass(frozen=True)
class Affine:
    """Batch norm in evaluation mode: ``scale · x + shift``, both double, shape (channels,)."""

    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, norm: _BatchNorm) -> Affine:
        """Read a batch norm's running statistics.

        Raises
        ------
        NotApplicable
            It keeps none, and so normalizes by the batch even in evaluation mode.
        """
        if norm.running_mean is None or norm.running_var is None:
            raise genbench.NotApplicable("a batch norm keeps no running statistics and cannot be folded")
        scale = (norm.running_var.detach().double() + norm.eps).rsqrt()
        if norm.weight is not None:
            scale = scale * norm.weight.detach().double()
        shift = -scale * norm.running_mean.detach().double()
        if norm.bias is not None:
            shift = shift + norm.bias.detach().double()
        return cls(scale, shift)


def is_batch_norm(module: nn.Module) -> bool:
    """Whether a module normalizes by running statistics; instance norms derive from the same class."""
    return isinstance(module, _BatchNorm)


class _Tracer(fx.Tracer):
    """Keeps layers and normalizations whole, derived classes of other packages included."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        known = (*_FOLDABLE, *_TRANSPARENT, _BatchNorm)
        return isinstance(module, known) or super().is_leaf_module(module, qualified_name)


def fold_plan(model: nn.Module) -> dict[str, str]:
    """Names of layers, each with the name of the batch norm that is to be folded into it.

    Raises
    ------
    NotApplicable
        The graph cannot be traced, or a batch norm does not stand directly behind a layer of its own.
    """
    modules = dict(model.named_modules())
    norms = {name for name, module in modules.items() if is_batch_norm(module)}
    if not norms:
        return {}
    try:
        graph = _Tracer().trace(model)
    except Exception as fault:  # tracing runs the model's own code on stand-ins, which may raise anything
        raise genbench.NotApplicable(
            f"batch norm cannot be folded, the graph cannot be traced: {fault}"
        ) from None
    calls = [node for node in graph.nodes if node.op == "call_module"]
    times_called = Counter(node.target for node in calls)
    plan: dict[str, str] = {}
    for node in calls:
        if node.target not in norms:
            continue
        source = _layer_before(node, modules)
        if source is None or times_called[source] > 1 or times_called[node.target] > 1:
            raise genbench.NotApplicable(
                f"batch norm '{node.target}' cannot be folded: no layer that only it reads stands directly "
                "before it"
            )
        plan[source] = str(node.target)
    unseen = norms - set(plan.values())
    if unseen:
        raise genbench.NotApplicable(
            f"batch norm '{min(unseen)}' cannot be folded: it is not called as a module"
        )
    return plan


def _layer_before(node: fx.Node, modules: Mapping[str, nn.Module]) -> str | None:
    current: Any = node.args[0] if node.args else None
    while isinstance(current, fx.Node) and current.op == "call_module" and len(current.users) == 1:
        module = modules[str(current.target)]
        if isinstance(module, _FOLDABLE):
            return str(current.target)
        if not isinstance(module, _TRANSPARENT):
            return None
        current = current.args[0]
    return None


def folded_copy(model: nn.Module, *, fold: bool = True) -> nn.Module:
    """A copy in double precision in which every batch norm is absorbed, evaluation mode.

    Parameters
    ----------
    fold : bool
        Fold into the layer before; False leaves each batch norm where it is, as scale and shift with running
        mean 0 and variance 1.

    Raises
    ------
    NotApplicable
        See `fold_plan`.
    """
    plan = fold_plan(model) if fold else {}
    copied = copy.deepcopy(model).double().eval().requires_grad_(False)
    for module in list(copied.modules()):
        if parametrize.is_parametrized(module):
            for name in list(vars(module)["_modules"]["parametrizations"]):
                parametrize.remove_parametrizations(module, name)
    modules: dict[str, Any] = dict(copied.named_modules())
    for module in modules.values():
        if is_batch_norm(module):
            _make_explicit(module)
    for layer, norm in plan.items():
        _absorb(modules[layer], modules[norm])
    return copied


def _make_explicit(norm: _BatchNorm) -> None:
    affine = Affine.of(norm)
    norm.weight = nn.Parameter(affine.scale, requires_grad=False)
    norm.bias = nn.Parameter(affine.shift, requires_grad=False)
    norm.running_mean = torch.zeros_like(affine.scale)
    norm.running_var = torch.full_like(affine.scale, 1 - norm.eps)


def _absorb(layer: Any, norm: _BatchNorm) -> None:
    bias = torch.zeros_like(norm.weight) if layer.bias is None else layer.bias
    layer.bias = nn.Parameter(norm.bias + norm.weight * bias, requires_grad=False)
    layer.weight = nn.Parameter(layer.weight * _per_row(norm.weight, layer.weight), requires_grad=False)
    norm.weight = nn.Parameter(torch.ones_like(norm.weight), requires_grad=False)
    norm.bias = nn.Parameter(torch.zeros_like(norm.bias), requires_grad=False)


def _per_row(scale: Tensor, weight: Tensor) -> Tensor:
    return scale.reshape(-1, *[1] * (weight.ndim - 1))
