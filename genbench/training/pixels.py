"""Pictures of eight bits that stay bytes on a device: each number that is read is made when it is read.

A byte takes a quarter of a float's memory, and does not depend on what a training set is normalized with, so
that all trainings of a process share one copy of a split, whichever examples of it are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from genbench.contract.regularizer import Training

__all__ = [
    "HeldTraining",
    "Inputs",
    "Pixels",
    "in_channels_last",
    "lies_in_channels_last",
    "normalized",
    "rows_of",
]


def normalized(values: Tensor, mean: Tensor, std: Tensor, full: float | Tensor = 255.0) -> Tensor:
    """Inputs as networks read them, float32, a new tensor: bytes divided by 255, minus `mean`, over `std`.

    Parameters
    ----------
    values : Tensor, shape (n, *input_shape)
        uint8 or floating point.
    mean, std : Tensor
        Broadcastable to one input.
    full : float or Tensor
        255; as a tensor on CUDA, where torch divides by a number by multiplying with its rounded inverse.
    """
    floats = values.to(torch.float32, copy=True)
    if values.dtype == torch.uint8:
        floats.div_(full)
    return floats.sub_(mean).div_(std)


@dataclass(frozen=True, eq=False)
class Pixels:
    """Normalized examples that are kept as the bytes of which they are made.

    Attributes
    ----------
    whole : Tensor of uint8, shape (N, *input_shape)
        A whole split; nobody writes to it.
    rows : Tensor of int64, shape (n,)
        Which examples of it these are.
    mean, std : Tensor, float32, broadcastable to one input
    """

    whole: Tensor
    rows: Tensor
    mean: Tensor
    std: Tensor
    _full: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_full", torch.full((), 255.0, device=self.whole.device))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> torch.Size:
        """Of the examples."""
        return torch.Size((len(self.rows), *self.whole.shape[1:]))

    def __getitem__(self, some: slice | Tensor) -> Tensor:
        """The examples at these places, float32, made of their bytes; pictures in the layout of `whole`."""
        rows = self.rows
        rows = rows[some] if isinstance(some, slice) else rows.index_select(0, some.to(rows.device))
        # By its strides: a single channel fits both layouts, for which convolutions round differently.
        together = self.whole.dim() == 4 and self.whole.stride()[1::2] == (1, self.whole.shape[1])
        return normalized(rows_of(self.whole, rows, together), self.mean, self.std, self._full)

    def to(self, device: torch.device, whole: Tensor | None = None) -> Pixels:
        """The same examples on another device, where `whole` may lie already."""
        rows, mean, std = (each.to(device) for each in (self.rows, self.mean, self.std))
        there = self.whole.to(device) if whole is None else whole
        return replace(self, whole=there, rows=rows, mean=mean, std=std)


Inputs = Tensor | Pixels
"""Examples of which some are read by ``inputs[some]``: floats that are there, or are made."""


def lies_in_channels_last(inputs: Inputs) -> bool:
    """Whether inputs are pictures whose channels lie together."""
    held = inputs.whole if isinstance(inputs, Pixels) else inputs
    return held.dim() == 4 and held.is_contiguous(memory_format=torch.channels_last)


def in_channels_last(pictures: Inputs) -> Inputs:
    """The pictures with their channels together, copied where they do not lie so already."""
    if isinstance(pictures, Tensor):
        return pictures.contiguous(memory_format=torch.channels_last)
    return replace(pictures, whole=pictures.whole.contiguous(memory_format=torch.channels_last))


def rows_of(examples: Tensor, places: Tensor, channels_last: bool) -> Tensor:
    """Examples at places; pictures whose channels lie together come out so, each copied as one piece."""
    if channels_last:
        return examples.permute(0, 2, 3, 1).index_select(0, places).permute(0, 3, 1, 2)
    return examples.index_select(0, places)


@dataclass(frozen=True, kw_only=True)
class HeldTraining(Training):
    """A training as the loop knows it; regularizers that look at `inputs` have floats made for them.

    Attributes
    ----------
    held : Tensor or Pixels
        The training set's inputs.
    """

    held: Inputs
    inputs: Tensor = field(init=False)

    def __getattr__(self, name: str) -> Any:
        """`inputs`, where nobody has asked for it before."""
        if name != "inputs":
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")
        object.__setattr__(self, name, self.held if isinstance(self.held, Tensor) else self.held[:])
        return getattr(self, name)
