"""Building the leaderboard: every rank computed anew from the records of the entries."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import InvalidInput
from genbench.base.files import as_json, unwritable, write_atomically
from genbench.base.names import CORE
from genbench.leaderboard.across import Ranked, across, newest
from genbench.leaderboard.alarms import ALARM
from genbench.leaderboard.badges import Badge, badge, trust
from genbench.leaderboard.entry import Entry
from genbench.leaderboard.files import shown
from genbench.leaderboard.joining import group_of, joining_faults, rival_faults
from genbench.leaderboard.pool import Pooled, pool
from genbench.leaderboard.sources import sources
from genbench.leaderboard.validate import Checked, check_entry, installed_suite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genbench.ranking import Board

__all__ = ["FORMAT", "build", "read_leaderboard"]

FORMAT = 1
"""Raised when a key of ``leaderboard.json`` changes its meaning."""

ENTRY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MOST_ENTRIES = 1_000


def build(root: Path, *, bootstrap: int = 1000) -> dict[str, Any]:
    """Check all entries below ``ROOT/entries`` and write the tables and the page beside that folder.

    Returns
    -------
    dict
        What ``leaderboard.json`` holds; see `read_leaderboard`.

    Raises
    ------
    InvalidInput
        An entry has a fault: a line for each, and nothing is written.
    """
    from genbench.leaderboard.markdown import as_markdown
    from genbench.leaderboard.page import as_page

    content = read_leaderboard(root, bootstrap=bootstrap)
    for name, text in {
        "README.md": as_markdown(content).encode(),
        "leaderboard.csv": _as_csv(content).encode(),
        "leaderboard.json": as_json(content),
        "index.html": as_page(content).encode(),
    }.items():
        try:
            write_atomically(root / name, text)
        except OSError as fault:
            raise unwritable(root / name, fault) from None
    return content


def read_leaderboard(root: Path, *, bootstrap: int = 1000) -> dict[str, Any]:
    """The leaderboard of the entries below ``ROOT/entries``, in plain data.

    Returns
    -------
    dict
        ``format``; ``across``, what `genbench.leaderboard.across` finds over genbench's own suites, each in
        the newest version that has entries, None where there is one at most; ``tables``, one for each suite
        and version, suites by name, the newest version first: with ``suite, version, title, own, superseded,
        entries`` (the complete ones), ``targets`` (for each the standing of
        `genbench.report.standing.standing`, or why there is none),
        ``measures``, ``data``, ``notes``, and ``below``, the incomplete entries, each with its reasons and a
        standing by its own fits alone.
    """
    checked = _checked(root)
    groups: dict[tuple[Any, ...], list[Checked]] = {}
    for each in checked:
        assert each.entry is not None
        groups.setdefault(group_of(each.entry), []).append(each)
    badges = {each.entry.name: badge(each.entry, root) for each in checked if each.entry is not None}
    found = [_table(each, badges, bootstrap) for each in groups.values()]
    found.sort(key=lambda each: tuple(each[0][key] for key in ("suite", "version", "own", "identity")))
    tables = sorted(
        (table for table, _ in found),
        key=lambda each: (each["suite"], -each["version"], each["own"], each["identity"]),
    )
    return {"format": FORMAT, "across": across(*newest(found)), "tables": tables}


def _checked(root: Path) -> list[Checked]:
    folder = root / "entries"
    if not folder.is_dir() or folder.is_symlink():
        raise InvalidInput(f"'{folder}': is no folder; a leaderboard keeps its entries there")
    paths = sorted(each for each in folder.iterdir() if each.name[0] != "." and not each.is_file())
    if len(paths) > MOST_ENTRIES:
        raise InvalidInput(f"'{folder}': holds {len(paths)} entries; the limit is {MOST_ENTRIES}")
    problems, found = [], []
    for path in paths:
        if not ENTRY_NAME.fullmatch(path.name):
            problems.append(f"{shown(path.name)}: an entry is named with letters, digits, '.', '_' and '-'")
            continue
        result = check_entry(path)
        problems += [f"{path.name}: {each}" for each in result.faults]
        found.append(result)
    problems += _joining_problems([each.entry for each in found if each.entry is not None])
    if problems:
        raise InvalidInput(problems)
    return found


def _joining_problems(entries: Sequence[Entry]) -> Iterable[str]:
    others = {each.name: each for each in entries}
    rivals = rival_faults(entries)
    for each in entries:
        lines = [*joining_faults(each, others), *rivals.get(each.name, ())]
        yield from (f"{each.name}: {line}" for line in lines)


def _table(
    group: Sequence[Checked], badges: Mapping[str, Badge], bootstrap: int
) -> tuple[dict[str, Any], list[Ranked]]:
    """The table of one suite in plain data, and its rankings for the summary over suites."""
    entries = [each.entry for each in group if each.entry is not None]
    missing = _missing(entries, group)
    complete = [each for each in entries if not missing[each.name]]
    first = entries[0]
    name, version, identity = group_of(first)
    trusted = {each.name: trust(badges[each.name].word) for each in entries}
    board = _Boards(pool(complete, trusted), first, bootstrap) if complete else None
    installed = installed_suite(name)
    table = {
        "suite": name,
        "version": version,
        "identity": identity,
        "title": str(first.suite.get("title") or name),
        "own": installed is None,
        "superseded": next((each.outdated for each in group if each.outdated), ""),
        "entries": [
            _described(each, of, badges[each.name])
            for each, of in zip(entries, group, strict=True)
            if not missing[each.name]
        ],
        **(board.as_dict() if board else _NOTHING),
        "below": [
            {
                **_described(each, of, badges[each.name]),
                "reasons": missing[each.name],
                **(_Boards(pool([each]), each, bootstrap).as_dict() if each.fits else _NOTHING),
            }
            for each, of in zip(entries, group, strict=True)
            if missing[each.name]
        ],
    }
    return table, [Ranked(name, board.data, *each) for each in board.ranked[0].items()] if board else []


def _missing(entries: Sequence[Entry], group: Sequence[Checked]) -> dict[str, list[str]]:
    """By name what entries lack; one that joins an incomplete entry lacks what that one does."""
    own = {each.name: of.missing for each, of in zip(entries, group, strict=True)}
    return {
        each.name: own[each.name]
        or ([f"entry '{each.joins}', which it joins, is incomplete"] if own.get(each.joins) else [])
        for each in entries
    }


_NOTHING: Mapping[str, Any] = {"targets": {}, "refused": {}, "measures": {}, "data": "", "notes": []}


@dataclass(frozen=True)
class _Boards:
    """The rankings of pooled entries, one for each target of the suite."""

    pooled: Pooled
    entry: Entry
    bootstrap: int

    @property
    def data(self) -> tuple[str, ...]:
        """Names of the data sets."""
        return tuple(sorted({line["trial"]["dataset"]["name"] for line in self.entry.fits.values()}))

    @cached_property
    def ranked(self) -> tuple[dict[str, Board], dict[str, str]]:
        """By target the ranking, or why there is none."""
        from genbench.ranking import RankingError

        boards: dict[str, Board] = {}
        refused: dict[str, str] = {}
        for target in self.entry.suite.get("targets") or ["gap"]:
            try:
                boards[target] = self.pooled.rank(target, self.bootstrap)
            except RankingError as fault:
                refused[target] = str(fault)
        return boards, refused

    def as_dict(self) -> dict[str, Any]:
        from genbench.report.standing import standing

        boards, refused = self.ranked
        return {
            "targets": {
                target: {key: each for key, each in standing(board).items() if key != "statistics"}
                for target, board in boards.items()
            },
            "refused": refused,
            "measures": {name: self._measure(name) for name in self.pooled.measures},
            "data": self.pooled.data,
            "notes": list(self.pooled.notes),
        }

    def _measure(self, name: str) -> dict[str, Any]:
        measure = self.pooled.measures[name]
        return {
            "family": measure.info.family,
            "cost_class": measure.info.cost_class,
            "version": measure.info.version,
            "plugin": measure.info.plugin,
            "plugin_version": measure.plugin_version,
            "summary": measure.summary,
            "source": sources().get(name.partition("[")[0], "") if measure.info.plugin == CORE else "",
            "statuses": dict(sorted(measure.info.statuses.items())),
            "entries": list(measure.entries),
            "data": measure.data,
        }


def _described(entry: Entry, checked: Checked, earned: Badge) -> dict[str, Any]:
    machines = {
        ", ".join(str(each.get(part, "")) for part in ("processor", "device") if each.get(part))
        for each in entry.environments.values()
    }
    return {
        "name": entry.name,
        **({"joins": entry.joins} if entry.joins else {}),
        "submitter": entry.submitter,
        "fits": len(entry.fits),
        "failures": len(entry.failures),
        "computed": len({name for values in entry.values.values() for name in values}),
        "genbench": entry.header["genbench"],
        "machines": sorted(machines),
        "badge": earned.word,
        "rerun": earned.fits,
        "attesters": list(earned.by),
        "warnings": [*earned.lines, *(each for each in checked.notes if each.startswith(ALARM))],
        "records": entry.digest,
        "notes": checked.notes,
    }


COLUMNS = (
    "suite", "version", "target", "place", "group", "rank_low", "rank_high", "measure", "plugin",
    "plugin_version", "measure_version", "family", "direction", "score", "score_low", "score_high",
    "expected", "p_best", "p_top5", "tau", "cmi", "sign_error", "r2", "n", "coverage", "seconds", "status",
    "reason", "entries",
)  # fmt: skip


def _as_csv(content: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in _rows(content))
    return text.getvalue()


def _rows(content: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for table in content["tables"]:
        for target, board in table["targets"].items():
            for place, row in enumerate(board["rows"], start=1):
                known = table["measures"].get(row["measure"], {})
                yield {
                    **row,
                    "suite": table["suite"],
                    "version": table["version"],
                    "target": target,
                    "place": place,
                    "plugin": known.get("plugin", ""),
                    "plugin_version": known.get("plugin_version", ""),
                    "measure_version": known.get("version", ""),
                    "entries": " ".join(known.get("entries", [])),
                }


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets a quote before it; a direction does not."""
    if isinstance(value, str) and len(value) > 1 and value[0] in "=+-@\t\r":
        return f"'{value}"
    return value
