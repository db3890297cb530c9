"""Entries of a few new measures over the fits of a published entry, whose table they join.

Such an entry repeats the fits that it joins, and so it can be checked alone like any other; beyond that its
fits must be those of the other entry, by key and outcome, and it may not contradict what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from genbench.base.canonical import digest
from genbench.base.outcomes import RESULTS
from genbench.host.identity import identity_digest
from genbench.leaderboard.entry import Entry
from genbench.leaderboard.files import shown
from genbench.planning.sameness import suite_digest

__all__ = ["group_of", "joining_faults", "rival_faults"]

OUTCOME = ("stop_reason", "epochs", "steps", *RESULTS)


def group_of(entry: Entry) -> tuple[str, int, str]:
    """What entries share that are ranked together: suite, version and all that training depends on."""
    trials = [line["trial"] for line in entry.fits.values()]
    parts = [(each["kind"], each["name"], each["version"]) for each in entry.header["components"]]
    checksums = sorted({(each["dataset"]["name"], each["checksum"]) for each in trials})
    identity = digest([suite_digest(entry.suite), entry.header["trainer"], sorted(parts), checksums])
    return entry.header["suite"]["name"], entry.header["suite"]["version"], identity


def joining_faults(entry: Entry, others: Mapping[str, Entry]) -> list[str]:
    """Why an entry cannot join the one that it names, a line for each kind; none where it can, or joins none.

    Parameters
    ----------
    others : mapping of str to Entry
        The sound entries that lie beside it, by name.
    """
    if not entry.joins:
        return []
    joined = others.get(entry.joins)
    if joined is None:
        return [f"entry.json: joins entry '{entry.joins}', which is not there or not sound"]
    if joined.joins:
        return [
            f"entry.json: joins entry '{entry.joins}', which itself joins '{joined.joins}'; join that one"
        ]
    if group_of(entry) != group_of(joined):
        return [f"entry.json: joins entry '{entry.joins}', which is of another suite or of other versions"]
    return [*fit_differences(entry.fits, joined), *_contradictions(entry, joined)]


def fit_differences(fits: Mapping[str, Mapping[str, object]], joined: Entry) -> Iterator[str]:
    """In what fits are not those of an entry, in one line: some are missing, or the first that differs."""
    if apart := sorted(fits.keys() ^ joined.fits.keys()):
        yield f"fits.jsonl: {len(apart)} fits are not in both this and entry '{joined.name}': {apart[0]} ..."
        return
    for key in sorted(fits):
        for name in OUTCOME:
            ours, theirs = fits[key].get(name), joined.fits[key].get(name)
            if ours != theirs:
                yield f"fits.jsonl: {key}: {name} is {ours}, in entry '{joined.name}' it is {theirs}"
                return


def _contradictions(entry: Entry, joined: Entry) -> Iterator[str]:
    """Measures of which both entries say different things, a line each."""
    for name in sorted(entry.measures.keys() & joined.measures.keys()):
        if rival := _rivalry(name, entry, joined):
            yield rival
            continue
        for key in sorted(entry.fits):
            ours, theirs = (each.values.get(key, {}).get(name) for each in (entry, joined))
            if ours and theirs and ours["key"] == theirs["key"] and _said(ours) != _said(theirs):
                yield (
                    f"values.jsonl: {shown(name)} of {key}: is {_said(ours)[1]}, "
                    f"in entry '{joined.name}' it is {_said(theirs)[1]}"
                )
                break


def rival_faults(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Of entries that join the same one, by name, why a measure of theirs cannot be told from another's."""
    found: dict[str, list[str]] = {}
    for place, entry in enumerate(entries):
        for other in entries[:place]:
            if entry.joins and entry.joins == other.joins:
                names = sorted(entry.measures.keys() & other.measures.keys())
                found.setdefault(entry.name, []).extend(
                    filter(None, (_rivalry(each, entry, other) for each in names))
                )
    return {name: lines for name, lines in found.items() if lines}


def _rivalry(name: str, entry: Entry, other: Entry) -> str:
    """Whether two entries have two measures of one name and one version."""
    ours, theirs = entry.measures[name], other.measures[name]
    if ours["version"] != theirs["version"] or identity_digest(ours["identity"]) == identity_digest(
        theirs["identity"]
    ):
        return ""
    return (
        f"measures.jsonl: {shown(name)}: entry '{other.name}' has another measure of this name in version "
        f"{ours['version']}; rename it, or raise its version"
    )


def _said(value: Mapping[str, object]) -> tuple[object, object]:
    return value["status"], value["value"] if value["value"] is not None else value.get("infinite")
