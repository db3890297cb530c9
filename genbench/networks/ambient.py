"""What surrounds a computation in torch, and what a network does to what it is handed, kept out of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._device import DeviceContext

from genbench.networks.passes import as_the_model_wants

__all__ = [
    "changing_copies",
    "forward_mode",
    "handing_copies",
    "has_largest_norm",
    "ordinary_torch",
    "twice_differentiable",
    "with_own_inputs",
    "working_precision",
    "works_in_place",
]

_DEVICES = ("cpu", "cuda")


@contextmanager
def ordinary_torch(dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Inside the block torch is as a fresh process has it, whatever surrounds the block.

    No inference mode, gradients on, no autocast, new tensors of `dtype` on the CPU. All of it, and the number
    of threads, is afterwards as it was before, also where the block changed it.
    """
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    with torch.inference_mode(False), ExitStack() as settings:  # the former switches gradients on, too
        for device in _DEVICES:
            if torch.is_autocast_enabled(device):
                settings.enter_context(torch.autocast(device, enabled=False))
        if torch._C._len_torch_function_stack() and _makes_tensors_elsewhere():
            settings.enter_context(torch.device("cpu"))
        try:
            if before != dtype:
                torch.set_default_dtype(dtype)
            yield
        finally:
            if torch.get_default_dtype() != before:
                torch.set_default_dtype(before)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)


def _makes_tensors_elsewhere() -> bool:
    """Whether a default device is another than the CPU, whoever made it so; `torch.get_default_device` of
    older versions knows of its own setter only."""
    devices = [each.device for each in _get_current_function_mode_stack() if isinstance(each, DeviceContext)]
    return bool(devices) and devices[-1].type != "cpu"


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Inside the block attention and hard sigmoids have gradients that can be differentiated again.

    torch's fast kernels have no second derivative, and none in forward mode. Forward and backward passes both
    belong inside.
    """
    with sdpa_kernel(SDPBackend.MATH), _HardSigmoids():
        yield


@contextmanager
def forward_mode() -> Iterator[None]:
    """Around derivatives in forward mode: torch warns of its own code when it loads the rules for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.script")
        yield


class _HardSigmoids(TorchFunctionMode):
    """Writes hard sigmoids as another function of which torch has two derivatives."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is not F.hardsigmoid:
            return function(*args, **(kwargs or {}))
        values = args[0] if args else kwargs["input"]
        return F.relu6(values + 3) / 6


def working_precision(model: nn.Module | None) -> torch.dtype:
    """What new tensors are to be beside a network: double beside one in double, else single."""
    first = next(model.parameters(), None) if model is not None else None
    return torch.float64 if first is not None and first.dtype == torch.float64 else torch.float32


def handing_copies(model: nn.Module) -> nn.Module:
    """Have a network work on copies of what it is handed; return it.

    One that works in place would otherwise change the data, and could not be differentiated by its inputs.
    The hook is one more at its end: `copy.deepcopy` takes it along.
    """
    if _copies not in model._forward_pre_hooks.values():
        model.register_forward_pre_hook(_copies, prepend=True)
    return model


def changing_copies(model: nn.Module) -> nn.Module:
    """Have a network that changes its own buffers, or its embeddings, change copies of them; return it.

    A count of calls, a running mean or an embedding with a largest norm would otherwise have it be another
    network at each pass. `copy.deepcopy` takes the two hooks along.
    """
    changes = _Changes()
    model.register_forward_pre_hook(changes.enter)
    model.register_forward_hook(changes.leave, always_call=True)
    return model


def has_largest_norm(module: nn.Module) -> bool:
    """Whether a module is an embedding that shortens its vectors as it is called."""
    return isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.max_norm is not None


class _Changes:
    """Puts copies in their place for a pass, through which gradients go."""

    def __init__(self) -> None:
        self._before: list[list[tuple[dict[str, Any], dict[str, Any]]]] = []

    def enter(self, module: nn.Module, given: Any) -> None:
        parts = [each for each in module.modules() if not isinstance(each, torch.jit.ScriptModule)]
        tables: list[dict[str, Any]] = [each._buffers for each in parts]
        tables += [each._parameters for each in parts if has_largest_norm(each)]
        self._before.append([(table, dict(table)) for table in tables])
        for table in tables:
            table.update({name: each.clone() for name, each in table.items() if each is not None})

    def leave(self, module: nn.Module, given: Any, output: Any) -> None:
        for table, before in self._before.pop() if self._before else ():
            table.clear()
            table.update(before)


def works_in_place(model: nn.Module, inputs: Tensor) -> bool:
    """Whether a pass of two examples changes what the network is handed; False where it cannot take them."""
    given = as_the_model_wants(model, inputs[:2]).clone()
    before, writes = given.clone(), given._version
    try:
        with torch.no_grad():
            model(given)
    except Exception:  # whoever needs this pass will say why there is none
        return False
    return given._version != writes or not torch.equal(given, before)


@contextmanager
def with_own_inputs(model: nn.Module) -> Iterator[None]:
    """`handing_copies` for as long as the block runs."""
    handle = model.register_forward_pre_hook(_copies, prepend=True)
    try:
        yield
    finally:
        handle.remove()


def _copies(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(each.clone() if isinstance(each, Tensor) else each for each in given)
