"""What components share is read-only: here it is noticed when one changes it, and models are put back."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = [
    "Fingerprint",
    "ModelGuard",
    "isolated_random_state",
    "kept_random_state",
    "seed_random_state",
]

# Nothing is in them, and a training's history has thousands.
_PLAIN = frozenset((bool, int, float, str, type(None)))

# So many numbers NumPy compares faster than torch, up to eight times.
_MANY = 2**12
_NUMPY = (torch.float32, torch.float64)


# Where each answer is waited for, a question for each tensor would take longer than many a measure.
_FAR = ("cuda",)


class ModelGuard:
    """Remembers a network, to see whether a component changed it, and to put it back.

    The weights are compared and restored from a copy, so that a change through ``.data``, which leaves no
    trace in a version counter, is seen too.
    """

    def __init__(self, model: nn.Module):
        self._modules = list(model.modules())
        self._states = [_ModuleState(module) for module in self._modules]
        # For a quick look at all modules at once. Most of their tables are empty.
        self._classes = [type(module) for module in self._modules]
        self._own = [vars(module) for module in self._modules]
        held = [each for own in self._own for each in own.values()]
        self._empty = [each for each in held if isinstance(each, dict) and not each]
        tables = [*self._own, *(each for each in held if isinstance(each, dict) and each)]
        lists = [each for each in held if isinstance(each, list)]
        self._held = _Held([*tables, *(table.values() for table in tables), *lists])
        # Of a scripted module it is no attribute.
        self._modes = [(each, each.training) for each in self._modules if "training" not in vars(each)]
        self._tensors = [
            (tensor, tensor.detach().clone(), tensor.requires_grad, tensor.grad)
            for module in self._modules
            for tensor in (*module._parameters.values(), *module._buffers.values())
            if tensor is not None
        ]
        self._far = [_Far(each) for each in _alike(tensor for tensor, *_ in self._tensors)]

    def restore(self) -> bool:
        """Put everything back, and tell whether parameters, buffers or submodules had been changed.

        Mode, gradients, hooks and `requires_grad` are put back without a word: leaving them behind does not
        alter what the next component sees.
        """
        restored = [] if self._same_objects() else [state.restore() for state in self._states]
        changed = any(restored)
        for module, training in self._modes:
            if module.training != training:
                module.training = training
        seen_whole = bool(self._far) and all(each.same() for each in self._far)
        for tensor, content, requires_grad, gradient in self._tensors:
            if not (seen_whole or _same_content(tensor, content)):
                changed = True
                _put_back(tensor, content)
            if tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)
            tensor.grad = gradient
        return changed

    def _same_objects(self) -> bool:
        """Whether all attributes and what the tables hold are the very objects that they were: mostly so."""
        return (
            all(map(is_, map(type, self._modules), self._classes))
            and all(map(is_, map(vars, self._modules), self._own))
            and not any(self._empty)
            and self._held.same()
        )


class _ModuleState:
    """One module's own attributes, without its children's and without the content of tensors."""

    def __init__(self, module: nn.Module):
        self._module = module
        self._class = type(module)
        self._all = dict(vars(module))
        # Parameters, buffers, submodules and all kinds of hooks are kept by a module in dictionaries.
        self._tables = {name: dict(table) for name, table in vars(module).items() if isinstance(table, dict)}
        self._lists = [(each, list(each)) for each in vars(module).values() if isinstance(each, list)]

    def restore(self) -> bool:
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


class _Held:
    """What containers hold, for a look at all of them at once: whether these are the very same objects."""

    def __init__(self, containers: list[Any]):
        self._containers = containers
        self._lengths = list(map(len, containers))
        self._objects = list(chain.from_iterable(containers))

    def same(self) -> bool:
        # The lengths tell where one container ends and the next begins.
        return list(map(len, self._containers)) == self._lengths and all(
            map(is_, chain.from_iterable(self._containers), self._objects)
        )


class _Far:
    """Tensors of one kind on a device, compared in one piece."""

    def __init__(self, tensors: list[Tensor]):
        self._tensors = tensors
        self._kinds = self._kinds_now()
        self._content = self._in_one_piece()

    def same(self) -> bool:
        """Whether they hold what they held; no, where that was NaN."""
        return self._kinds_now() == self._kinds and torch.equal(self._in_one_piece(), self._content)

    def _kinds_now(self) -> list[tuple[Any, ...]]:
        return [(each.dtype, each.device, each.layout, each.shape) for each in self._tensors]

    def _in_one_piece(self) -> Tensor:
        return torch.cat([each.detach().reshape(-1) for each in self._tensors])


def _alike(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """Tensors in groups of one kind each; none where not all of them are far."""
    groups: dict[tuple[Any, ...], list[Tensor]] = {}
    for each in tensors:
        if each.device.type not in _FAR or each.layout != torch.strided or each.is_quantized:
            return []
        groups.setdefault((each.dtype, each.device), []).append(each)
    return list(groups.values())


def _same_content(current: Tensor, saved: Tensor) -> bool:
    if current.dtype != saved.dtype or current.device != saved.device or current.layout != saved.layout:
        return False
    if current.shape != saved.shape:
        return False
    if saved.numel() > _MANY and saved.dtype in _NUMPY and saved.is_cpu and saved.layout == torch.strided:
        same = bool((current.numpy(force=True) == saved.numpy()).all())
    else:
        same = torch.equal(current, saved)
    # The weights of a diverged fit are NaN, and NaN is not equal to itself.
    return same or bool(((current == saved) | (current.isnan() & saved.isnan())).all())


def _put_back(tensor: Tensor, content: Tensor) -> None:
    if tensor.shape == content.shape and tensor.dtype == content.dtype and tensor.device == content.device:
        with torch.no_grad():
            tensor.copy_(content)
    else:
        tensor.data = content.clone()


class Fingerprint:
    """Tells whether tensors inside a result are written to, or its containers are altered.

    Looks into dictionaries, lists, tuples, data classes and modules. NumPy arrays are made unwriteable
    instead, since they keep no count of writes.
    """

    def __init__(self, result: Any):
        self._tensors: list[Tensor] = []
        self._arrays: list[np.ndarray[Any, Any]] = []
        containers: list[Any] = []
        self._look_into(result, containers)
        self._held = _Held(containers)
        # In inference mode writes are not counted.
        self._counting = [each for each in self._tensors if not each.is_inference()]
        self._counts = self._count()

    def differs(self) -> bool:
        """Whether the result is another one now."""
        return self._count() != self._counts or not self._held.same()

    def _count(self) -> tuple[list[int], list[torch.Size]]:
        for array in self._arrays:
            array.flags.writeable = False
        return [each._version for each in self._counting], [each.shape for each in self._tensors]

    def _look_into(self, result: Any, containers: list[Any]) -> None:
        if isinstance(result, Tensor):
            self._tensors.append(result)
        elif isinstance(result, np.ndarray):
            self._arrays.append(result)
        elif isinstance(result, nn.Module):
            for module in result.modules():
                for table in (module._parameters, module._buffers, module._modules):
                    if isinstance(table, dict):  # not so in a scripted module
                        containers += [table, table.values()]
            self._tensors += [*result.parameters(), *result.buffers()]
        elif isinstance(result, dict):
            containers += [result, result.values()]
            self._look_into_all(result.values(), containers)
        elif isinstance(result, list | tuple):
            containers.append(result)
            self._look_into_all(result, containers)
        elif dataclasses.is_dataclass(result) and not isinstance(result, type):
            fields = _Fields(result)
            containers.append(fields)
            self._look_into_all(fields, containers)

    def _look_into_all(self, results: Iterable[Any], containers: list[Any]) -> None:
        for each in results:
            if type(each) not in _PLAIN:
                self._look_into(each, containers)


class _Fields:
    """What a data class holds, as if it were a container."""

    def __init__(self, owner: Any):
        self._owner = owner
        self._names = [field.name for field in dataclasses.fields(owner)]

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self._owner, name) for name in self._names)


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
