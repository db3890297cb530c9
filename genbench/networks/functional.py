"""Networks as functions of their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from genbench.networks.script import refuse_script

__all__ = ["call_with"]


def call_with(model: nn.Module, tensors: Mapping[str, Tensor], *given: Any) -> Any:
    """What the network returns with other tensors in the place of some of its parameters.

    Tied parameters are replaced together. torch's own way to do so leaves a network changed that has one
    module under two names.

    Raises
    ------
    NotApplicable
        A part of the network is compiled by ``torch.jit``.
    """
    refuse_script(model)
    return functional_call(model, _with_ties(model, tensors), given, tie_weights=False)


def _with_ties(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names: dict[int, list[str]] = {}
    identities: dict[str, int] = {}
    for prefix, module in model.named_modules():
        for key, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                name = f"{prefix}.{key}" if prefix else key
                names.setdefault(id(tensor), []).append(name)
                identities[name] = id(tensor)
    tied = {
        other: tensor
        for name, tensor in tensors.items()
        if name in identities
        for other in names[identities[name]]
    }
    return {**tied, **tensors}
