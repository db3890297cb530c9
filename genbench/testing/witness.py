"""Who stands beside a component while it computes: what it changes, which files it opens."""

from __future__ import annotations

import dataclasses
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from genbench.measuring.guard import isolated_random_state

__all__ = ["WHAT", "Witness", "leaves_streams", "module_state"]

WHAT = {
    "weights": "the weights of the network",
    "buffers": "the buffers of the network",
    "gradients": "the gradients of the network: `.grad` of a parameter",
    "mode": "the mode of the network: training or evaluation",
    "frozen": "`requires_grad` of a parameter",
    "hooks": "the hooks of the network",
    "modules": "the modules or attributes of the network",
    "data": "the tensors that it was given",
    "randomness": "a global random stream",
}
"""What a component may leave changed, by the word that `Witness.changes` has for it."""

# Not the seed that anybody chooses, or a component that seeds a stream would leave it where it was.
_ODD_SEED = 740_291_683

# Code, and what loading code reads.
_CODE = {".py", ".pyc", ".pyi", ".so", ".pth", ".nbi", ".nbc", ".dll", ".dylib"}
_SYSTEM = ("/proc/", "/dev/", "/sys/", "/etc/")


class Witness:
    """Stands in for a component's function, and sees what it does to its arguments.

    Attributes
    ----------
    changes : dict
        From a word of `WHAT` to the argument that was left changed.
    forward_passes, backward_passes : int
        How often a network that it was given, or a copy, was called, and how often autograd ran behind a
        call with gradients. Autograd also serves to apply the transpose of a layer alone, which is no pass.
    files : list of str
        What it opened that is no code.
    """

    def __init__(self, function: Callable[..., Any]):
        self._function = function
        self.changes: dict[str, str] = {}
        self.forward_passes = 0
        self.backward_passes = 0
        self.records_graph = False
        self.files: list[str] = []
        self.result: Any = None

    def __call__(self, **arguments: Any) -> Any:
        """Call the function; note what is different behind it."""
        networks = dict(_networks(arguments))
        states = {name: module_state(each) for name, each in networks.items()}
        data = {name: each.detach().clone() for name, each in _tensors(arguments)}
        streams = random_state()
        with _forward_passes(networks.values(), self), _backward_passes(self), _opened(self.files):
            self.result = self._function(**arguments)
        for name, network in networks.items():
            for what in differences(states[name], module_state(network)):
                self.changes.setdefault(what, name)
        for name, each in _tensors(arguments):
            if name in data and not same_tensor(each.detach(), data[name]):
                self.changes.setdefault("data", name)
        if not same_streams(streams, random_state()):
            self.changes.setdefault("randomness", "use the generator that the root `generator` gives")
        return self.result


def module_state(model: nn.Module) -> dict[str, dict[str, Any]]:
    """What there is to change in a network, by the words of `WHAT`, in copies."""
    found: dict[str, dict[str, Any]] = {
        name: {} for name in ("weights", "buffers", "gradients", "mode", "frozen", "hooks", "modules")
    }
    for path, module in model.named_modules():
        found["mode"][path] = module.training
        found["hooks"][path] = {
            name: list(table) for name, table in vars(module).items() if "hooks" in name and table
        }
        found["modules"][path] = (
            {name: id(each) for name, each in module._modules.items()},
            {name for name, each in vars(module).items() if callable(each)},
        )
    for name, parameter in model.named_parameters():
        found["weights"][name] = parameter.detach().clone()
        found["frozen"][name] = parameter.requires_grad
        found["gradients"][name] = None if parameter.grad is None else parameter.grad.clone()
    for name, buffer in model.named_buffers():
        found["buffers"][name] = buffer.detach().clone()
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The words of what differs between two states of a network."""
    return [what for what, kept in before.items() if not _same(kept, after[what])]


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return same_tensor(first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[name], second[name]) for name in first)
    return type(first) is type(second) and first == second


def same_tensor(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have the same type, shape and numbers; NaN is like NaN."""
    if first.shape != second.shape or first.dtype != second.dtype or first.device != second.device:
        return False
    return torch.equal(first, second) or bool(((first == second) | (first.isnan() & second.isnan())).all())


def random_state() -> tuple[Any, ...]:
    """The global random streams of Python, NumPy and torch."""
    return random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - the stream itself


def same_streams(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Whether nothing was drawn from a global stream between two moments."""
    numpy_is_same = all(np.array_equal(one, other) for one, other in zip(first[1], second[1], strict=True))
    return first[0] == second[0] and numpy_is_same and torch.equal(first[2], second[2])


def leaves_streams(act: Callable[[], Any]) -> bool:
    """Whether an act leaves the global random streams where they are; it begins where nobody's seed leads."""
    with isolated_random_state(_ODD_SEED, torch.device("cpu")):
        before = random_state()
        act()
        return same_streams(before, random_state())


def _inside(arguments: Any, name: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Tensors and networks within what a component is given, each with where it is."""
    if isinstance(arguments, Tensor | nn.Module):
        yield name, arguments
    elif depth > 6:
        return
    elif isinstance(arguments, Mapping):
        for key, each in arguments.items():
            yield from _inside(each, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(arguments, list | tuple):
        for place, each in enumerate(arguments):
            yield from _inside(each, f"{name}[{place}]", depth + 1)
    elif dataclasses.is_dataclass(arguments) and not isinstance(arguments, type):
        for each in dataclasses.fields(arguments):
            yield from _inside(getattr(arguments, each.name, None), f"{name}.{each.name}", depth + 1)


def _networks(arguments: Mapping[str, Any]) -> Iterator[tuple[str, nn.Module]]:
    return ((name, each) for name, each in _inside(arguments, "") if isinstance(each, nn.Module))


def _tensors(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    return ((name, each) for name, each in _inside(arguments, "") if isinstance(each, Tensor))


@contextmanager
def _forward_passes(networks: Any, witness: Witness) -> Iterator[None]:
    """Count calls of networks with the modules of a given one: copies, and functional calls, among them."""
    alike = {_fingerprint(each) for each in networks}

    def called(module: nn.Module, inputs: Any) -> None:
        if _fingerprint(module) in alike:
            witness.forward_passes += 1
            witness.records_graph |= torch.is_grad_enabled()

    handle = register_module_forward_pre_hook(called)
    try:
        yield
    finally:
        handle.remove()


def _fingerprint(module: nn.Module) -> tuple[Any, ...]:
    return tuple((name, type(each)) for name, each in module.named_modules())


@contextmanager
def _backward_passes(witness: Witness) -> Iterator[None]:
    """Count the runs of autograd's engine, whoever starts them."""
    engine = getattr(torch.autograd, "_engine_run_backward", None)

    def counted(*given: Any, **named: Any) -> Any:
        witness.backward_passes += witness.records_graph
        return engine(*given, **named)  # type: ignore[misc]

    with ExitStack() as patches:
        if engine is not None:
            torch.autograd._engine_run_backward = counted
            patches.callback(setattr, torch.autograd, "_engine_run_backward", engine)
        yield


_watching: list[list[str]] = []
_hooked = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching or event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path = os.fsdecode(arguments[0])
    # An archive on the path is looked into, compiled code lies in folders of its own, and what numba loads
    # when it first compiles is told by the packages' own descriptions.
    folders = Path(path).parts
    described = any(each.endswith((".dist-info", ".egg-info")) for each in folders)
    is_code = Path(path).suffix in _CODE or path in sys.path or "__pycache__" in folders or described
    if not is_code and not path.startswith(_SYSTEM) and not _is_importing():
        _watching[-1].append(path)


def _is_importing() -> bool:
    """Whether a module is being imported: what libraries read then are settings of their own."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


@contextmanager
def _opened(files: list[str]) -> Iterator[None]:
    """Note the files that are opened within the block; code that is imported is none."""
    global _hooked
    if not _hooked:  # an audit hook stays for the life of the process
        sys.addaudithook(_audit)
        _hooked = True
    _watching.append(files)
    try:
        yield
    finally:
        _watching.pop()
