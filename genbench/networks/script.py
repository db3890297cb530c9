"""Networks that ``torch.jit`` has compiled: they compute, and show nothing of what they are made of."""

from __future__ import annotations

import torch
from torch import nn

from genbench.base.errors import NotApplicable

__all__ = ["is_scripted", "refuse_script"]


def is_scripted(model: nn.Module) -> bool:
    """Whether the network, or a part of it, is scripted or traced."""
    return any(isinstance(module, torch.jit.ScriptModule) for module in model.modules())


def refuse_script(model: nn.Module) -> None:
    """Raise NotApplicable for a network of which a part is scripted or traced."""
    if is_scripted(model):
        raise NotApplicable("torch.jit has compiled the network or a part of it, which hides its layers")
