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
        As `genbench.runs.results.RunTable` has it. Fits that two entries trained and measured with equal
        results are one row. An entry whose fits or values came out otherwise, on another machine, has rows
        of its own, compared with each other alone: its name is part of their seed.
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


def pool(entries: Sequence[Entry], trust: Mapping[str, int] | None = None) -> Pooled:
    """Pool entries of one suite and version: those last that join others, before that by trust, then by name.

    Of a measure in several versions, or with several versions of the probes below it, the one that most is
    known of counts, and of equals the newest.

    Parameters
    ----------
    trust : dict, optional
        By the name of an entry how far others vouch for it, see `genbench.leaderboard.badges.trust`.
    """
    import pandas as pd

    trust = trust or {}
    entries = sorted(entries, key=lambda each: (bool(each.joins), -trust.get(each.name, 0), each.name))
    read = {each.name: read_table(EntryFolder(each)) for each in entries}
    chosen, notes = _chosen(entries, trust)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    cells: dict[str, list[tuple[str, str, str]]] = {}
    worlds = _worlds(entries, chosen)
    for entry in entries:
        world, table = worlds[entry.name], read[entry.name]
        used = [name for name in table.measures if entry.name in chosen[name]]
        for each in table.frame.to_dict(orient="records"):
            record = {str(name): value for name, value in each.items()}
            seed = record["seed"] if world == entries[0].name else f"{record['seed']} of {world}"
            row = rows.setdefault((world, record["key"]), {**_without_measures(record, table), "seed": seed})
            for name in used:
                value = record[name]
                if row.get(name) is None or row[name] != row[name]:  # a missing number hides no other
                    row[name] = value
                cells.setdefault(name, []).append((record["key"], str(seed), repr(float(row[name]))))
    directions, unclear = _directions(entries, chosen, trust)
    notes += unclear
    axes = tuple(dict.fromkeys(axis for table in read.values() for axis in table.axes))
    frame = pd.DataFrame([rows[each] for each in sorted(rows)])
    return Pooled(
        frame=frame,
        axes=axes,
        measures={
            name: _measure(
                name,
                [each for each in entries if each.name in chosen[name]],
                read,
                cells.get(name, []),
                directions,
            )
            for name in sorted(chosen)
        },
        test_examples=tuple(sorted({fit["test_examples"] for each in entries for fit in each.fits.values()})),
        data=digest(sorted([world, key, *_outcome(row)] for (world, key), row in rows.items())),
        notes=tuple(notes),
    )


def _outcome(record: Mapping[str, Any]) -> list[str]:
    return [repr(None if record[name] != record[name] else record[name]) for name in RESULTS]


def _worlds(entries: Sequence[Entry], chosen: Mapping[str, set[str]]) -> dict[str, str]:
    """For each entry the first one that came out equal, wherever both have something: often itself."""
    worlds: dict[str, str] = {}
    known: dict[str, dict[tuple[str, ...], Any]] = {}
    for entry in entries:
        ours: dict[tuple[str, ...], Any] = {(key,): _outcome(fit) for key, fit in entry.fits.items()}
        for key, values in entry.values.items():
            for name, value in values.items():
                if entry.name in chosen[name] and value["value"] is not None:
                    ours[key, name] = value["value"]
        for world, theirs in known.items():
            shared = ours.keys() & theirs.keys()
            if any(len(each) == 1 for each in shared) and all(ours[each] == theirs[each] for each in shared):
                worlds[entry.name] = world
                theirs.update(ours)
                break
        else:
            worlds[entry.name] = entry.name
            known[entry.name] = dict(ours)
    return worlds


def _chosen(entries: Sequence[Entry], trust: Mapping[str, int]) -> tuple[dict[str, set[str]], list[str]]:
    """For each measure the entries that have the version that counts; a note where others are left out."""
    offered: dict[str, dict[tuple[Any, ...], set[str]]] = {}
    for entry in entries:
        for name, line in entry.measures.items():
            below = sum(each["version"] for each in line["identity"]["probes"])
            age = (line["version"], below, identity_digest(line["identity"]))
            offered.setdefault(name, {}).setdefault(age, set()).add(entry.name)
    chosen, notes = {}, []
    for name, versions in sorted(offered.items()):
        # A plugin's version is its own word, and must not hide what somebody else has checked.
        trusted = {age: max(trust.get(each, 0) for each in names) for age, names in versions.items()}
        best = max((trusted[age], age) for age in versions)[1]
        chosen[name] = versions[best]
        others = sorted(each for age, names in versions.items() if age != best for each in names)
        if others:
            notes.append(f"{name}: values of other versions are left out, those of {', '.join(others)}")
    return chosen, notes


def _directions(
    entries: Sequence[Entry], chosen: Mapping[str, set[str]], trust: Mapping[str, int]
) -> tuple[dict[str, str], list[str]]:
    """By measure the direction that those claim who are trusted most: none where they do not agree."""
    found, notes = {}, []
    for name, names in chosen.items():
        claims = [
            (trust.get(each.name, 0), each.measures[name]["direction"])
            for each in entries
            if each.name in names
        ]
        claimed = {direction for trusted, direction in claims if trusted == max(claims)[0]}
        found[name] = claimed.pop() if len(claimed) == 1 else "?"
        if claimed:
            notes.append(f"{name}: has no rank, for entries claim different directions of it")
    return found, notes


def _without_measures(record: Mapping[str, Any], table: RunTable) -> dict[str, Any]:
    outcome = {*RESULTS, "seed", "key", "gap", "loss_gap"}
    return {name: value for name, value in record.items() if name not in table.measures or name in outcome}


def _measure(
    name: str,
    entries: Sequence[Entry],
    read: Mapping[str, RunTable],
    cells: Sequence[tuple[str, str, str]],
    directions: Mapping[str, str],
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
        direction=directions[name],
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
        entries=tuple(sorted(each.name for each in entries)),
        data=digest(sorted(set(cells))),
    )
