"""Whether parsed JSON has the shape that its reader relies on; quick, for records come in thousands."""

from __future__ import annotations

from typing import Any

__all__ = ["misplaced"]


def misplaced(content: Any, shape: Any) -> str:
    """The place of the first part of some content that has another shape; empty where there is none.

    Parameters
    ----------
    shape : type, tuple, list or dict
        A type; the types or the texts that may stand there; a list of the one shape that all items have; by
        key the shape of what stands there, where ``?`` behind a key says that it may be missing, and the key
        ``*`` is for all that are not named.

    Returns
    -------
    str
        Keys with dots between them, or ``content``.
    """
    found = _fault(content, shape)
    return found.strip(".") or ("content" if found else "")


def _fault(content: Any, shape: Any) -> str:
    kind = type(shape)
    if kind is type:
        # A truth value is an int to Python, and to nobody else.
        return "" if type(content) is shape else "."
    if kind is tuple:
        if isinstance(shape[0], str):
            return "" if isinstance(content, str) and content in shape else "."
        return "" if type(content) in shape else "."
    if kind is list:
        if not isinstance(content, list):
            return "."
        return next((found for each in content if (found := _fault(each, shape[0]))), "")
    if not isinstance(content, dict):
        return "."
    for name, inner in shape.items():
        key = name.removesuffix("?")
        if key == "*":
            others = (_fault(each, inner) for other, each in content.items() if other not in shape)
            if found := next(filter(None, others), ""):
                return f".*{found}"
        elif key not in content:
            if key == name:
                return f".{key}"
        elif type(content[key]) is not inner and (found := _fault(content[key], inner)):
            return f".{key}{found}"
    return ""
