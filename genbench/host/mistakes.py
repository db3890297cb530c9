"""What an author writes by mistake in a class: a method by a near name, or one that is called otherwise."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from genbench.contract.jobs import Executor

__all__ = ["executor_mistakes", "field_mistakes", "method_mistakes"]

# A helper of the author's own is rarely as near to a method's name as this; a slip of the keys is.
_NEAR = 0.75

# Shorter names differ in a letter by intention: delay and decay.
_TOLD_APART = 8


def method_mistakes(target: type, base: type) -> list[str]:
    """A line for each method of a class that was meant to override one of its base and does not.

    Parameters
    ----------
    target : type
        The declared class.
    base : type
        `genbench.Regularizer` or `genbench.Protocol`.
    """
    known = {name: each for name, each in vars(base).items() if _is_method(name, each)}
    found = []
    for name, each in _own_methods(target, base):
        if name in known:
            found += _signature_mistake(name, each, known[name])
        elif near := difflib.get_close_matches(name, known, n=1, cutoff=_NEAR):
            found.append(f"genbench.{base.__name__} has no method '{name}'; did you mean '{near[0]}'?")
    return found


def field_mistakes(target: type) -> list[str]:
    """A line for each attribute of a dataclass that was meant to be a default, or names, and is not.

    A class may have settings of its own; one that is an inherited one but for a slip of the keys is none.
    """
    bases = [each for each in target.__mro__[1:] if dataclasses.is_dataclass(each)]
    inherited = {field.name for each in bases for field in dataclasses.fields(each)}
    own = inspect.get_annotations(target)
    found = [
        f"'{name}' has no annotation and is no default: write '{name}: TYPE = ...'"
        for name in vars(target)
        if name in inherited and name not in own
    ]
    for name in (each.name for each in dataclasses.fields(target) if each.name in own.keys() - inherited):
        if meant := next((each for each in sorted(inherited) if _is_slip(name, each)), None):
            found.append(f"'{name}' would be a setting of its own; did you mean '{meant}'?")
    captures = vars(target).get("captures")
    if isinstance(captures, str):
        found.append(f"captures is a tuple of names, not {captures!r}")
    return found


def executor_mistakes(target: Any) -> list[str]:
    """A line for each thing that an executor lacks, or that is called otherwise than the runner does."""
    if not inspect.isclass(target):
        return ["an executor is a class"]
    found = []
    for name, expected in vars(Executor).items():
        if not _is_method(name, expected):
            continue
        own = getattr(target, name, None)
        if own is None:
            near = difflib.get_close_matches(name, dir(target), n=1, cutoff=_NEAR)
            found.append(
                f"it has no method '{name}'" + (f"; did you mean '{near[0]}' by it?" if near else "")
            )
        elif inspect.isfunction(own):
            found += _signature_mistake(name, own, expected)
    # As genbench makes it: one for this machine with its devices, one of a cluster with what was asked for.
    names = ("device", "workers", "say") if getattr(target, "remote", False) else ("devices",)
    try:
        inspect.signature(target).bind(**dict.fromkeys(names))
    except TypeError:
        found.append(f"it cannot be made with {', '.join(f'{name}=' for name in names)}")
    return found


def _own_methods(target: type, base: type) -> Iterator[tuple[str, Any]]:
    """What the class and its bases below `base` define, functions only, dataclass machinery left out."""
    for each in target.__mro__:
        if each is base:
            return
        for name, value in vars(each).items():
            if _is_method(name, value):
                yield name, value


def _is_method(name: str, each: Any) -> bool:
    return inspect.isfunction(each) and not name.startswith("_")


def _is_slip(name: str, meant: str) -> bool:
    """Whether a letter of `meant` is wrong, missing, doubled or out of place; a longer name is another's."""
    if len(meant) < _TOLD_APART or name.startswith(meant):
        return False
    blocks = difflib.SequenceMatcher(None, name, meant, autojunk=False).get_matching_blocks()
    return max(len(name), len(meant)) - sum(each.size for each in blocks) <= 1


def _signature_mistake(name: str, own: Any, expected: Any) -> list[str]:
    """Whether a method can be called as the one that it overrides is."""
    wanted = [each for each in inspect.signature(expected).parameters if each != "self"]
    try:
        inspect.signature(own).bind("self", *wanted)
    except TypeError:
        shown = ", ".join(["self", *wanted])
        given = ", ".join(map(str, inspect.signature(own).parameters.values()))
        return [f"method '{name}' is called with ({shown}), and takes ({given})"]
    return []
