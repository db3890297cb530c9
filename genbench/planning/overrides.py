"""Overrides: ``--set KEY=VALUE``, changing a suite's content before it is checked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from genbench.base.errors import UsageError
from genbench.host.settings import NONE, parse_variant, read_literal
from genbench.planning.grid import AXES, DEFAULT_PROTOCOL

__all__ = ["overridden"]


def overridden(
    content: Mapping[str, Any], override: str, same_regularizer: Callable[[str, str], bool] = str.__eq__
) -> dict[str, Any]:
    """A suite's content with one key changed.

    Parameters
    ----------
    override : str
        ``KEY=VALUE``, the key as axes are named: ``model.width``, ``regularizers.dropout.rate``, ``seeds``.
        It reaches every alternative: ``model.width`` sets the width of all models listed, in all grids.
    same_regularizer : callable
        Whether two names mean the same regularizer: it may have short ones.

    Raises
    ------
    UsageError
        The override is malformed, or its key leads nowhere.
    """
    key, equals, text = override.partition("=")
    *path, last = key.strip().split(".")
    if not equals or not all([*path, last]):
        raise UsageError(f"--set {override}: is not KEY=VALUE")
    changed = copy.deepcopy(dict(content))
    places = _holders(changed, [*path, last][0])
    if path and path[0] == "regularizers":
        if len(path) != 2:
            raise UsageError(f"--set {override}: as in regularizers.dropout.rate=0.1")
        places = [each for place in places for each in _stacked(place, path[1], same_regularizer)]
        if not places:
            raise UsageError(f"--set {override}: the suite has no regularizer '{path[1]}'")
    else:
        for step in path:
            places = [inner for place in places for inner in _alternatives(place, step, override)]
    for place in places:
        place[last] = _without_null(read_literal(text.strip()))
    return changed


def _holders(content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The tables that a key stands in: the file itself, or the [[grid]] tables."""
    tables = content.get("grid")
    if key not in AXES or not isinstance(tables, list):
        return [content]
    found = [each for each in [content, *tables] if isinstance(each, dict) and key in each]
    return found or [content]


def _alternatives(place: dict[str, Any], step: str, override: str) -> list[dict[str, Any]]:
    value = place.setdefault(step, DEFAULT_PROTOCOL if step == "protocol" else {})
    listed = value if isinstance(value, list) else [value]
    listed = [_as_table(each) if isinstance(each, str) else each for each in listed]
    place[step] = listed if isinstance(value, list) else listed[0]
    found = [each for each in listed if isinstance(each, dict)]
    if not found:
        raise UsageError(f"--set {override}: '{step}' holds no keys")
    return found


def _stacked(place: dict[str, Any], name: str, same: Callable[[str, str], bool]) -> list[dict[str, Any]]:
    """Every table of the regularizer of that name."""
    found = []
    for stack in place.get("regularizers", []):
        if isinstance(stack, list):
            stack[:] = [_as_table(each) if isinstance(each, str) else each for each in stack]
            found += [each for each in stack if isinstance(each, dict) and same(str(each.get("name")), name)]
    return found


def _as_table(variant: str) -> dict[str, Any]:
    name, settings = parse_variant(variant)
    return {"name": name, **settings}


def _without_null(value: Any) -> Any:
    """TOML, in which the run folder keeps the suite, has no null."""
    if isinstance(value, list):
        return [_without_null(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_null(each) for key, each in value.items()}
    return NONE if value is None else value
