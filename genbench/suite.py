"""Suites: reading a TOML file whole, with all its faults at once, into grids of components.

A suite knows nothing of data or devices; `genbench.plan` expands it into trials.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from genbench.canonical import digest
from genbench.components import Component, Kind, field_settings
from genbench.constraints import Count, NonNegative, Positive
from genbench.data import SplitSettings
from genbench.errors import InvalidInput, UsageError, nearest
from genbench.host import Host
from genbench.settings import check, parse_variant, read_literal

__all__ = ["Alternative", "Grid", "Limits", "Suite", "as_toml", "load_suite", "read_suite"]

TARGETS = ("gap", "test_error", "loss_gap")
PARTS = ("dataset", "model", "protocol")


@dataclass(frozen=True)
class Limits:
    """Time limits in seconds; they never enter a key.

    Attributes
    ----------
    training_seconds : float
        One fit. Training ends by itself with the stop reason ``timeout``.
    component_seconds : float
        One probe or measure. The worker is killed and the value recorded as ``timeout``.
    """

    training_seconds: Positive = 86_400.0
    component_seconds: Positive = 600.0


@dataclass(frozen=True)
class Alternative:
    """One component with the values that each of its settings takes, and its full settings for each point."""

    component: Component
    points: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Grid:
    """A product of alternatives; `regularizers` holds one tuple of components for each alternative."""

    dataset: tuple[Alternative, ...]
    model: tuple[Alternative, ...]
    protocol: tuple[Alternative, ...]
    regularizers: tuple[tuple[Alternative, ...], ...]
    seeds: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of points, seeds included."""
        parts = [sum(len(each.points) for each in part) for part in (self.dataset, self.model, self.protocol)]
        stacks = sum(math.prod(len(each.points) for each in stack) for stack in self.regularizers)
        return math.prod(parts) * stacks * len(self.seeds)


@dataclass(frozen=True)
class Suite:
    """A suite that has been checked against the components of a host."""

    name: str
    title: str
    version: int
    grids: tuple[Grid, ...]
    measures: tuple[str, ...] | Literal["all"]
    targets: tuple[str, ...]
    keep: tuple[str | Mapping[str, Any], ...]
    limits: Limits
    threads: int
    predicted_gpu_hours: float | None
    notes: str
    content: Mapping[str, Any] = field(repr=False)

    @property
    def size(self) -> int:
        """Number of points of all grids, duplicates counted."""
        return sum(each.size for each in self.grids)

    @property
    def snapshots(self) -> int:
        """How many weights along training are kept beside the named ones."""
        return next((each["snapshots"] for each in self.keep if isinstance(each, Mapping)), 0)

    @property
    def identity(self) -> str:
        """What makes two suites the same: everything in the file but the wording."""
        wording = ("title", "notes", "predicted_gpu_hours")
        return digest({key: value for key, value in self.content.items() if key not in wording})


def read_suite(name: str, host: Host, overrides: Sequence[str] = ()) -> Suite:
    """Find a suite by name or file, and read it.

    Parameters
    ----------
    name : str
        A suite's name, or the path of a TOML file.
    overrides : sequence of str
        ``KEY=VALUE`` as given behind ``--set``.

    Raises
    ------
    UsageError
        No such suite, or a malformed override.
    InvalidInput
        The file is not a valid suite; one line for each fault.
    """
    path = Path(name)
    if path.suffix == ".toml" or "/" in name:
        if not path.is_file():
            raise UsageError(f"suite file '{name}' does not exist")
        return load_suite(path, host, overrides)
    known = host.suites()
    if name not in known:
        raise UsageError(f"unknown suite '{name}'{nearest(name, known)}")
    return load_suite(known[name], host, overrides, name=name)


def load_suite(path: Path, host: Host, overrides: Sequence[str] = (), name: str | None = None) -> Suite:
    """Read and check one TOML file; see `read_suite`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as fault:
        raise InvalidInput(f"{path}: not valid TOML: {fault}") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise InvalidInput(f"{path}: cannot be read: {fault}") from None
    for override in overrides:
        content = _override(content, override)
    return _Reader(str(path), host).suite(name or path.stem, content)


def _override(content: Mapping[str, Any], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {override}: is not KEY=VALUE")
    changed = copy.deepcopy(dict(content))
    *path, last = key.strip().split(".")
    places: list[dict[str, Any]] = [changed]
    for step in path:
        # A key reaches every alternative of a list: model.width sets the width of all models listed.
        places = [inner for place in places for inner in _descend(place, step, override)]
    for place in places:
        place[last] = read_literal(text.strip())
    return changed


def _descend(place: dict[str, Any], step: str, override: str) -> list[dict[str, Any]]:
    value = place.setdefault(step, {})
    if isinstance(value, str):
        value = place[step] = {"name": value}
    if isinstance(value, list):
        value[:] = [{"name": each} if isinstance(each, str) else each for each in value]
    found = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
    if not found:
        raise UsageError(f"--set {override}: '{step}' holds no keys")
    return found


class _Reader:
    """Collects every problem of one file before any of them is raised."""

    def __init__(self, file: str, host: Host):
        self.file = file
        self.host = host
        self.problems: list[str] = []

    def complain(self, where: str, what: str) -> None:
        self.problems.append(f"{self.file}: {where}: {what}" if where else f"{self.file}: {what}")

    def suite(self, name: str, content: Mapping[str, Any]) -> Suite:
        plain = _FileKeys(self, content)
        tables = content.get("grid")
        if tables is None:
            grids = [self.grid("", content)]
        elif isinstance(tables, list) and all(isinstance(each, Mapping) for each in tables):
            shared = {key: content[key] for key in (*PARTS, "regularizers", "seeds") if key in content}
            grids = []
            for number, table in enumerate(tables, start=1):
                for key in table.keys() - {*PARTS, "regularizers", "seeds"}:
                    self.complain(f"grid {number}", f"unknown key '{key}'{nearest(key, PARTS)}")
                grids.append(self.grid(f"grid {number}: ", {**shared, **table}))
        else:
            self.complain("grid", "must be [[grid]] tables")
            grids = []
        measures = plain.measures()
        suite = Suite(
            name=name,
            title=plain.typed("title", str, name),
            version=plain.typed("version", Count, 1),
            grids=tuple(grids),
            measures=measures,
            targets=plain.targets(),
            keep=plain.keep(),
            limits=plain.limits(),
            threads=plain.typed("threads", Count, 1),
            predicted_gpu_hours=plain.typed("predicted_gpu_hours", NonNegative, None),
            notes=plain.typed("notes", str, ""),
            content=dict(content),
        )
        if not self.problems and not suite.size:
            self.complain("", "the grid is empty: some axis has no values")
        if self.problems:
            raise InvalidInput(self.problems)
        return suite

    def grid(self, where: str, content: Mapping[str, Any]) -> Grid:
        parts = {part: self.alternatives(where, part, content.get(part)) for part in PARTS}
        seeds = content.get("seeds", 1)
        if isinstance(seeds, int) and not isinstance(seeds, bool) and seeds >= 0:
            seeds = list(range(seeds))
        whole = isinstance(seeds, list) and all(
            isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in seeds
        )
        if not whole:
            self.complain(f"{where}seeds", f"must be a number of seeds or a list of them, not {seeds!r}")
            seeds = [0]
        return Grid(
            dataset=parts["dataset"],
            model=parts["model"],
            protocol=parts["protocol"],
            regularizers=self.stacks(where, content.get("regularizers", [[]])),
            seeds=tuple(dict.fromkeys(seeds)),
        )

    def alternatives(self, where: str, part: str, given: Any) -> tuple[Alternative, ...]:
        if given is None:
            if part == "protocol":
                given = "interpolate"
            else:
                self.complain(f"{where}{part}", "is missing")
                return ()
        listed = given if isinstance(given, list) else [given]
        read = (self.alternative(f"{where}{part}", Kind(part), each) for each in listed)
        return tuple(each for each in read if each is not None)

    def stacks(self, where: str, given: Any) -> tuple[tuple[Alternative, ...], ...]:
        if not isinstance(given, list) or not all(isinstance(each, list) for each in given):
            self.complain(
                f"{where}regularizers", 'must be a list of alternatives, each a list, as in [[], ["dropout"]]'
            )
            return ((),)
        stacks = []
        for stack in given:
            read = [self.alternative(f"{where}regularizers", Kind.REGULARIZER, each) for each in stack]
            stacks.append(tuple(each for each in read if each is not None))
        return tuple(stacks)

    def alternative(self, where: str, kind: Kind, given: Any) -> Alternative | None:
        if isinstance(given, str):
            try:
                name, values = parse_variant(given)
            except InvalidInput as fault:
                self.complain(where, str(fault))
                return None
        elif isinstance(given, Mapping) and isinstance(given.get("name"), str):
            name, values = given["name"], {key: value for key, value in given.items() if key != "name"}
        else:
            self.complain(where, f"must be a name or a table with a name, not {given!r}")
            return None
        try:
            component = self.host.find(kind, name)
        except InvalidInput as fault:
            self.complain(where, str(fault))
            return None
        return Alternative(component, tuple(self.points(f"{where} '{name}'", component, values)))

    def points(self, where: str, component: Component, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if component.kind is Kind.DATASET:
            # A data set also takes the sizes of its splits and its normalization.
            component = replace(component, settings={**component.settings, **field_settings(SplitSettings)})
        settings = component.settings
        axes = {
            name: value if _is_axis(settings.get(name), value) else [value] for name, value in values.items()
        }
        faults: dict[str, None] = {}
        points = []
        for combination in _each_value_once(axes):
            _, problems = check(component, combination)
            faults.update(dict.fromkeys(problems))
        if not faults:
            for combination in itertools.product(*axes.values()):
                complete, problems = check(component, dict(zip(axes, combination, strict=True)))
                if component.kind in (Kind.PROTOCOL, Kind.REGULARIZER):
                    problems += _constructible(component, complete)
                faults.update(dict.fromkeys(problems))
                points.append(complete)
                if faults:
                    break
        for fault in faults:
            self.complain(where, fault)
        yield from points


def _each_value_once(axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Enough combinations to see every value of every axis: their number is that of the longest axis."""
    longest = max((len(each) for each in axes.values()), default=1)
    if any(not each for each in axes.values()):
        return
    for index in range(max(longest, 1)):
        yield {name: each[min(index, len(each) - 1)] for name, each in axes.items()}


def _constructible(component: Component, settings: Mapping[str, Any]) -> list[str]:
    try:
        component.object(**settings)
    except (ValueError, InvalidInput) as fault:
        return [str(fault)]
    return []


def _is_axis(known: Any, value: Any) -> bool:
    """A list is an axis, unless the setting itself is a list; then a list of lists is."""
    if not isinstance(value, list):
        return False
    annotation = getattr(known, "annotation", None)
    nested = any(
        get_origin(each) in (list, tuple) for each in (annotation, *get_args(annotation))
    ) or annotation in (list, tuple)
    return all(isinstance(each, list) for each in value) if nested and value else not nested


class _FileKeys:
    """The keys of a suite that are no grid: checked one by one, faults collected by the reader."""

    KEYS = (
        "name", "title", "version", *PARTS, "regularizers", "seeds", "grid", "measures", "targets", "keep",
        "limits", "threads", "predicted_gpu_hours", "notes",
    )  # fmt: skip

    def __init__(self, reader: _Reader, content: Mapping[str, Any]):
        self.reader = reader
        self.content = content
        for key in content:
            if key not in self.KEYS:
                reader.complain("", f"unknown key '{key}'{nearest(key, self.KEYS)}")

    def typed(self, key: str, annotation: Any, default: Any, content: Mapping[str, Any] | None = None) -> Any:
        from pydantic import TypeAdapter, ValidationError

        content = self.content if content is None else content
        if key not in content:
            return default
        try:
            return TypeAdapter(annotation).validate_json(json.dumps(content[key], default=str), strict=True)
        except ValidationError as fault:
            message = fault.errors()[0]["msg"].replace("Input should be", "should be")
            self.reader.complain(key, f"{message}, not {content[key]!r}")
            return default

    def measures(self) -> tuple[str, ...] | Literal["all"]:
        given = self.content.get("measures", "all")
        if given == "all":
            return "all"
        words = self.typed("measures", list[str], [])
        return tuple(words) if words else "all"

    def targets(self) -> tuple[str, ...]:
        targets = self.typed("targets", list[str], ["gap"])
        for each in targets:
            if each not in TARGETS:
                self.reader.complain("targets", f"unknown target '{each}'{nearest(each, TARGETS)}")
        return tuple(targets)

    def keep(self) -> tuple[str | Mapping[str, Any], ...]:
        words = ("initial", "final", "milestones")
        given = self.content.get("keep", ["initial", "final"])
        kept: list[str | Mapping[str, Any]] = []
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, Mapping) and set(each) == {"snapshots"}:
                kept.append({"snapshots": self.typed("snapshots", Count, 1, each)})
            elif isinstance(each, str) and each in words:
                kept.append(each)
            else:
                hint = nearest(each, words) if isinstance(each, str) else ""
                self.reader.complain("keep", f"takes {', '.join(words)} and {{ snapshots = N }}, not {each!r}{hint}")
        return tuple(kept)

    def limits(self) -> Limits:
        given = self.content.get("limits", {})
        if not isinstance(given, Mapping):
            self.reader.complain("limits", f"must be a table, not {given!r}")
            return Limits()
        for key in given.keys() - set(Limits.__dataclass_fields__):
            self.reader.complain("limits", f"unknown key '{key}'{nearest(key, Limits.__dataclass_fields__)}")
        return Limits(
            training_seconds=self.typed("training_seconds", Positive, Limits.training_seconds, given),
            component_seconds=self.typed("component_seconds", Positive, Limits.component_seconds, given),
        )


def as_toml(content: Mapping[str, Any]) -> str:
    """A suite's content as TOML, one line a key: what a run folder keeps of it."""
    return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in content.items())


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)
