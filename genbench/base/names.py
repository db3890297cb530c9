"""How names of components are compared, everywhere."""

from __future__ import annotations

__all__ = ["CORE", "fold"]

CORE = "core"
"""The namespace of the components that come with genbench; their names need no prefix."""


def fold(name: str) -> str:
    """A name as it is looked up: hyphens and underscores are one, and so are capitals and small letters."""
    return name.lower().replace("_", "-")
