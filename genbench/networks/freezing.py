"""Networks that switch gradients off in the middle of a pass, by ``torch.no_grad`` or ``detach``.

The two freeze what stands before them in the same way, and nobody is to tell one from the other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from genbench.base.errors import NotApplicable

__all__ = ["FrozenForwardToo", "Unfrozen", "require_gradients", "slope"]

_SWITCH = torch._C._set_grad_enabled
_CUTS = (Tensor.detach, Tensor.detach_, torch.detach, torch.detach_)


def slope(values: Tensor, point: Tensor, cotangents: Tensor | None = None, **settings: Any) -> Tensor:
    """``torch.autograd.grad(values, point, cotangents, **settings)`` of what a network makes of a point.

    Raises
    ------
    NotApplicable
        The network cuts the point off from the values.
    """
    found = None
    if values.requires_grad and point.requires_grad:
        (found,) = torch.autograd.grad(values, point, cotangents, allow_unused=True, **settings)
    if found is None:
        raise NotApplicable("the network cuts its outputs off from its inputs: no gradients")
    return found


def require_gradients(outputs: Tensor) -> None:
    """Raise NotApplicable where no weight and no input has a gradient."""
    if not outputs.requires_grad:
        raise NotApplicable("the network switches all gradients off")


class FrozenForwardToo(TorchFunctionMode):
    """Inside, ``torch.no_grad`` stops derivatives that a pass carries forward too, as ``detach`` does."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is _SWITCH:
            torch._C._set_fwd_grad_enabled(args[0])
        return function(*args, **(kwargs or {}))


class Unfrozen(TorchFunctionMode):
    """Inside, ``torch.no_grad`` and ``detach`` do nothing: the graph is that of the function."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is _SWITCH:
            return None
        if function in _CUTS:
            return args[0]
        return function(*args, **(kwargs or {}))
