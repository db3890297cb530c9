"""Entries of one suite read as one table: what several people computed of the same grid."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genbench.base.canonical import digest
from genbench.base.outcomes import RESULTS
from genbench.host.identity import identity_digest
from genbench.leaderboard.entry import Entry, EntryFolder
from genbench.runs.results import MeasureInfo, read_table

if TYPE_CHECKING:
    import pandas as pd

    from genbench.ranking import Board
    from genbench.runs.results import RunTable

__all__ = ["Pooled", "PooledMeasure", "pool"]


@dataclass(frozen=True)
class PooledMeasure:
    """A measure of the pooled table.

    Attributes
    ----------
    info : MeasureInfo
    plugin_version, summary : str
    entries : tuple of str
        Those whose values are used.
    data : str
        Hash of the values used.
    """

    info: MeasureInfo
    plugin_version: str
    summary: str
    entries: tuple[str, ...]
    data: str


@dataclass(frozen=True)
class Pooled:
    """Fits and values of several entries, side by side.

    Attributes
    ----------
    frame : DataFrame
        As `genbench.runs.results.RunTable` has it. Fits that two entries trained with equal results are one
        row.
        An entry whose fits came out otherwise, on another machine, has rows of its own, compared with
        each other alone: its name is part of their seed.
    data : str
        Hash of the fits' errors and losses.
    """

    frame: pd.DataFrame
    axes: tuple[str, ...]
    measures: Mapping[str, PooledMeasure]
    test_examples: tuple[int, ...]
    data: str
    notes: tuple[str, ...] = field(default_factory=tuple)

    def rank(self, target: str, bootstrap: int) -> Board:
        """Rank the measures; raises `genbench.ranking.RankingError` where nothing can be ranked."""
        from genbench import ranking

        # The random draw is no candidate: the ranking shows it among the controls.
        candidates = {
            name: each.info for name, each in self.measures.items() if name != "random" and each.info.statuses
        }
        return ranking.rank(
            self.frame,
            measures=list(candidates),
            target=target,
            axes=list(self.axes),
            directions={name: info.direction for name, info in candidates.items()},
            families={name: info.family for name, info in candidates.items()},
            costs={name: info.seconds for name, info in candidates.items()},
            held_out=[name for name, info in candidates.items() if info.held_out],
            test_size=self.test_examples[0] if len(self.test_examples) == 1 else None,
            bootstrap=bootstrap,
        )


def pool(entries: Sequence[Entry]) -> Pooled:
    """Pool entries of one suite and version, in the order of their names, those last that join others.

    Of a measure in several versions, or with several versions of the probes below it, the newest counts.
    """
    import pandas as pd

    entries = sorted(entries, key=lambda each: (bool(each.joins), each.name))
    read = {each.name: read_table(EntryFolder(each)) for each in entries}
    chosen, notes = _chosen(entries)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    cells: dict[str, list[tuple[str, str, str]]] = {}
    conflicts: dict[str, int] = {}
    worlds = _worlds(entries)
    for entry in entries:
        world, table = worlds[entry.name], read[entry.name]
        used = [name for name in table.measures if entry.name in chosen[name]]
        for each in table.frame.to_dict(orient="records"):
            record = {str(name): value for name, value in each.items()}
            seed = record["seed"] if world == entries[0].name else f"{record['seed']} of {world}"
            row = rows.setdefault((world, record["key"]), {**_without_measures(record, table), "seed": seed})
            for name in used:
                value = record[name]
                if name in row and not _same(row[name], value):
                    conflicts[name] = conflicts.get(name, 0) + 1
                row.setdefault(name, value)
                cells.setdefault(name, []).append((record["key"], str(seed), repr(float(row[name]))))
    notes += [
        f"{name}: {count} values differ between entries with equal fits; the first entry's are used"
        for name, count in sorted(conflicts.items())
    ]
    axes = tuple(dict.fromkeys(axis for table in read.values() for axis in table.axes))
    frame = pd.DataFrame([rows[each] for each in sorted(rows)])
    by_name = {each.name: each for each in entries}
    return Pooled(
        frame=frame,
        axes=axes,
        measures={
            name: _measure(name, [by_name[each] for each in sorted(chosen[name])], read, cells.get(name, []))
            for name in sorted(chosen)
        },
        test_examples=tuple(sorted({fit["test_examples"] for each in entries for fit in each.fits.values()})),
        data=digest(sorted([world, key, *_outcome(row)] for (world, key), row in rows.items())),
        notes=tuple(notes),
    )


def _outcome(record: Mapping[str, Any]) -> list[str]:
    return [repr(None if record[name] != record[name] else record[name]) for name in RESULTS]


def _worlds(entries: Sequence[Entry]) -> dict[str, str]:
    """For each entry the first one whose fits came out equal, wherever both have them: often itself."""
    worlds: dict[str, str] = {}
    known: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        ours = {key: _outcome(fit) for key, fit in entry.fits.items()}
        for world, theirs in known.items():
            shared = ours.keys() & theirs.keys()
            if shared and all(ours[key] == theirs[key] for key in shared):
                worlds[entry.name] = world
                theirs.update(ours)
                break
        else:
            worlds[entry.name] = entry.name
            known[entry.name] = dict(ours)
    return worlds


def _chosen(entries: Sequence[Entry]) -> tuple[dict[str, set[str]], list[str]]:
    """For each measure the entries that have the version that counts; a note where others are left out."""
    offered: dict[str, dict[tuple[Any, ...], set[str]]] = {}
    for entry in entries:
        for name, line in entry.measures.items():
            below = sum(each["version"] for each in line["identity"]["probes"])
            age = (line["version"], below, identity_digest(line["identity"]))
            offered.setdefault(name, {}).setdefault(age, set()).add(entry.name)
    chosen, notes = {}, []
    for name, versions in sorted(offered.items()):
        newest = max(versions)
        chosen[name] = versions[newest]
        others = sorted(each for age, names in versions.items() if age != newest for each in names)
        if others:
            notes.append(f"{name}: values of other versions are left out, those of {', '.join(others)}")
    return chosen, notes


def _without_measures(record: Mapping[str, Any], table: RunTable) -> dict[str, Any]:
    outcome = {*RESULTS, "seed", "key", "gap", "loss_gap"}
    return {name: value for name, value in record.items() if name not in table.measures or name in outcome}


def _same(one: Any, other: Any) -> bool:
    return one == other or (one != one and other != other)


def _measure(
    name: str, entries: Sequence[Entry], read: Mapping[str, RunTable], cells: Sequence[tuple[str, str, str]]
) -> PooledMeasure:
    line = entries[0].measures[name]
    tables = [read[each.name].measures[name] for each in entries if name in read[each.name].measures]
    seconds = [each.seconds for each in tables if each.seconds == each.seconds]
    statuses: dict[str, int] = {}
    for each in tables:
        for status, count in each.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    info = MeasureInfo(
        name=name,
        family=line["family"],
        direction=line["direction"],
        cost_class=line["cost_class"],
        version=line["version"],
        plugin=line["plugin"],
        held_out=any(each.measures[name]["held_out"] for each in entries),
        seconds=statistics.median(seconds) if seconds else float("nan"),
        statuses=statuses,
        aliases=tuple(line["aliases"]),
    )
    return PooledMeasure(
        info=info,
        plugin_version=line["plugin_version"],
        summary=line["summary"],
        entries=tuple(each.name for each in entries),
        data=digest(sorted(set(cells))),
    )
