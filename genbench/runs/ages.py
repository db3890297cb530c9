"""Which code a value was computed by, and which of several codes is the newest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from genbench.base.names import CORE

__all__ = ["Age", "age", "newest_ages"]

Age = tuple[int, str]
"""The declared version of a measure, and for a plugin's the package and hash of its code."""


def age(value: Mapping[str, Any]) -> Age:
    """The age of a value, from its record; core measures go by their declared versions alone."""
    if value["plugin"] == CORE:
        return value["version"], ""
    return value["version"], value.get("code") or value.get("source", "")


def newest_ages(values: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Age]:
    """Of each measure the age that counts: the highest version, of equal ones the one computed last.

    Parameters
    ----------
    values : iterable of (time, value)
    """
    newest: dict[str, tuple[int, str, Age]] = {}
    for time, value in values:
        found = (value["version"], time, age(value))
        newest[value["measure"]] = max(found, newest.get(value["measure"], found))
    return {name: each for name, (_, _, each) in newest.items()}
