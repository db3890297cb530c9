"""Types of settings as plain data and back, so that a process can check settings whose code it never imports.

A type that no plain data describe is kept as its text, and whoever has the code is asked what it allows.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types

__all__ = ["OtherType", "as_type", "in_plain_data", "is_plain"]

_SIMPLE: Mapping[str, Any] = {
    "anything": Any, "none": types.NoneType, "bool": bool, "int": int, "float": float, "str": str,
    "list": list, "tuple": tuple, "dict": dict,
}  # fmt: skip
_CONTAINERS: Mapping[str, Any] = {"list": list, "tuple": tuple, "dict": dict}
_BOUNDS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "gt": (annotated_types.Gt, "gt"),
    "ge": (annotated_types.Ge, "ge"),
    "lt": (annotated_types.Lt, "lt"),
    "le": (annotated_types.Le, "le"),
    "multiple_of": (annotated_types.MultipleOf, "multiple_of"),
    "min_length": (annotated_types.MinLen, "min_length"),
    "max_length": (annotated_types.MaxLen, "max_length"),
}
_DEEPEST = 20


class OtherType:
    """A type that is known to code elsewhere only.

    Parameters
    ----------
    name : str
        As cards show it.
    check : callable
        Takes a value, returns it as a setting; raises ValueError where it is none.
    """

    def __init__(self, name: str, check: Callable[[Any], Any]):
        self.__name__ = name
        self.check = check

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OtherType) and self.__name__ == other.__name__

    def __hash__(self) -> int:
        return hash(self.__name__)

    def __str__(self) -> str:
        return self.__name__


class _NoPlainData(Exception):
    """The type is described by its code alone."""


def in_plain_data(annotation: Any) -> Any:
    """What `as_type` makes the same type of; ``{"other": TEXT}`` where plain data do not suffice."""
    try:
        return _described(annotation)
    except _NoPlainData:
        return {"other": str(getattr(annotation, "__name__", annotation))}


def is_plain(annotation: Any) -> bool:
    """Whether plain data suffice to tell the type."""
    try:
        _described(annotation)
    except _NoPlainData:
        return False
    return True


def _described(annotation: Any) -> Any:
    for name, each in _SIMPLE.items():
        if annotation is each:
            return name
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return {"annotated": _described(parts[0]), "bounds": [_bound(each) for each in parts[1:]]}
    if origin is Literal and all(type(each) in (str, int, bool, float, types.NoneType) for each in parts):
        return {"literal": list(parts)}
    if origin in (Union, types.UnionType):
        return {"union": [_described(each) for each in parts]}
    for name, each in _CONTAINERS.items():
        if origin is each:
            return {name: ["..." if part is ... else _described(part) for part in parts]}
    raise _NoPlainData


def _bound(mark: Any) -> list[Any]:
    for name, (made, field) in _BOUNDS.items():
        limit = getattr(mark, field, None)
        if type(mark) is made and type(limit) in (int, float):
            return [name, limit]
    raise _NoPlainData


def as_type(described: Any, check: Callable[[Any], Any], depth: int = 0) -> Any:
    """The type that plain data describe.

    Parameters
    ----------
    check : callable
        For a type that they do not, see `OtherType`.

    Raises
    ------
    ValueError
        They describe none.
    """
    if isinstance(described, str) and described in _SIMPLE:
        return _SIMPLE[described]
    if not isinstance(described, dict) or depth > _DEEPEST:
        raise ValueError("no type is described so")
    (kind, parts), *more = described.items()
    if kind == "other" and isinstance(parts, str):
        return OtherType(parts[:200], check)
    if kind == "annotated" and more:
        bounds = [_BOUNDS[name][0](limit) for name, limit in described["bounds"]]
        return Annotated[(as_type(parts, check, depth + 1), *bounds)]
    if not isinstance(parts, list) or not parts:
        raise ValueError("no type is described so")
    if kind == "literal":
        return Literal[tuple(parts)]
    inner = tuple(... if each == "..." else as_type(each, check, depth + 1) for each in parts)
    if kind == "union":
        return typing.Union[inner]  # noqa: UP007  (made at run time, of any number)
    return _CONTAINERS[kind][inner if len(inner) > 1 else inner[0]]
