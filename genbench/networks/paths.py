"""What lets a sum over paths pass through a network, and what refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from genbench.base.errors import NotApplicable
from genbench.networks.linear_pieces import BENT, name_among

__all__ = ["OnlySums", "gains", "refuse_recurrence"]

_RELU = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}


class OnlySums(TorchFunctionMode):
    """Refuses the operations through which a sum over paths does not pass."""

    refused: ClassVar[Mapping[Any, str]] = BENT

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        obstacle = name_among(self.refused, function)
        if obstacle is not None:
            raise NotApplicable(f"a sum over paths does not pass through {obstacle}")
        if function in _RELU:
            return self.relu(args[0] if args else (kwargs or {})["input"])
        return function(*args, **(kwargs or {}))

    def relu(self, values: Tensor) -> Tensor:
        """What stands in for a ReLU."""
        return values.clamp_min(0)


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
        raise NotApplicable("a sum over paths does not pass through a recurrent layer")
