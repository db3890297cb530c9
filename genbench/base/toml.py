"""Writing TOML, which Python's library only reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["as_toml"]


def as_toml(content: Mapping[str, Any]) -> str:
    """A suite's content as TOML, one line a key: what a run folder keeps of it."""
    return "".join(f"{_toml(key)} = {_toml(value)}\n" for key, value in content.items())


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    # A text is written as in JSON, but for one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
