"""Copies of networks, also of those that `copy.deepcopy` refuses."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from genbench.networks.script import refuse_script

__all__ = ["copy_of", "make_plain"]

# Attributes of every module that `copy.deepcopy` copies well; buffers may hang on a graph.
_TABLES = {"_parameters", "_modules", "_non_persistent_buffers_set", "training"}

_ATOMS = (bool, int, float, complex, str, bytes, type(None))

# What a hook of torch's older functions computes a weight from, behind the weight's name.
_PARTS = ("_orig", "_mask", "_g", "_v", "_u")


def copy_of(model: nn.Module) -> nn.Module:
    """A copy that shares no parameter, buffer or other tensor with the network.

    Tensors that hang on a graph, such as a cached activation or the weight of a pruned layer, are copied
    without it. What cannot be copied, such as a lock, is shared.

    Raises
    ------
    NotApplicable
        A part of the network is compiled by ``torch.jit``.
    """
    refuse_script(model)
    # Most of what a module holds are empty tables, which are slow to copy.
    memo: dict[int, Any] = {id(table): type(table)() for table in _empty_tables(model)}
    for tensor in _tensors(model):
        if tensor.grad_fn is not None or tensor.is_inference():
            plain = tensor.detach().clone()
            is_parameter = isinstance(tensor, nn.Parameter)
            memo[id(tensor)] = nn.Parameter(plain, tensor.requires_grad) if is_parameter else plain
    try:
        return copy.deepcopy(model, dict(memo))
    except Exception:  # an attribute of the network's own may refuse in any way
        for module in model.modules():
            for name, value in vars(module).items():
                if name not in _TABLES:
                    _share_what_refuses(value, memo)
        return copy.deepcopy(model, memo)


def _empty_tables(model: nn.Module) -> Iterator[dict[Any, Any]]:
    for module in model.modules():
        for value in vars(module).values():
            if type(value) in (dict, OrderedDict) and not value:
                yield value


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        for value in vars(module).values():
            yield from _inside(value)


def _inside(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _inside(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _inside(each)


def _share_what_refuses(value: Any, memo: dict[int, Any]) -> None:
    """Enter into a memo of `copy.deepcopy` what is to stay itself."""
    if isinstance(value, _ATOMS) or id(value) in memo:
        return
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            if not isinstance(each, nn.Module):
                _share_what_refuses(each, memo)
        return
    if isinstance(value, nn.Module):
        return
    try:
        copy.deepcopy(value, dict(memo))
    except Exception:
        memo[id(value)] = value


def make_plain(module: Any) -> None:
    """Turn tensors that one module computes from others into parameters of the values that they have.

    These are parametrized ones and those that a hook of torch's older functions computes: pruned weights,
    weight norm, spectral norm. torch's own function for the first takes the property off the class, which a
    copy shares with the original.
    """
    if parametrize.is_parametrized(module):
        effective = {name: getattr(module, name).detach() for name in module.parametrizations}
        plain = parametrize.type_before_parametrizations(module)
        del module.parametrizations
        module.__class__ = plain
        for name, tensor in effective.items():
            module.register_parameter(name, nn.Parameter(tensor, requires_grad=False))
    for key, hook in list(module._forward_pre_hooks.items()):
        name = _computed_by(hook)
        if name is None or name in module._parameters:
            continue
        with torch.no_grad():
            hook(module, ())
        tensor = getattr(module, name).detach().clone()
        del module._forward_pre_hooks[key]
        for part in _PARTS:
            module._parameters.pop(name + part, None)
            module._buffers.pop(name + part, None)
        delattr(module, name)
        module.register_parameter(name, nn.Parameter(tensor, requires_grad=False))


def _computed_by(hook: Any) -> str | None:
    if isinstance(hook, WeightNorm | SpectralNorm):
        return hook.name
    return hook._tensor_name if isinstance(hook, prune.BasePruningMethod) else None
