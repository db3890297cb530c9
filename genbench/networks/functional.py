"""Networks as functions of their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from genbench.networks.script import refuse_script

__all__ = ["Replaceable", "call_with"]


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


class Replaceable:
    """`call_with` for many calls of one network, of which the same parameters are replaced each time.

    Where they stand is looked up once: in a small network that takes as long as a pass.

    Parameters
    ----------
    model : Module
        No module of it may be exchanged between the calls.
    names : sequence of str
        Of parameters.

    Raises
    ------
    NotApplicable
        A part of the network is compiled by ``torch.jit``.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]):
        refuse_script(model)
        self.model = model
        self.names = tuple(names)
        places: dict[int, list[tuple[dict[str, Any], str]]] = {}
        for module in model.modules():
            for key, parameter in module._parameters.items():
                places.setdefault(id(parameter), []).append((module._parameters, key))
        parameters = dict(model.named_parameters(remove_duplicate=False))
        self._places = [places[id(parameters[name])] for name in self.names]

    def __call__(self, tensors: Sequence[Tensor], *given: Any) -> Any:
        """What the network returns with these tensors, one for each name."""
        before = []
        try:
            for places, tensor in zip(self._places, tensors, strict=True):
                for table, key in places:
                    before.append((table, key, table[key]))
                    table[key] = tensor
            return self.model(*given)
        finally:
            for table, key, parameter in before:
                table[key] = parameter


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
