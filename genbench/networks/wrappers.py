"""What stands around a network and computes the same: taken off, so that its parts can be seen."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

__all__ = ["unwrapped"]


def unwrapped(model: nn.Module) -> nn.Module:
    """The network without ``torch.compile``, DataParallel and DistributedDataParallel around it or in it.

    Names of parameters stay as they are. Parts of the network are replaced in place, a wrapper around the
    whole network is left alone.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if (plain := _plain(child)) is not child:
                module._modules[name] = plain
    return _plain(model)


def _plain(module: nn.Module) -> nn.Module:
    name = _inner_name(module)
    return module if name is None else _Through(name, module._modules[name], module.training)


def _inner_name(module: nn.Module) -> str | None:
    if isinstance(module, DataParallel | DistributedDataParallel):
        return "module"
    return "_orig_mod" if "_orig_mod" in module._modules else None


class _Through(nn.Module):
    """A module under the name that it has in its wrapper."""

    def __init__(self, name: str, inner: Any, training: bool):
        super().__init__()
        self._name = name
        self._modules[name] = unwrapped(inner)
        self.training = training

    def forward(self, *given: Any, **named: Any) -> Any:
        return self._modules[self._name](*given, **named)  # type: ignore[misc]
