"""torch's compiler, left where it is until something is compiled.

Eager code asks it at many places not to look, and the first question imports it: a second and a half of a
processor's time in every process that trains or differentiates, longer than torch itself takes.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
import sys
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch

__all__ = ["flop_counter", "import_no_compiler", "leave_out_compiler"]

_COMPILER = "torch._dynamo"
_KERNELS, _COUNTER = "triton", "torch.utils.flop_counter"
# Where torch has its operators written in Python, for derivatives that it has no kernels for.
_WRITTEN = ("torch._refs", "torch._decomp.decompositions")
# Where torch keeps what it found for a function that its compiler is to pass over.
_FOUND = "__dynamo_disable"


@cache
def leave_out_compiler() -> None:
    """Have eager code import torch's compiler only once something else has.

    A compiler that is not there looks at nothing, so that asking it to look away is doing nothing. Whatever
    imports it finds it as it always is. Where torch is built otherwise than expected nothing changes.
    """
    if _COMPILER not in sys.modules and "_dynamo" not in vars(torch):
        vars(torch)["_dynamo"] = _Absent()
    written = [vars(sys.modules[each]) for each in _WRITTEN if each in sys.modules]
    for functions in (vars(torch.optim.Optimizer), *written):
        for function in list(functions.values()):
            import_no_compiler(function)


def import_no_compiler(function: Any) -> None:
    """`leave_out_compiler` for one function of torch, where it, or what it wraps, asks the compiler not to
    look."""
    while callable(function):
        code = getattr(function, "__code__", None)
        if code is not None and code.co_filename.endswith("_compile.py"):
            # What it asks for is in its closure; `__wrapped__` may be set to something else.
            kept = dict(zip(code.co_freevars, function.__closure__ or (), strict=False))
            asked = kept["fn"].cell_contents if "fn" in kept else None
            if callable(asked) and not hasattr(asked, _FOUND):
                setattr(asked, _FOUND, _passed_over(asked))
        function = getattr(function, "__wrapped__", None)


def flop_counter() -> Any:
    """torch's ``FlopCounterMode``, which looks for kernels of Triton only where something has imported that.

    Triton is 75 MB in every process that plans, and counts nothing in networks that call none of its kernels.
    """
    if _COUNTER not in sys.modules and _KERNELS not in sys.modules:
        quiet = logging.getLogger(_COUNTER)
        level = quiet.level
        quiet.setLevel(logging.ERROR)  # it warns of what is meant here
        sys.modules[_KERNELS] = None  # type: ignore[assignment]
        try:
            importlib.import_module(_COUNTER)
        finally:
            del sys.modules[_KERNELS]
            quiet.setLevel(level)
    return importlib.import_module(_COUNTER).FlopCounterMode


class _Absent:
    """Stands for the compiler's module, which it gives way to as soon as anything is wanted of it."""

    # Functional gradients switch compiled backward passes off, which exist only where it is.
    compiled_autograd = SimpleNamespace(_disable=contextlib.nullcontext)

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(_COMPILER), name)


def _passed_over(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        if _COMPILER not in sys.modules:
            return function(*given, **named)
        disable = sys.modules[_COMPILER].disable
        more = {"wrapping": False} if "wrapping" in inspect.signature(disable).parameters else {}
        found = disable(function, True, **more)
        setattr(function, _FOUND, found)
        return found(*given, **named)

    return call
