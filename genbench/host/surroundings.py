"""What all code in a process shares, and code of a plugin's may change: functions, flags, modes, hooks.

Knows torch only where it is loaded already.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from operator import is_
from types import ModuleType
from typing import Any

__all__ = ["Surroundings"]

_SHARED_PARTS = {
    "numpy": ("linalg", "random", "fft"),
    "torch": (
        "autograd",
        "fft",
        "func",
        "linalg",
        "nn",
        "nn.functional",
        "nn.init",
        "optim",
        "overrides",
        "special",
    ),
}
# What the command itself, and whoever reads its files, calls.
_STANDARD = (
    "hashlib", "io", "json", "math", "os", "pathlib", "queue", "shutil", "subprocess", "tempfile",
    "threading", "time",
)  # fmt: skip
_SHARED_MODULES = {
    *_STANDARD,
    *_SHARED_PARTS,
    *(f"{name}.{part}" for name, parts in _SHARED_PARTS.items() for part in parts),
}
_GLOBAL_HOOKS = (
    "_global_backward_pre_hooks",
    "_global_backward_hooks",
    "_global_forward_pre_hooks",
    "_global_forward_hooks",
    "_global_parameter_registration_hooks",
    "_global_buffer_registration_hooks",
    "_global_module_registration_hooks",
)

Flag = tuple[str, Callable[[], Any], Callable[[Any], Any]]


class Surroundings:
    """Functions of shared modules and classes, and the global state of NumPy and torch, at one moment."""

    def __init__(self) -> None:
        self._modules = -1
        self._functions: dict[Any, _Namespace] = {}
        self._whole = _Glance(())
        self._flags: list[tuple[Flag, Any]] = []
        self._python: dict[str, Any] = {}
        self.refresh()

    def refresh(self) -> None:
        """Be of this moment: what was changed by those who may is right now."""
        if len(sys.modules) != self._modules or not self._whole.is_right():
            self._functions = {space: _Namespace(space) for space in dict.fromkeys(_namespaces())}
            self._whole = _Glance(self._functions)
            self._modules = len(sys.modules)
        self._python = dict(builtins.__dict__)
        self._flags = [(flag, flag[1]()) for flag in _flags()]

    def put_back(self) -> list[str]:
        """Undo every change since that moment; returns what had been changed, by name."""
        return [*self._put_back_python(), *self._put_back_functions(), *self._put_back_flags()]

    def put_back_after_import(self) -> list[str]:
        """The same, but flags are put back without a word: many a script sets some for itself."""
        changed = [*self._put_back_python(), *self._put_back_functions()]
        list(self._put_back_flags())
        return changed

    def _put_back_python(self) -> list[str]:
        """First of all, and without the functions that it puts back: nothing can be trusted before."""
        current, before = builtins.__dict__, self._python
        changed = [
            f"builtins.{name}" for name in before if name != "_" and current.get(name) is not before[name]
        ]
        current.update(before)
        return changed

    def _put_back_functions(self) -> Iterator[str]:
        if self._whole.is_right():
            return
        for space, whole in self._functions.items():
            if whole.is_whole():
                continue
            current, saved = vars(space), whole.functions
            for name, function in saved.items():
                there = current.get(name)
                if there is function or (there is not None and _of_the_same_library(there, space)):
                    continue
                setattr(space, name, function)
                yield _named(space, name)
            if isinstance(space, type):
                for name in _hiding_inherited(space, saved):
                    delattr(space, name)
                    yield _named(space, name)

    def _put_back_flags(self) -> Iterator[str]:
        for (name, get, put), before in self._flags:
            if get() != before:
                put(before)
                yield name


class _Glance:
    """Modules and classes as they were: mostly all are, which is seen without a step of Python for each."""

    def __init__(self, spaces: Iterable[Any]):
        held = [vars(each) for each in spaces]
        self._keys, self._contents = [each.keys() for each in held], [each.values() for each in held]
        self._names, self._values = list(chain(*self._keys)), list(chain(*self._contents))

    def is_right(self) -> bool:
        """Whether every name stands where it stood, for the very object."""
        return (
            sum(map(len, self._contents)) == len(self._values)
            and all(map(is_, chain.from_iterable(self._contents), self._values))
            and list(chain.from_iterable(self._keys)) == self._names
        )


class _Namespace:
    """A module or class as it was."""

    def __init__(self, space: Any):
        held = vars(space)
        self._space, self._names, self._values = space, list(held), list(held.values())

    def is_whole(self) -> bool:
        """Whether every name stands where it stood, for the very object."""
        held = vars(self._space)
        return (
            len(held) == len(self._names)
            and all(map(is_, held.values(), self._values))
            and list(held) == self._names
        )

    @property
    def functions(self) -> dict[str, Any]:
        """What could be called."""
        pairs = zip(self._names, self._values, strict=True)
        return {name: each for name, each in pairs if _is_function(each)}


def _namespaces() -> Iterator[Any]:
    """Modules, and classes within them, whose functions everybody calls."""
    for name, module in list(sys.modules.items()):
        shared = name in _SHARED_MODULES or name.partition(".")[0] == "genbench"
        if not shared or not isinstance(module, ModuleType):
            continue
        yield module
        for each in list(vars(module).values()):
            if isinstance(each, type) and _public_home(each) == name:
                yield each
    torch = sys.modules.get("torch")
    if torch is not None:
        yield torch.Tensor
        yield from {each for each in vars(torch.nn).values() if isinstance(each, type)}


def _public_home(found: type) -> str:
    """The module of a class; Python 3.13 keeps some of the standard library's in a private part of theirs."""
    home = found.__module__
    return next((each for each in _STANDARD if home.startswith(f"{each}._")), home)


def _is_function(content: Any) -> bool:
    return callable(content) or isinstance(content, staticmethod | classmethod | property)


def _hiding_inherited(space: type, saved: Mapping[str, Any]) -> list[str]:
    """Functions that a class did not have itself and has now, in the place of those of its bases."""
    added = [name for name, each in vars(space).items() if name not in saved and callable(each)]
    return [name for name in added if any(hasattr(base, name) for base in space.__bases__)]


def _named(space: Any, name: str) -> str:
    owner = f"{_public_home(space)}.{space.__qualname__}" if isinstance(space, type) else space.__name__
    return f"{owner}.{name}"


def _of_the_same_library(found: Any, space: ModuleType | type) -> bool:
    """Whether a library has put its own function in the place of another: some do so when they are used."""
    root = _named(space, "").partition(".")[0]
    home = getattr(found, "__module__", None) or ""
    return root in ("torch", "numpy") and str(home).partition(".")[0] == root and found.__class__ is not type


def _flags() -> Iterator[Flag]:
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        yield "numpy.seterr", numpy.geterr, lambda before: numpy.seterr(**before)
    torch = sys.modules.get("torch")
    if torch is not None:
        yield from _torch_flags(torch)


def _torch_flags(torch: Any) -> Iterator[Flag]:
    yield "torch's default dtype", torch.get_default_dtype, torch.set_default_dtype
    yield "torch's default device", _default_device, _put_device
    yield "torch's number of threads", torch.get_num_threads, torch.set_num_threads
    yield "torch's gradient mode", torch.is_grad_enabled, torch._C._set_grad_enabled
    yield "torch's inference mode", torch.is_inference_mode_enabled, _put_inference_mode
    yield from _stacks(torch)
    for device in ("cpu", "cuda"):
        yield (
            f"autocast on {device}",
            partial(torch.is_autocast_enabled, device),
            partial(torch.set_autocast_enabled, device),
        )
        yield (
            f"autocast's dtype on {device}",
            partial(torch.get_autocast_dtype, device),
            partial(torch.set_autocast_dtype, device),
        )
    yield (
        "torch's deterministic mode",
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    )
    yield (
        "torch's matmul precision",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    )
    yield "anomaly detection", torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly
    for name in ("enabled", "benchmark", "deterministic", "allow_tf32"):
        yield _attribute("torch.backends.cudnn", torch.backends.cudnn, name)
    yield _attribute("torch.backends.cuda.matmul", torch.backends.cuda.matmul, "allow_tf32")
    yield (
        "flushing of denormal numbers",
        lambda: bool((torch.ones(1, dtype=torch.float32) * 1e-30 * 1e-10).item() == 0),
        torch.set_flush_denormal,
    )
    for name in _GLOBAL_HOOKS:
        table = getattr(torch.nn.modules.module, name, None)
        if table is not None:
            yield _hooks(name, table)


def _stacks(torch: Any) -> Iterator[Flag]:
    """What has been entered and is not left again: what is new on top goes."""
    from torch.utils import _python_dispatch

    for name, size, pop in (
        ("function modes", torch._C._len_torch_function_stack, torch._C._pop_torch_function_stack),
        ("dispatch modes", torch._C._len_torch_dispatch_stack, _python_dispatch._pop_mode),
    ):
        yield f"torch's {name}", size, partial(_pop_down_to, size, pop)
    hooks = torch._C._autograd
    if hasattr(hooks, "_top_saved_tensors_default_hooks"):  # torch 2.6 does not tell of them
        yield (
            "torch's hooks of saved tensors",
            lambda: hooks._top_saved_tensors_default_hooks(False),
            lambda before: hooks._pop_saved_tensors_default_hooks(),
        )


def _pop_down_to(size: Callable[[], int], pop: Callable[[], Any], before: int) -> None:
    while size() > before:
        pop()


_KEPT_MODES: list[Any] = []


def _put_inference_mode(before: bool) -> None:
    """Another layer of the mode, which ends with the process: whoever entered the last cannot be asked."""
    import torch

    _KEPT_MODES.append(torch.inference_mode(before))
    _KEPT_MODES[-1].__enter__()


def _default_device() -> Any:
    import torch

    try:
        return torch.get_default_device()
    except AttributeError:  # of torch 2.6, where a default device was taken away
        return torch.device("cpu")


def _put_device(before: Any) -> None:
    """None takes away the mode by which torch keeps a default of its own; what is left is the processor."""
    import torch

    torch.set_default_device(None if before.type == "cpu" else before)


def _attribute(where: str, owner: Any, name: str) -> Flag:
    return f"{where}.{name}", lambda: getattr(owner, name), lambda before: setattr(owner, name, before)


def _hooks(name: str, table: dict[Any, Any]) -> Flag:
    """The hooks that torch calls for every module, wherever it is."""

    def put(before: Mapping[Any, Any]) -> None:
        table.clear()
        table.update(before)

    return f"torch's {name.removeprefix('_').replace('_', ' ')}", lambda: dict(table), put
