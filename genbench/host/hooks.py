"""The functions of a plugin's module that are hooks, and what an author writes by mistake in them."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

from genbench.base.errors import nearest
from genbench.contract import hookspecs

__all__ = ["hook_arguments", "hook_functions", "hook_mistakes"]


def hook_mistakes(module: types.ModuleType) -> list[str]:
    """A line for each function that is named like a hook but is none, or takes what the hook has not."""
    known = {name: each for name, each in vars(hookspecs).items() if name.startswith("genbench_")}
    wrong = []
    for name, each in hook_functions(module).items():
        if name not in known:
            wrong.append(f"unknown hook '{name}'{nearest(name, known)}")
            continue
        given = hook_arguments(known[name])
        if inspect.iscoroutinefunction(each) or (given and inspect.isgeneratorfunction(each)):
            wrong.append(f"hook '{name}' is a coroutine or a generator: calling it runs none of its code")
        wrong += [
            f"hook '{name}' has no argument '{taken}'{nearest(taken, given)}"
            for taken in hook_arguments(each)
            if taken not in given
        ]
    return wrong


def hook_functions(module: types.ModuleType) -> dict[str, Callable[..., Any]]:
    """The functions of a module that are hooks by their names."""
    return {
        name: each
        for name, each in vars(module).items()
        if name.startswith("genbench_") and inspect.isfunction(each)
    }


def hook_arguments(function: Callable[..., Any]) -> list[str]:
    """The arguments that a hook's implementation asks for; what has a default is its own affair."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        name
        for name, each in inspect.signature(function).parameters.items()
        if each.kind in named and each.default is each.empty
    ]
