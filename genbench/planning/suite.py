"""Suites: reading a TOML file whole, with all its faults at once, into grids of components.

A suite knows nothing of data or devices; `genbench.planning.plan` expands it into trials.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from genbench.base.constraints import Count, NonNegative, Threads
from genbench.base.data import SplitSettings
from genbench.base.errors import InvalidInput, Remark, UsageError, nearest
from genbench.base.files import read_text
from genbench.base.names import is_path, not_a_file_name
from genbench.base.toml import parse_toml
from genbench.contract.components import Component, Kind
from genbench.host import Host
from genbench.host.settings import parse_variant
from genbench.host.signatures import field_settings
from genbench.planning.claims import Claim, column_faults, read_claims, with_inherited
from genbench.planning.grid import (
    AXES,
    DEFAULT_PROTOCOL,
    EMPTY,
    LARGEST_SEED,
    Alternative,
    Grid,
    Points,
    as_axes,
    axis_faults,
    check_point,
    repeated_levels,
)
from genbench.planning.keys import PARTS, FileKeys, Limits
from genbench.planning.overrides import overridden

__all__ = ["Limits", "Suite", "load_suite", "read_suite"]


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
    claims: tuple[Claim, ...]
    content: Mapping[str, Any] = field(repr=False)

    @property
    def size(self) -> int:
        """Number of points of all grids, duplicates counted."""
        return sum(each.size for each in self.grids)


def read_suite(name: str, host: Host, overrides: Sequence[str] = (), *, check_measures: bool = True) -> Suite:
    """Find a suite by name or file, and read it.

    Parameters
    ----------
    name : str
        A suite's name, or the path of a TOML file.
    overrides : sequence of str
        ``KEY=VALUE`` as given behind ``--set``.
    check_measures : bool
        Whether the suite's measures must exist; not where others are computed instead.

    Raises
    ------
    UsageError
        No such suite, or a malformed override.
    InvalidInput
        The file is not a valid suite; one line for each fault.
    """
    path = Path(name)
    if path.suffix == ".toml" or is_path(name):
        if path.is_dir():
            raise UsageError(
                f"'{name}' is a folder; a suite is a TOML file{_nearest_file(path / 'suite.toml')}"
            )
        if not path.is_file():
            raise UsageError(f"suite file '{name}' does not exist{_nearest_file(path)}")
        return load_suite(path, host, overrides, check_measures=check_measures)
    known = host.suites()
    if name not in known:
        raise UsageError(f"unknown suite '{name}'{_nearest_file(path, exactly=True) or nearest(name, known)}")
    # A run folder is called after the suite, and a colon has no place in a file's name.
    called = name.replace(":", "-")
    return load_suite(known[name], host, overrides, name=called, check_measures=check_measures)


def _nearest_file(path: Path, *, exactly: bool = False) -> str:
    """A hint at the TOML file beside it that a path may have meant, with the ending forgotten or misspelt."""
    if not path.name or not path.parent.is_dir():
        return ""
    there = {each.name: each for each in path.parent.glob("*.toml")}
    if path.with_name(f"{path.name}.toml").is_file():
        return f"; did you mean '{there[f'{path.name}.toml']}'?"
    hint = "" if exactly else nearest(path.name, there)
    return hint.replace("'", f"'{path.parent}/", 1) if path.parent != Path() else hint


def load_suite(
    path: Path,
    host: Host,
    overrides: Sequence[str] = (),
    name: str | None = None,
    *,
    check_measures: bool = True,
) -> Suite:
    """Read and check one TOML file; see `read_suite`."""
    try:
        text = read_text(path)
    except OSError as fault:
        raise InvalidInput(f"{path}: cannot be read: {fault.strerror}") from None
    except ValueError as fault:
        raise InvalidInput(f"{path}: cannot be read: {fault}") from None
    try:
        content = parse_toml(text)
    except ValueError as fault:
        where = f"line {len(text.splitlines())}, the last one"
        message = str(fault).replace("end of document", where)
        raise InvalidInput(f"{path}: not valid TOML: {message}") from None
    content = with_inherited(content, host.suites(), str(path))
    for override in overrides:
        content = overridden(content, override, host.same_regularizer)
    return _Reader(str(path), host, check_measures).suite(name or content.get("name", path.stem), content)


class _Reader:
    """Collects every problem of one file before any of them is raised."""

    def __init__(self, file: str, host: Host, check_measures: bool = True):
        self.file = file
        self.host = host
        self.check_measures = check_measures
        self.problems: list[str] = []

    def complain(self, where: str, what: str) -> None:
        self.problems.append(f"{self.file}: {where}: {what}" if where else f"{self.file}: {what}")

    def suite(self, name: str, content: Mapping[str, Any]) -> Suite:
        plain = FileKeys(self, content)
        tables = content.get("grid")
        if tables is None:
            grids = [self.grid("", content)]
        elif isinstance(tables, list) and all(isinstance(each, Mapping) for each in tables):
            shared = {key: content[key] for key in AXES if key in content}
            grids = []
            for number, table in enumerate(tables, start=1):
                for key in table:
                    if key not in AXES:
                        self.complain(f"grid {number}", f"unknown key '{key}'{nearest(key, AXES)}")
                grids.append(self.grid(f"grid {number}: ", {**shared, **table}))
        else:
            self.complain("grid", "must be [[grid]] tables")
            grids = []
        called = plain.typed("name", str, name)
        if isinstance(called, str) and (fault := not_a_file_name(called)):
            # A run folder and an entry of the leaderboard are called so.
            self.complain("name", f"{fault}, not {called!r}")
        measures, keep = plain.measures(), plain.keep()
        suite = Suite(
            name=called,
            title=plain.typed("title", str, name),
            version=plain.typed("version", Count, 1),
            grids=tuple(grids),
            measures=measures,
            targets=plain.targets(),
            keep=keep,
            limits=plain.limits(),
            threads=plain.typed("threads", Threads, 1),
            predicted_gpu_hours=plain.typed("predicted_gpu_hours", NonNegative, None),
            notes=plain.typed("notes", str, ""),
            claims=self.claims(content, grids, measures, keep),
            content=dict(content),
        )
        if not tables and tables is not None:
            self.complain("grid", "the grid is empty: there is no [[grid]] table")
        if self.problems:
            raise InvalidInput(self.problems)
        return suite

    def claims(
        self, content: Mapping[str, Any], grids: Sequence[Grid], measures: Any, keep: Sequence[Any]
    ) -> tuple[Claim, ...]:
        claims = read_claims(content.get("claim"), self.complain)
        settings = {name for each in grids for name in each.settings}
        for claim in claims if self.check_measures else ():
            for fault in column_faults(claim, measures, keep, self.host, settings):
                self.complain(f"claim '{claim.id}'", fault)
        return claims

    def grid(self, where: str, content: Mapping[str, Any]) -> Grid:
        parts = {part: self.alternatives(where, part, content.get(part)) for part in PARTS}
        return Grid(
            dataset=parts["dataset"],
            model=parts["model"],
            protocol=parts["protocol"],
            regularizers=self.stacks(where, content.get("regularizers", [[]])),
            seeds=self.seeds(f"{where}seeds", content.get("seeds", 1)),
        )

    def seeds(self, where: str, given: Any) -> Sequence[int]:
        seeds: Sequence[int] = (0,)
        if not (_is_count(given) or (isinstance(given, list) and all(map(_is_count, given)))):
            self.complain(where, f"must be a number of seeds or a list of them, not {given!r}")
        elif (largest := max(given, default=0) if isinstance(given, list) else given) > LARGEST_SEED:
            self.complain(where, f"{largest} is too large; {LARGEST_SEED} is the largest")
        else:
            seeds = tuple(dict.fromkeys(given)) if isinstance(given, list) else range(given)
            self.remark_repeats(where, given if isinstance(given, list) else ())
            if not seeds:
                self.complain(where, EMPTY)
        return seeds

    def remark_repeats(self, where: str, listed: Sequence[Any]) -> None:
        for each in repeated_levels(listed):
            line = f"{self.file}: {where}: {each} is there more than once, and counts once"
            warnings.warn(line, Remark, stacklevel=2)

    def alternatives(self, where: str, part: str, given: Any) -> tuple[Alternative, ...]:
        if given is None:
            if part == "protocol":
                given = DEFAULT_PROTOCOL
            else:
                self.complain(f"{where}{part}", "is missing")
                return ()
        listed = given if isinstance(given, list) else [given]
        if not listed:
            self.complain(f"{where}{part}", EMPTY)
        self.remark_repeats(f"{where}{part}", listed)
        read = (self.alternative(f"{where}{part}", Kind(part), each) for each in listed)
        return tuple(each for each in read if each is not None)

    def stacks(self, where: str, given: Any) -> tuple[tuple[Alternative, ...], ...]:
        if not isinstance(given, list) or not all(isinstance(each, list) for each in given):
            self.complain(
                f"{where}regularizers", 'must be a list of alternatives, each a list, as in [[], ["dropout"]]'
            )
            return ((),)
        if not given:
            self.complain(f"{where}regularizers", f"{EMPTY}; [[]] means no regularizer")
        self.remark_repeats(f"{where}regularizers", given)
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
        return Alternative(component, self.points(f"{where} '{name}'", component, values))

    def points(self, where: str, component: Component, values: Mapping[str, Any]) -> Points:
        if component.kind is Kind.DATASET:
            # A data set also takes the sizes of its splits and its normalization.
            component = replace(component, settings={**component.settings, **field_settings(SplitSettings)})
        axes = as_axes(component, values)
        faults = axis_faults(component, axes)
        for fault in faults:
            self.complain(where, fault)
        for name, levels in axes.items():
            self.remark_repeats(f"{where}: {name}", levels)

        def complete(given: Mapping[str, Any]) -> Mapping[str, Any]:
            settings, problems = check_point(component, given)
            if problems:
                raise InvalidInput(f"{self.file}: {where}: {each}" for each in problems)
            return settings

        points = Points(axes, complete)
        if not faults:
            try:
                points.check()
            except InvalidInput as fault:
                self.problems += fault.problems
        return points


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
