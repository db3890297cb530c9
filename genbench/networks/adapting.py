"""Networks that take several inputs or return more than outputs, seen as functions from tensor to tensor.

Measures ask of a network that it maps one tensor, a row for each example, to another. Hooks make it do so and
leave its layers, the names of its parameters and its code alone; `copy.deepcopy` takes them along.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from genbench.base.errors import UsageError, nearest

__all__ = ["ONE_LOGIT", "Field", "Packing", "Selection", "adapt", "has_one_logit", "pack"]

ONE_LOGIT = "needs a layer with an output for each class; the network has one logit for two classes"
"""Of a measure that looks at the last layer."""

Selection = str | int | Callable[[Any], Tensor]
"""Of a part of what a network returns: a key or an attribute, a place, or a function."""


@dataclass(frozen=True)
class Field:
    """One of several inputs: the name or place of the argument, the shape and type of an example."""

    key: str | int
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Numbers of an example."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Packing:
    """How the inputs of an example lie in one tensor.

    A single field lies there as it is. Several lie one behind the other, flattened: real numbers as real
    numbers, if all are; whole numbers as int64, if all are. Where both occur, the 64 bits of real numbers in
    double precision are written as whole numbers, so that nothing is rounded, and nobody takes the row for
    something to differentiate by.
    """

    fields: tuple[Field, ...]

    @property
    def is_plain(self) -> bool:
        """Whether the tensor is one of the inputs."""
        return len(self.fields) == 1

    @property
    def is_real(self) -> bool:
        """Whether all fields are real numbers."""
        return all(each.dtype.is_floating_point for each in self.fields)

    def unpacked(self, rows: Tensor, real: torch.dtype) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """The arguments by place and those by name; real numbers in the precision `real`."""
        if self.is_plain:
            parts = [rows]
        else:
            split = rows.split([each.size for each in self.fields], dim=1)
            parts = [self._part(*each, real) for each in zip(self.fields, split, strict=True)]
        named = dict(zip((each.key for each in self.fields), parts, strict=True))
        placed = tuple(named[key] for key in sorted(key for key in named if isinstance(key, int)))
        return placed, {key: part for key, part in named.items() if isinstance(key, str)}

    def _part(self, field: Field, flat: Tensor, real: torch.dtype) -> Tensor:
        shaped = flat.reshape(len(flat), *field.shape)
        if not field.dtype.is_floating_point:
            return shaped.to(field.dtype)
        return (shaped if self.is_real else shaped.view(torch.float64)).to(real)


def pack(inputs: Mapping[str | int, Tensor]) -> tuple[Tensor, Packing]:
    """Several inputs, each of shape (n, ...), as one tensor with n rows.

    Raises
    ------
    UsageError
        None, or of other numbers of examples.
    """
    counts = {key: len(each) for key, each in inputs.items()}
    if len(set(counts.values())) != 1:
        raise UsageError(f"inputs: expected the same number of examples in each, got {counts or 'none'}")
    packing = Packing(tuple(Field(key, tuple(each.shape[1:]), each.dtype) for key, each in inputs.items()))
    if packing.is_plain:
        return next(iter(inputs.values())), packing
    parts = [each.flatten(1) if each.ndim > 1 else each.unsqueeze(1) for each in inputs.values()]
    if packing.is_real:
        return torch.cat(parts, 1), packing
    whole = [
        each.double().view(torch.int64) if each.is_floating_point() else each.to(torch.int64)
        for each in parts
    ]
    return torch.cat(whole, 1), packing


def adapt(
    model: nn.Module,
    packing: Packing | None = None,
    output: Selection | None = None,
    *,
    one_logit: bool = False,
) -> None:
    """Have a network take packed inputs and return the chosen part of its outputs.

    Parameters
    ----------
    packing : Packing, optional
        None leaves the inputs as they are, as does a single input by place.
    output : str, int or callable, optional
        None leaves the outputs as they are.
    one_logit : bool
        The one output z of two classes is returned as the logits (0, z): their softmax is its sigmoid.
    """
    if packing is not None and not (packing.is_plain and packing.fields[0].key == 0):
        model.register_forward_pre_hook(_Unpacking(packing), prepend=True, with_kwargs=True)
    if output is not None:
        model.register_forward_hook(_Selecting(output))
    if one_logit:
        model.register_forward_hook(_two_logits)


def has_one_logit(model: nn.Module) -> bool:
    """Whether its outputs are the logits (0, z) of the one that its last layer has."""
    return _two_logits in model._forward_hooks.values()


class _Unpacking:
    def __init__(self, packing: Packing):
        self._packing = packing

    def __call__(self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        real = next((each.dtype for each in module.parameters() if each.is_floating_point()), torch.float32)
        return self._packing.unpacked(given[0], real)


class _Selecting:
    def __init__(self, output: Selection):
        self._output = output

    def __call__(self, module: nn.Module, given: Any, returned: Any) -> Tensor:
        return part_of(returned, self._output)


def part_of(returned: Any, output: Selection) -> Tensor:
    """The part of what a network returned that is chosen.

    Raises
    ------
    UsageError
        There is no such part.
    """
    if callable(output):
        return output(returned)
    if isinstance(returned, Mapping):
        if output in returned:
            return returned[output]
        raise UsageError(f"output: the network returns no {output!r}{_among(output, list(returned))}")
    if isinstance(output, int):
        if isinstance(returned, Sequence) and -len(returned) <= output < len(returned):
            return returned[output]
        held = f"{len(returned)} parts" if isinstance(returned, Sequence) else f"a {type(returned).__name__}"
        raise UsageError(f"output: the network returns {held}, of which none is number {output}")
    if hasattr(returned, output):
        return getattr(returned, output)
    raise UsageError(f"output: the network returns a {type(returned).__name__}, which has no '{output}'")


def _among(output: Selection, keys: Sequence[Any]) -> str:
    return nearest(str(output), map(str, keys)) or f", but {', '.join(map(repr, keys))}"


def _two_logits(module: nn.Module, given: Any, outputs: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(outputs), outputs], 1) if outputs.ndim == 2 else outputs
