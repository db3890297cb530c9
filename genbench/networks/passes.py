"""The training sample itself, and passes over it in chunks that bound the memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import torch
from torch import Tensor, nn

from genbench.base.errors import NotApplicable

__all__ = [
    "Rows",
    "as_the_model_wants",
    "at_most",
    "chunks",
    "evenly_spaced",
    "forward",
    "outputs_of",
    "require_classes",
    "require_differentiable",
    "require_real_weights",
]

# Input numbers per chunk. Activations take some hundred times the memory of the inputs in a convolutional
# network; these sizes keep a chunk near the processor's caches, and near one gigabyte on an accelerator.
_CHUNK = {"cpu": 2**20, "cuda": 2**23}
# A pass over fewer examples takes a processor as long as reading the weights does: so many small ones are
# taken together, for up to four times the memory.
_TOGETHER = 32
_LIMIT: ContextVar[int | None] = ContextVar("_LIMIT", default=None)


def forward(model: nn.Module, inputs: Tensor) -> Tensor:
    """Outputs of the network for inputs that may lie on another device or have another precision.

    A network that squeezes a single example, and so its row away, is given that example twice.

    Raises
    ------
    NotApplicable
        The network does not return one tensor with a row for each example.
    """
    inputs = as_the_model_wants(model, inputs)
    try:
        outputs = model(inputs)
    except (RuntimeError, IndexError, ValueError):
        if len(inputs) != 1:
            raise
        outputs = model(torch.cat([inputs, inputs]))[:1]
    if len(inputs) == 1 and isinstance(outputs, Tensor) and outputs.ndim == 1:
        outputs = model(torch.cat([inputs, inputs]))[:1]
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(inputs):
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise NotApplicable(f"the network returns {got}, not one row of outputs for each example")
    return outputs


class Rows(Protocol):
    """Examples of which some can be had at a time, as of a tensor."""

    @property
    def shape(self) -> torch.Size:
        """Their number, and the shape of each."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, some: slice) -> Tensor: ...


def outputs_of(model: nn.Module, inputs: Rows, device: torch.device) -> Tensor:
    """Outputs of the network without their graph, shape (n, outputs), double, computed in chunks."""
    with torch.no_grad():
        # Copies: some networks work in place.
        parts = [forward(model, inputs[part].clone()).double() for part in chunks(inputs, device)]
    return torch.cat(parts)


def require_differentiable(inputs: Tensor) -> None:
    """Raise NotApplicable for inputs that are no real numbers, such as indices of an embedding."""
    if not inputs.is_floating_point():
        raise NotApplicable(f"one cannot differentiate by inputs of type {inputs.dtype}")


def require_real_weights(model: nn.Module) -> None:
    """Raise NotApplicable for a network with complex weights."""
    for name, parameter in model.named_parameters():
        if parameter.is_complex():
            raise NotApplicable(f"the weights '{name}' are complex, and it is defined for real ones only")


def as_the_model_wants(model: nn.Module, inputs: Tensor) -> Tensor:
    """The inputs on the network's device and, if real, in its precision."""
    if inputs.is_floating_point():
        for parameter in model.parameters():
            if parameter.is_floating_point() or parameter.is_complex():
                return inputs.to(parameter.device, parameter.dtype.to_real())
    first = next(model.parameters(), None)
    return inputs if first is None else inputs.to(first.device)


def chunks(inputs: Rows, device: torch.device, copies: int = 1, *, together: int = 1) -> Iterator[slice]:
    """Slices that together cover the examples.

    Parameters
    ----------
    inputs : Rows, shape (n, *input_shape)
    device : torch.device
        Where the work is done.
    copies : int
        How many times the memory of one forward pass each example takes.
    together : int
        Each slice begins at a multiple of this, so that groups of so many examples are not cut.
    """
    example = max(1, math.prod(inputs.shape[1:]))
    numbers = example * max(1, copies)
    chunk = _CHUNK.get(device.type, _CHUNK["cpu"])
    size = max(1, chunk // numbers)
    if device.type == "cpu":
        small = chunk // 8 // example
        size = max(size, min(_TOGETHER, small, 4 * chunk // numbers))
    size = min(size, _LIMIT.get() or size)
    size = max(together, size - size % together)
    for start in range(0, len(inputs), size):
        yield slice(start, start + size)


@contextmanager
def at_most(examples: int) -> Iterator[None]:
    """Inside the block chunks hold no more than so many examples; values must not depend on it."""
    before = _LIMIT.set(examples)
    try:
        yield
    finally:
        _LIMIT.reset(before)


def evenly_spaced(rows: Tensor, wanted: int) -> Tensor:
    """Up to `wanted` rows spread over all, so that sorted classes are all represented; all are not copied."""
    if wanted >= len(rows):
        return rows
    places = torch.linspace(0, len(rows) - 1, wanted, dtype=torch.float64).round().long()
    return rows[places.to(rows.device)]


def require_classes(task, logits: Tensor) -> None:
    """Raise NotApplicable unless the task is classification with an output for each class."""
    if task.kind != "classification":
        raise NotApplicable("defined for classification only")
    if logits.shape[1] < 2:
        raise NotApplicable("needs an output for each class, the network has one output in all")
