"""Reading TOML that strangers wrote, and writing it, which Python's library does not."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

__all__ = ["as_toml", "parse_toml"]

# Beyond these Python's library takes minutes, or all memory, and nobody wrote it by hand.
MOST_CHARACTERS = 4_000_000
DEEPEST_KEY = 30
_DEEP_KEY = re.compile(
    # A name in a key, only from its beginning on, and the dot behind it; no step is ever taken back.
    r"""(?:(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+)"""
    f"{{{DEEPEST_KEY}}}"
)
# What is said of a path of Windows in double quotes, where a backslash begins a sign that has no key.
_ESCAPED = re.compile(r"Unescaped '\\|Invalid hex value")


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML text.

    Raises
    ------
    ValueError
        It is none, or takes more than any suite does: the message is for people.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters, more than {MOST_CHARACTERS:,}")
    if deep := _DEEP_KEY.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        raise ValueError(f"a key of more than {DEEPEST_KEY} parts (at line {line})")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except tomllib.TOMLDecodeError as fault:
        if _ESCAPED.match(str(fault)):
            hint = "a path with backslashes stands in single quotes, or is written with /"
            raise ValueError(f"{fault}; {hint}") from None
        raise


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
