"""Networks that mention a precision, in copies of higher precision.

``inputs.float()``, ``torch.zeros(3)`` or a constant that is no buffer are right in the precision that a
network has, and break its copies in double precision, or round what passes through them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from genbench.networks.copying import copy_of
from genbench.networks.passes import as_the_model_wants
from genbench.networks.script import is_scripted

__all__ = ["widen_where_needed"]

_CASTS = (Tensor.float, Tensor.half, Tensor.bfloat16)
_OWN_ROOTS = {"torch", "genbench"}


def widen_where_needed(model: nn.Module, examples: Tensor) -> None:
    """Have copies of a network in higher precision work throughout, if they do not do so by themselves.

    Inside them the precisions below their own do not exist: casts, constants and new tensors are of their own
    precision. The network itself stays as it is but for two hooks, which `copy.deepcopy` takes along.

    Parameters
    ----------
    examples : Tensor, shape (n, *input_shape)
        Two are enough to see whether a copy in double precision works.
    """
    own = _precision(model)
    classes = {type(module).__module__.partition(".")[0] for module in model.modules()}
    if own is None or own == torch.float64 or classes <= _OWN_ROOTS or is_scripted(model):
        return
    copied = copy_of(model).double().eval()
    if _returns_doubles(copied, examples):
        return
    _register(copied, own)
    if _returns_doubles(copied, examples):
        _register(model, own)


def _precision(model: nn.Module) -> torch.dtype | None:
    return next((each.dtype for each in model.parameters() if each.is_floating_point()), None)


def _returns_doubles(model: nn.Module, examples: Tensor) -> bool:
    try:
        with torch.no_grad():
            outputs = model(as_the_model_wants(model, examples[:2]).clone())
    except Exception:  # foreign code may raise anything
        return False
    return isinstance(outputs, Tensor) and outputs.dtype == torch.float64


def _register(model: nn.Module, own: torch.dtype) -> None:
    hooks = _Hooks(own)
    model.register_forward_pre_hook(hooks.enter)
    model.register_forward_hook(hooks.leave, always_call=True)


class _Hooks:
    """Enter and leave `_Wide` around each pass of a network that is wider than it was."""

    def __init__(self, own: torch.dtype):
        self._own = own
        self._modes: list[_Wide | None] = []

    def enter(self, module: nn.Module, given: Any) -> None:
        now = _precision(module)
        mode = None
        if now is not None and torch.finfo(now).bits > torch.finfo(self._own).bits:
            mode = _Wide(now)
            mode.__enter__()
        self._modes.append(mode)

    def leave(self, module: nn.Module, given: Any, output: Any) -> None:
        if self._modes and (mode := self._modes.pop()):
            mode.__exit__(None, None, None)


class _Wide(TorchFunctionMode):
    """Inside, floating-point numbers are of one precision, whatever narrower one is mentioned."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self._dtype = dtype

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in _CASTS:
            return args[0].to(self._dtype)
        kept = args[:1] if _writes(function) else ()
        found = function(*kept, *self._wide(args[len(kept) :]), **self._wide(kwargs))
        return self._wide(found) if not kept else found

    def _wide(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(self._dtype) if self._is_narrow(value.dtype) else value
        if isinstance(value, torch.dtype):
            return self._dtype if self._is_narrow(value) else value
        if type(value) in (list, tuple):
            return type(value)(self._wide(each) for each in value)
        if type(value) is dict:
            return {key: self._wide(each) for key, each in value.items()}
        return value

    def _is_narrow(self, dtype: torch.dtype) -> bool:
        return dtype.is_floating_point and torch.finfo(dtype).bits < torch.finfo(self._dtype).bits


def _writes(function: Any) -> bool:
    """Whether a function writes to its first argument, of which a copy would not do."""
    name = getattr(function, "__name__", "")
    return name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
