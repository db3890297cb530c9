"""What a docstring in NumPy style says of one parameter."""

from __future__ import annotations

import re

__all__ = ["parameter_text"]

_PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-{3,}$|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?|\n)*)", re.MULTILINE)


def parameter_text(documentation: str, name: str) -> str:
    """What stands below ``name``, or below several names of which it is one, in one line; may be empty."""
    for section in _PARAMETERS.findall(documentation):
        for head, text in _ENTRY.findall(section):
            if name in head.partition(":")[0].replace(",", " ").split():
                return " ".join(text.split())
    return ""
