"""A step recorded as its operators and played again: on the CPU, what a CUDA graph is on the device.

As in a graph, each operator works on the very memory that it had when it was recorded, numbers on the host
are those of the recording, and no Python runs; whoever looks at a value on the host cannot be recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from genbench.training.device_steps import CannotCapture

__all__ = ["Tape"]

_WAITING = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten._unique2.default,
}
"""Operators that wait for the device: their results are numbers, or tensors whose shape depends on values."""

_LEAVING = {Tensor.numpy, Tensor.tolist, Tensor.cpu, Tensor.__array__}
"""Functions that bring values to the host, and are no operators where they are on the CPU already."""


class Tape:
    """A recorded function; the class is a `genbench.training.device_steps.Capture`.

    Unlike a CUDA graph's capture, the recording runs the function; tensors that it changed are put back.

    Parameters
    ----------
    function : callable
    generators : list of torch.Generator
        Of which it draws, besides torch's global one.

    Raises
    ------
    CannotCapture
        It looks at values.
    """

    def __init__(self, function: Callable[[], None], generators: list[torch.Generator]):
        drawn = [*generators, torch.random.default_generator]
        states = [each.get_state() for each in drawn]
        self._recorder = _Recorder()
        try:
            with _AsOnCuda(), self._recorder:
                function()
        finally:
            for generator, state in zip(drawn, states, strict=True):
                generator.set_state(state)
            self._recorder.put_back()

    def replay(self) -> None:
        """Play the operators again."""
        with torch.no_grad():
            for operator, given, named, kept in self._recorder.operators:
                found = operator(*given, **named)
                if kept:
                    for old, new in zip(kept, _tensors(found), strict=True):
                        old.copy_(new)


class _Recorder(TorchDispatchMode):
    """Notes operators with their tensors, and what memory held before."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def put_back(self) -> None:
        """Make all memory what it was when it was first seen."""
        for memory, content in self._before.values():
            memory.copy_(content)
        self._before.clear()

    def __torch_dispatch__(
        self, operator: Any, types: Any, given: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        if operator in _WAITING or _picks_by_truth(operator, given):
            raise CannotCapture(f"a value is looked at on the host ({operator})")
        for each in _tensors((given, named)):
            memory = each.untyped_storage()
            if memory._cdata not in self._before:
                self._before[memory._cdata] = (memory, memory.clone())
        found = operator(*given, **named)
        aliases = [each.alias_info for each in operator._schema.returns]
        if any(each is not None and not each.is_write for each in aliases):
            return found  # a view of memory that is played into anyway
        kept = [] if any(aliases) else [each.detach() for each in _tensors(found)]
        self.operators.append((operator, *tree_map_only(Tensor, Tensor.detach, (given, named)), kept))
        return found


class _AsOnCuda(TorchFunctionMode):
    """On the CPU, does and refuses what CUDA does and cannot do without waiting for the device."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _LEAVING:
            raise CannotCapture(f"values are taken to the host ({function.__name__})")
        if function is F.one_hot and len(args) == 2 and not kwargs:
            labels, classes = args  # on the CPU it looks whether all labels are classes
            return torch.zeros(*labels.shape, classes, dtype=torch.int64).scatter_(-1, labels[..., None], 1)
        return function(*args, **(kwargs or {}))


def _tensors(values: Any) -> list[Tensor]:
    return [each for each in tree_leaves(values) if isinstance(each, Tensor)]


def _picks_by_truth(operator: Any, given: tuple[Any, ...]) -> bool:
    """Whether it indexes by booleans, so that the number of results depends on them."""
    if operator is not torch.ops.aten.index.Tensor:
        return False
    return any(isinstance(each, Tensor) and each.dtype == torch.bool for each in given[1])
