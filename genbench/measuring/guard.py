"""What components share is read-only: here it is noticed when one changes it, and models are put back."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from contextlib import contextmanager
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = [
    "ModelGuard",
    "fingerprint",
    "isolated_random_state",
    "kept_random_state",
    "seed_random_state",
]


class ModelGuard:
    """Remembers a network, to see whether a component changed it, and to put it back.

    The weights are compared and restored from a copy, so that a change through ``.data``, which leaves no
    trace in a version counter, is seen too.
    """

    def __init__(self, model: nn.Module):
        self._states = [_ModuleState(module) for module in model.modules()]

    def restore(self) -> bool:
        """Put everything back, and tell whether parameters, buffers or submodules had been changed.

        Mode, gradients, hooks and `requires_grad` are put back without a word: leaving them behind does not
        alter what the next component sees.
        """
        changed = [state.restore() for state in self._states]
        return any(changed)


class _ModuleState:
    """One module's own attributes, without its children's."""

    def __init__(self, module: nn.Module):
        self._module = module
        self._class = type(module)
        self._all = dict(vars(module))
        self._training = module.training  # of a scripted module it is no attribute
        # Parameters, buffers, submodules and all kinds of hooks are kept by a module in dictionaries.
        tables = {name: table for name, table in vars(module).items() if isinstance(table, dict)}
        self._tables = {name: dict(table) for name, table in tables.items()}
        # The same for a quick look at the tables themselves, most of which are empty.
        self._empty = [table for table in tables.values() if not table]
        self._filled = [(table, list(table), list(table.values())) for table in tables.values() if table]
        self._lists = [(each, list(each)) for each in vars(module).values() if isinstance(each, list)]
        tensors = [*module._parameters.values(), *module._buffers.values()]
        self._tensors = [
            (tensor, tensor.detach().clone(), tensor.requires_grad, tensor.grad)
            for tensor in tensors
            if tensor is not None
        ]

    def restore(self) -> bool:
        changed = False if self._same_objects() else self._restore_tables()
        if self._module.training != self._training:
            self._module.training = self._training
        for tensor, content, requires_grad, gradient in self._tensors:
            if not _same_content(tensor.detach(), content):
                changed = True
                _put_back(tensor, content)
            if tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)
            tensor.grad = gradient
        return changed

    def _same_objects(self) -> bool:
        """Whether all attributes and what the tables hold are the very objects that they were: mostly so."""
        own = vars(self._module)
        if type(self._module) is not self._class:
            return False
        if own.keys() != self._all.keys() or not all(map(is_, own.values(), self._all.values())):
            return False
        if any(self._empty) or not all(_holds(each, saved) for each, saved in self._lists):
            return False
        return all(
            list(table) == names and all(map(is_, table.values(), values))
            for table, names, values in self._filled
        )

    def _restore_tables(self) -> bool:
        own = vars(self._module)
        changed = type(self._module) is not self._class
        if changed:
            self._module.__class__ = self._class
        # A network may keep what it computed last, which then hangs on a graph, and beside it for what.
        for name in own.keys() - self._all.keys():
            # A method of this one network may have been put before that of its class.
            changed = changed or (callable(own[name]) and hasattr(self._class, name))
            del own[name]
        own.update(self._all)
        for name, saved in self._tables.items():
            table = own[name]
            if list(table) != list(saved) or any(table[key] is not saved[key] for key in saved):
                changed = changed or name in ("_parameters", "_buffers", "_modules")
                table.clear()
                table.update(saved)
        for each, held in self._lists:
            each[:] = held
        return changed


def _holds(current: list[Any], saved: list[Any]) -> bool:
    return len(current) == len(saved) and all(map(is_, current, saved))


def _same_content(current: Tensor, saved: Tensor) -> bool:
    if current.dtype != saved.dtype or current.device != saved.device:
        return False
    if torch.equal(current, saved):  # False for other shapes
        return True
    # The weights of a diverged fit are NaN, and NaN is not equal to itself.
    return current.shape == saved.shape and bool(
        ((current == saved) | (current.isnan() & saved.isnan())).all()
    )


def _put_back(tensor: Tensor, content: Tensor) -> None:
    if tensor.shape == content.shape and tensor.dtype == content.dtype and tensor.device == content.device:
        with torch.no_grad():
            tensor.copy_(content)
    else:
        tensor.data = content.clone()


def fingerprint(result: Any) -> tuple[Any, ...]:
    """What changes when tensors inside a result are written to, or its containers are altered.

    Looks into dictionaries, lists, tuples, data classes and modules. NumPy arrays are made unwriteable
    instead, since they keep no count of writes.
    """
    if isinstance(result, Tensor):
        version = -1 if result.is_inference() else result._version
        return (id(result), version, tuple(result.shape))
    if isinstance(result, np.ndarray):
        result.flags.writeable = False
        return (id(result),)
    if isinstance(result, nn.Module):
        tensors = [*result.parameters(), *result.buffers()]
        return (id(result), *(fingerprint(tensor) for tensor in tensors))
    if isinstance(result, dict):
        return tuple((key, fingerprint(value)) for key, value in result.items())
    if isinstance(result, list | tuple):
        return tuple(fingerprint(value) for value in result)
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        fields = dataclasses.fields(result)
        return (id(result), *(fingerprint(getattr(result, field.name)) for field in fields))
    return (id(result),)


@contextmanager
def isolated_random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global random streams for a block and put them back behind it."""
    with kept_random_state(device):
        seed_random_state(seed, device)
        yield


@contextmanager
def kept_random_state(device: torch.device) -> Iterator[None]:
    """Put the global random streams back behind a block, wherever it left them."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global stream itself
    generators = _generators(device)
    states = [generator.get_state() for generator in generators]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def seed_random_state(seed: int, device: torch.device) -> None:
    """Seed the global random streams.

    Components are to draw from `generator`; those that draw from the global streams get repeatable numbers
    too.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    for generator in _generators(device):
        generator.manual_seed(seed)


def _generators(device: torch.device) -> list[torch.Generator]:
    """The generators themselves: torch.manual_seed queues a call for each device that is never used."""
    if device.type != "cuda":
        return [torch.default_generator]
    torch.cuda.init()
    index = torch.cuda.current_device() if device.index is None else device.index
    return [torch.default_generator, torch.cuda.default_generators[index]]
