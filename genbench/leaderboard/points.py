"""The points of a suite's grid, from what an entry declares of its components; knows no torch, no plugins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from genbench.base.canonical import canonical_json
from genbench.base.data import SplitSettings
from genbench.base.errors import InvalidInput
from genbench.contract.protocol import with_neutral
from genbench.host.settings import NONE, parse_variant
from genbench.planning.grid import AXES, DEFAULT_PROTOCOL, is_axis
from genbench.planning.plan import LARGEST_GRID

__all__ = ["point_of", "points_of"]

SPLITS = {each.name: each.default for each in fields(SplitSettings)}

Point = tuple[str, ...]


def point_of(trial: Mapping[str, Any]) -> Point:
    """What tells a trial from the others of its suite: components and their settings, splits, the seed."""
    stack = [_text(each["name"], each["settings"]) for each in trial["regularizers"]]
    return (
        _text(trial["dataset"]["name"], {**trial["dataset"]["settings"], **SPLITS, **trial["splits"]}),
        _text(trial["model"]["name"], trial["model"]["settings"]),
        _text(trial["protocol"]["name"], with_neutral(trial["protocol"]["settings"])),
        canonical_json(stack),
        str(trial["seed"]),
    )


def points_of(suite: Mapping[str, Any], declared: Sequence[Mapping[str, Any]]) -> set[Point]:
    """All points of a suite's grid.

    Parameters
    ----------
    suite : dict
        The content of its file.
    declared : list of dict
        For each component ``kind, name, spelled, defaults, lists``: how the suite spells it, its defaults,
        and which of its settings are lists themselves.

    Raises
    ------
    InvalidInput
        The grid cannot be read, or has more than a million points.
    """
    expansion = _Expansion(declared)
    tables = suite.get("grid", [{}])
    if not isinstance(tables, list) or not all(isinstance(each, Mapping) for each in tables):
        raise InvalidInput("grid: must be [[grid]] tables")
    shared = {key: suite[key] for key in AXES if key in suite}
    found: set[Point] = set()
    total = 0
    for table in tables:
        grid = {**shared, **table}
        parts = [
            list(expansion.alternatives("dataset", grid.get("dataset"))),
            list(expansion.alternatives("model", grid.get("model"))),
            list(expansion.alternatives("protocol", grid.get("protocol", DEFAULT_PROTOCOL))),
            list(expansion.stacks(grid.get("regularizers", [[]]))),
            [str(each) for each in _seeds(grid.get("seeds", 1))],
        ]
        total += math.prod(len(part) for part in parts)
        _check_size(total)
        found.update(itertools.product(*parts))
    return found


def _check_size(size: int) -> None:
    if size > LARGEST_GRID:
        raise InvalidInput(f"the grid has {size:,} points, more than {LARGEST_GRID:,}")


def _seeds(given: Any) -> Iterable[int]:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        _check_size(given)
        return range(given)
    if isinstance(given, list) and all(
        isinstance(each, int) and not isinstance(each, bool) for each in given
    ):
        return given
    raise InvalidInput("seeds: must be a number of seeds or a list of them")


class _Expansion:
    def __init__(self, declared: Sequence[Mapping[str, Any]]):
        self._made = 0
        self._known = {
            (each["kind"], spelled): each for each in declared for spelled in (each["name"], *each["spelled"])
        }

    def made(self, count: int) -> None:
        """Count what all tables together have to be expanded to, before it is."""
        self._made += count
        _check_size(self._made)

    def stacks(self, given: Any) -> Iterator[str]:
        if not isinstance(given, list) or not all(isinstance(each, list) for each in given):
            raise InvalidInput("regularizers: must be a list of alternatives, each a list")
        for stack in given:
            texts = [list(self.alternatives("regularizer", each)) for each in stack]
            self.made(math.prod(len(each) for each in texts))
            for combination in itertools.product(*texts):
                yield canonical_json(list(combination))

    def alternatives(self, kind: str, given: Any) -> Iterator[str]:
        """The texts of all points of one part of the grid."""
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, str):
                name, values = parse_variant(each)
            elif isinstance(each, Mapping) and isinstance(each.get("name"), str):
                name, values = each["name"], {key: value for key, value in each.items() if key != "name"}
            else:
                raise InvalidInput(f"{kind}: must be a name or a table with a name")
            known = self._known.get((kind, name))
            if known is None:
                raise InvalidInput(f"{kind} '{name}': entry.json does not declare it")
            yield from self._points(known, values)

    def _points(self, known: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
        defaults = dict(known["defaults"])
        if known["kind"] == "dataset":
            defaults |= SPLITS
        elif known["kind"] == "protocol":
            defaults = with_neutral(defaults)
        axes = {
            name: value if is_axis(value, of_a_list=name in known["lists"]) else [value]
            for name, value in values.items()
        }
        _check_size(math.prod(len(each) for each in axes.values()))
        self.made(math.prod(len(each) for each in axes.values()))
        for combination in itertools.product(*axes.values()):
            given = dict(zip(axes, combination, strict=True))
            yield _text(known["name"], {**defaults, **given})


def _text(name: str, settings: Mapping[str, Any]) -> str:
    # A suite writes None as a word, for TOML has none.
    plain = {key: NONE if value is None else value for key, value in settings.items()}
    return canonical_json([name, plain])
