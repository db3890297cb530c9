"""Checking an entry: every key computed anew, every number within its range, every point of the grid there.

The same code runs on the submitter's machine, in the leaderboard's checks and before tables are built.
Nothing of an entry is executed; neither plugins nor torch are loaded: a process of its own, which loads the
core alone, says what is installed.
"""

from __future__ import annotations

import collections
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from genbench.base.counting import counted
from genbench.base.errors import InvalidInput
from genbench.base.files import read_text
from genbench.base.names import CORE, fold
from genbench.base.values import Status
from genbench.contract.protocol import TRAINER_VERSION
from genbench.leaderboard.alarms import alarms
from genbench.leaderboard.core_faults import Held
from genbench.leaderboard.entry import Entry, read_entry
from genbench.leaderboard.faults import faults
from genbench.leaderboard.files import shown
from genbench.leaderboard.joining import joining_faults
from genbench.leaderboard.lookalikes import looks_like
from genbench.leaderboard.points import point_of, points_of
from genbench.planning.sameness import differences
from genbench.suites import genbench_suites

__all__ = ["Checked", "check_entry", "installed_suite", "sound_entry", "validate"]

MOST_LINES = 100


@dataclass
class Checked:
    """What was found of an entry.

    Attributes
    ----------
    entry : Entry or None
        None where there is any fault: no part of it is used.
    faults : list of str
        What must not be, a line each.
    missing : list of str
        What the suite asks for and the entry has neither with a value nor with a reason: it is incomplete.
    notes : list of str
        What a reader should know.
    outdated : str
        Why the entry is not of what is installed here, though it may have been when it was made.
    """

    entry: Entry | None
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    outdated: str = ""


def validate(folder: Path, *, allow_incomplete: bool = False, entries: Path | None = None) -> Checked:
    """Check the entry in a folder.

    Parameters
    ----------
    folder : Path
    allow_incomplete : bool
        Let missing points and values pass; the entry will stand below the line.
    entries : Path, optional
        The folder with the entry that it joins, if it joins one; that it lies in itself, where left out.

    Raises
    ------
    InvalidInput
        A line for each fault.
    """
    checked = check_entry(folder)
    problems = [*checked.faults, *([checked.outdated] if checked.outdated else [])]
    if checked.entry is not None and checked.entry.joins:
        problems += joining_faults(checked.entry, _joined(checked.entry, entries or folder.resolve().parent))
    if not allow_incomplete:
        problems += [f"incomplete: {each}" for each in checked.missing]
    if problems:
        raise InvalidInput(problems)
    return checked


def _joined(entry: Entry, entries: Path) -> dict[str, Entry]:
    """The entry that one joins, by its name; nothing where there is none that is sound."""
    if not (entries / entry.joins).is_dir():
        return {}
    found = check_entry(entries / entry.joins).entry
    return {} if found is None else {entry.joins: found}


def check_entry(folder: Path) -> Checked:
    """Check an entry without judging what is missing; whatever the folder holds, this raises nothing."""
    try:
        entry, problems = read_entry(folder)
        held = None
        if entry is not None:
            problems = [*suite_faults(entry), *faults(entry)]
            if not problems:  # what is asked of the installed core is sound then
                held = Held(entry)
                problems = held.faults
    except InvalidInput as fault:
        entry, held, problems = None, None, fault.problems
    if problems or entry is None or held is None:
        more = len(problems) - MOST_LINES
        return Checked(None, problems[:MOST_LINES] + ([f"... and {more:,} faults more"] if more > 0 else []))
    return Checked(
        entry,
        missing=[*_missing(entry), *(() if entry.joins else held.missing)],
        notes=[*_notes(entry), *alarms(entry)],
        outdated=_outdated(entry),
    )


def sound_entry(folder: Path) -> Entry:
    """The entry in a folder, perhaps an incomplete one.

    Raises
    ------
    InvalidInput
        It has a fault, or is of another version of its suite or of the trainer than is installed here.
    """
    checked = check_entry(folder)
    if checked.entry is None or checked.outdated:
        raise InvalidInput(f"{folder}: {each}" for each in checked.faults or [checked.outdated])
    return checked.entry


@lru_cache(maxsize=1)
def _suite_files() -> dict[str, Path]:
    return {each.stem: each for each in genbench_suites()}


def installed_suite(name: str) -> dict[str, Any] | None:
    """The content of a suite that comes with genbench, or None."""
    path = _suite_files().get(name)
    return None if path is None else tomllib.loads(read_text(path))


def suite_faults(entry: Entry) -> Iterator[str]:
    """Whether a suite that goes by the name and version of an installed one is that one."""
    name, version = entry.header["suite"]["name"], entry.header["suite"]["version"]
    if like := looks_like(name, _suite_files()):
        yield f"suite.toml: {shown(name)} can be taken for suite '{like}'; a suite needs a name of its own"
    for each in sorted({line["plugin"] for line in entry.measures.values()}):
        if looks_like(each, [CORE]):
            yield f"measures.jsonl: plugin {shown(each)} can be taken for the core"
    installed = installed_suite(name)
    if installed is None or installed.get("version", 1) != version:
        return
    if differ := differences(installed, entry.suite):
        yield (
            f"suite.toml: is not version {version} of suite '{name}': it differs in "
            f"{', '.join(map(shown, differ))}; a changed suite needs a name of its own"
        )


def _outdated(entry: Entry) -> str:
    name, version = entry.header["suite"]["name"], entry.header["suite"]["version"]
    installed = installed_suite(name)
    if installed is not None and installed.get("version", 1) != version:
        now = installed.get("version", 1)
        return f"suite.toml: is version {version} of suite '{name}'; installed is version {now}"
    trainer = entry.header["trainer"]
    if trainer != TRAINER_VERSION:
        return f"entry.json: trained by version {trainer} of the trainer; installed is {TRAINER_VERSION}"
    return ""


def _missing(entry: Entry) -> list[str]:
    """What the suite asks for and the entry has neither as a value nor with a reason."""
    lines = [] if entry.fits else ["there is no fit at all"]
    if entry.joins:  # the rest is asked of the entry that it joins
        return lines + _without_values(entry)
    points = points_of(entry.suite, entry.header["components"])
    trials = [*entry.fits.values(), *entry.failures.values()]
    if absent := len(points - {point_of(line["trial"]) for line in trials}):
        lines.append(f"{absent:,} of {len(points):,} points of the grid have neither a fit nor a reason")
    lines += _without_values(entry)
    if unknown := _unknown_words(entry):
        lines.append(f"measures that the suite names are not there: {_few(unknown)}")
    return lines


def _without_values(entry: Entry) -> list[str]:
    lines = []
    lacking = {
        name: sum(name not in entry.values.get(key, {}) for key in entry.fits) for name in entry.measures
    }
    whole = sorted(name for name, count in lacking.items() if count and count == len(entry.fits))
    partly = sorted(name for name, count in lacking.items() if 0 < count < len(entry.fits))
    if whole:
        lines.append(f"{counted(len(whole), 'measure')} not computed: {_few(whole)}")
    if partly:
        cells = sum(lacking[name] for name in partly)
        lines.append(f"{counted(cells, 'value')} without a number and a reason, of {_few(partly)}")
    return lines


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(shown, names[:5])) + more


def _unknown_words(entry: Entry) -> list[str]:
    """Measures that the suite names one by one and the entry lacks; groups cannot be told without plugins."""
    words = entry.suite.get("measures", "all")
    named = [_bare(each) for each in ([words] if isinstance(words, str) else words)]
    known = {each for line in entry.measures.values() for each in (*line["aliases"], _bare(line["measure"]))}
    folded = {fold(each) for each in known} | {fold(each.rpartition(":")[2]) for each in known}
    return [
        each
        for each in named
        if each != "all" and not each.startswith(("family:", "cost:")) and fold(each) not in folded
    ]


def _bare(spelling: str) -> str:
    return spelling.partition("[")[0]


def _notes(entry: Entry) -> list[str]:
    notes = []
    name = entry.header["suite"]["name"]
    if installed_suite(name) is None:
        notes.append(f"suite {shown(name)} is the submitter's own: checked against its own suite.toml")
    if entry.failures:
        notes.append(f"{counted(len(entry.failures), 'trial')} without a fit, each with its reason")
    statuses = collections.Counter(
        value["status"]
        for values in entry.values.values()
        for value in values.values()
        if Status(value["status"]).is_fault
    )
    return notes + [
        f"{counted(count, 'value')} without a number: {status}" for status, count in sorted(statuses.items())
    ]
