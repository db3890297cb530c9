"""The operators that a function calls, noted as they are called: below Python, and below differentiation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from genbench.networks.compiler import import_no_compiler

__all__ = ["Call", "CannotRecord", "Memory", "Recorder", "Streams", "is_view", "tensors_in"]

_WAITING = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten._unique2.default,
}
"""Operators whose results are numbers on the host, or tensors whose shape depends on values."""

_LEAVING = {Tensor.numpy, Tensor.tolist, Tensor.cpu, Tensor.__array__}
"""Functions that bring values to the host, and are no operators where they are on the CPU already."""

_CONTAINERS = (tuple, list, dict)
_HOLDING = (Tensor, *_CONTAINERS)


class CannotRecord(Exception):
    """What a function does is more than its operators; the text says what."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operator with what it was given and what it returned; tensors are detached, in the same memory."""

    operator: Any
    given: tuple[Any, ...]
    named: dict[str, Any]
    found: Any


class Memory:
    """What the memory of tensors held.

    Parameters
    ----------
    most_bytes : float
        Of all of it; beyond, `keep` raises `CannotRecord`.
    """

    def __init__(self, most_bytes: float = math.inf) -> None:
        self._room = most_bytes
        self._contents: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._made: dict[int, torch.UntypedStorage] = {}

    def keep(self, values: Any) -> None:
        """Remember what the tensors in containers hold, unless their memory was seen before."""
        for memory in self._unseen(values):
            self._contents[memory._cdata] = (memory, memory.clone())

    def add(self, values: Any) -> None:
        """Hold the memory of tensors in containers that was made meanwhile: it held nothing before."""
        for memory in self._unseen(values):
            self._made[memory._cdata] = memory

    def _unseen(self, values: Any) -> Iterator[torch.UntypedStorage]:
        for each in tensors_in(values):
            if each.layout != torch.strided:
                raise CannotRecord(f"a tensor is laid out as {each.layout}")
            memory = each.untyped_storage()
            if memory._cdata not in self._contents and memory._cdata not in self._made:
                self._room -= memory.nbytes()
                if self._room < 0:
                    raise CannotRecord("much memory is at work")
                yield memory

    def put_back(self) -> None:
        """Have it held again."""
        for memory, content in self._contents.values():
            memory.copy_(content)

    def now(self) -> list[Tensor]:
        """Copies of what the same memory holds now, as bytes."""
        return [_bytes(memory.clone()) for memory, _ in self._contents.values()]


class Streams:
    """Generators, torch's global one of the CPU among them."""

    def __init__(self, generators: Sequence[torch.Generator]):
        self._generators = [*generators, torch.random.default_generator]

    def now(self) -> list[Tensor]:
        """Their states."""
        return [each.get_state() for each in self._generators]

    def go_back(self, states: Sequence[Tensor]) -> None:
        """Have them draw again what they drew from these states on."""
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state)


class Recorder(TorchDispatchMode):
    """Notes the calls of operators within `recording`, which are made.

    Parameters
    ----------
    most_bytes : float
        Of all memory that is seen: it is held until the end, and copied.

    Attributes
    ----------
    calls : list of Call
    """

    def __init__(self, most_bytes: float = math.inf) -> None:
        super().__init__()
        import_no_compiler(type(self).__torch_dispatch__)
        self.calls: list[Call] = []
        self._before = Memory(most_bytes)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """A block, which is left by `CannotRecord` where a call cannot be noted."""
        with _AsOnCuda(), self:
            yield

    def put_back(self) -> None:
        """Make all memory what it was when it was first given to an operator."""
        self._before.put_back()

    def __torch_dispatch__(
        self, operator: Any, types: Any, given: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        if operator in _WAITING or _picks_by_truth(operator, given):
            raise CannotRecord(f"a value is looked at on the host ({operator})")
        self._before.keep((given, named))
        found = operator(*given, **named)
        self._before.add(found)
        self.calls.append(Call(operator, _detached(given), _detached(named), _detached(found)))
        return found


class _AsOnCuda(TorchFunctionMode):
    """On the CPU, does and refuses what CUDA does and cannot do without waiting for the device."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _LEAVING:
            raise CannotRecord(f"values are taken to the host ({function.__name__})")
        if function is F.one_hot and len(args) == 2 and not kwargs:
            labels, classes = args  # on the CPU it looks whether all labels are classes
            return torch.zeros(*labels.shape, classes, dtype=torch.int64).scatter_(-1, labels[..., None], 1)
        return function(*args, **(kwargs or {}))


def tensors_in(values: Any) -> list[Tensor]:
    """All tensors within what operators are given or return: tuples, lists and dictionaries."""
    found: list[Tensor] = []
    _gather(values if isinstance(values, _CONTAINERS) else (values,), found)
    return found


def _gather(values: Any, found: list[Tensor]) -> None:
    for each in values.values() if isinstance(values, dict) else values:
        if isinstance(each, Tensor):
            found.append(each)
        elif isinstance(each, _CONTAINERS):
            _gather(each, found)


def _detached(values: Any) -> Any:
    if isinstance(values, Tensor):
        return values.detach()
    if isinstance(values, dict):
        return {name: _detached(each) for name, each in values.items()}
    if isinstance(values, _CONTAINERS):
        return type(values)([_detached(each) if isinstance(each, _HOLDING) else each for each in values])
    return values


def _bytes(memory: torch.UntypedStorage) -> Tensor:
    return torch.empty(0, dtype=torch.uint8, device=memory.device).set_(memory)


@cache
def is_view(operator: Any) -> bool:
    """Whether it returns a view of what it is given, to which it writes nothing."""
    aliases = [each.alias_info for each in operator._schema.returns]
    return any(each is not None and not each.is_write for each in aliases)


def _picks_by_truth(operator: Any, given: tuple[Any, ...]) -> bool:
    """Whether it indexes by booleans, so that the number of results depends on them."""
    if operator is not torch.ops.aten.index.Tensor:
        return False
    return any(isinstance(each, Tensor) and each.dtype == torch.bool for each in given[1])
