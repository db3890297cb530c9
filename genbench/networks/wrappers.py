"""What stands around a network and computes the same: taken off, so that its parts can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.utils import checkpoint

__all__ = ["unwrapped", "without_checkpoints"]


_COMPILED = "_compiled_call_impl"


def unwrapped(model: nn.Module) -> nn.Module:
    """The network without ``torch.compile``, DataParallel and DistributedDataParallel around it or in it.

    Names of parameters stay as they are. Parts of the network are replaced in place, a wrapper around the
    whole network is left alone. What ``Module.compile`` made of a call in place is taken off as well.
    """
    for module in list(model.modules()):
        if vars(module).get(_COMPILED) is not None:
            delattr(module, _COMPILED)
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


@contextmanager
def without_checkpoints() -> Iterator[None]:
    """Inside the block ``torch.utils.checkpoint`` keeps activations like any other pass.

    What is computed again in the backward pass calls hooks again and cannot be differentiated twice; the
    reentrant kind has no gradients where the inputs need none.
    """
    with ExitStack() as patches:
        for name, instead in _DIRECT.items():
            if hasattr(checkpoint, name):
                patches.enter_context(patch.object(checkpoint, name, instead))
        yield


class _Direct:
    @staticmethod
    def apply(function: Any, preserve: bool, *given: Any) -> Any:
        return function(*given)


def _nothing_around(*given: Any, **named: Any) -> Iterator[None]:
    yield


# What the function calls in torch, by the names of several versions.
_DIRECT = {
    "CheckpointFunction": _Direct,
    "_checkpoint_without_reentrant_generator": _nothing_around,
    "_checkpoint_without_reentrant_generator_impl": _nothing_around,
}
