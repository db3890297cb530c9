"""How names of components are compared, everywhere."""

from __future__ import annotations

__all__ = ["CORE", "fold", "is_path", "not_a_file_name", "plugin_of"]

CORE = "core"
"""The namespace of the components that come with genbench; their names need no prefix."""


def fold(name: str) -> str:
    """A name as it is looked up: hyphens and underscores are one, and so are capitals and small letters."""
    return name.lower().replace("_", "-")


def plugin_of(full_name: str) -> str:
    """The plugin in a component's full name; empty for the core's, which have no prefix."""
    plugin, colon, _ = full_name.partition(":")
    return plugin if colon else ""


def is_path(word: str) -> bool:
    """Whether a word can only be a path: it has a separator of this or of another system."""
    return "/" in word or "\\" in word


# Names of devices on Windows, in any spelling and with any ending.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
)
_LONGEST = 200


def not_a_file_name(name: str) -> str:
    """What a name should be to name one file or folder on every system; empty where it is."""
    if not name.strip():
        return "must not be empty"
    if any(each in '/\\:*?"<>|' or not each.isprintable() for each in name):
        return 'names a folder: it must hold no / \\ : * ? " < > | and nothing invisible'
    if name != name.strip() or name.startswith((".", "-", "~")) or name.endswith("."):
        return "names a folder: it must not begin with . - ~ or a space, nor end with a dot or a space"
    if name.partition(".")[0].lower() in _DEVICES:
        return "names a folder: it must not be a name that Windows reserves"
    if len(name.encode(errors="replace")) > _LONGEST:
        return f"names a folder: it must have at most {_LONGEST} bytes"
    return ""
