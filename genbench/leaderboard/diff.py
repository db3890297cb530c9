"""Why ranks moved between two states of a leaderboard: data, versions, or entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genbench.base.errors import InvalidInput
from genbench.base.names import CORE
from genbench.base.shapes import misplaced
from genbench.leaderboard.build import FORMAT, read_leaderboard
from genbench.leaderboard.files import parse
from genbench.leaderboard.markdown import escaped

__all__ = ["Move", "as_json", "as_markdown", "as_text", "diff", "entry_lines", "read_state"]

LARGEST = 1 << 26
ENTRY = {"name": str, "records": str, "badge": str, "fits": int}
RANK = (int, type(None))
TABLE = {
    "suite": str, "version": int, "identity": str, "own": bool, "data": str,
    "entries": [ENTRY], "below": [{**ENTRY, "reasons": [str]}],
    "targets": {"*": {"rows": [{"measure": str, "rank_low": RANK, "rank_high": RANK}]}},
    "measures": {
        "*": {"version": int, "plugin": str, "plugin_version": str, "data": str, "entries": [str]}
    },
}  # fmt: skip
"""What is read of a table."""


@dataclass(frozen=True)
class Move:
    """A measure whose range of ranks moved.

    Attributes
    ----------
    before, after : list of int, or None
        Best and worst rank; None where it has no rank, or is not there.
    causes : tuple of str
        All that hold, those of the measure itself first; other measures' only where there is none.
    """

    suite: str
    version: int
    target: str
    measure: str
    before: list[int] | None
    after: list[int] | None
    causes: tuple[str, ...]


def read_state(source: Path, *, bootstrap: int = 1000) -> dict[str, Any]:
    """A leaderboard: of a folder computed anew from its entries, or a ``leaderboard.json`` as it was built.

    Raises
    ------
    InvalidInput
        No leaderboard, an entry with a fault, or a file that is none.
    """
    if source.is_dir():
        return read_leaderboard(source, bootstrap=bootstrap)
    try:
        if source.stat().st_size > LARGEST:
            raise InvalidInput(f"'{source}': has more than {LARGEST:,} bytes")
        content = parse(source.read_bytes())
    except OSError as fault:
        raise InvalidInput(f"'{source}': cannot be read: {fault.strerror}") from None
    except ValueError as fault:
        raise InvalidInput(f"'{source}': {fault}") from None
    if misplaced(content, {"format": int, "tables": list}) or content["format"] != FORMAT:
        raise InvalidInput(f"'{source}': is no leaderboard.json of format {FORMAT}")
    if where := misplaced(content, {"tables": [TABLE]}):
        raise InvalidInput(f"'{source}': is no leaderboard.json: {where} is not what stands there")
    return content


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Move]:
    """Every rank that moved, with its causes; see `read_state` for the two leaderboards."""
    moves = []
    for table in new["tables"]:
        before = _counterpart(table, old["tables"], new["tables"])
        for target, board in table["targets"].items():
            if before is not None and target in before["targets"]:
                moves += list(_moves(target, before, before["targets"][target], table, board))
    return moves


def _counterpart(
    table: Mapping[str, Any], old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """What a table is compared with: the same version's, or for a new version the newest one before."""
    namesakes = [each for each in old if (each["suite"], each["own"]) == (table["suite"], table["own"])]
    same = [each for each in namesakes if each["version"] == table["version"]]
    exact = [each for each in same if each["identity"] == table["identity"]]
    newest = max(each["version"] for each in new if each["suite"] == table["suite"])
    if exact or same:
        return (exact or same)[0]
    if table["version"] == newest and namesakes:
        return max(namesakes, key=lambda each: each["version"])
    return None


def _moves(
    target: str,
    old: Mapping[str, Any],
    old_board: Mapping[str, Any],
    new: Mapping[str, Any],
    new_board: Mapping[str, Any],
) -> Iterator[Move]:
    before, after = _ranks(old_board), _ranks(new_board)
    shared = _table_causes(old, new)
    # In the order of the new table, what left it last.
    for name in [*after, *(each for each in before if each not in after)]:
        if before.get(name) == after.get(name):
            continue
        causes = [*_own_causes(name, old, new), *shared] or [_others(name, old, new)]
        yield Move(
            new["suite"], new["version"], target, name, before.get(name), after.get(name), tuple(causes)
        )


def _ranks(board: Mapping[str, Any]) -> dict[str, list[int]]:
    rows = [row for row in board["rows"] if row["rank_low"] is not None]
    return {row["measure"]: [row["rank_low"], row["rank_high"]] for row in rows}


def _table_causes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed for all measures of a table."""
    causes = []
    if old["version"] != new["version"]:
        causes.append(f"the suite's version: {old['version']} → {new['version']}")
    elif old["identity"] != new["identity"]:
        causes.append("versions of what the suite trains with")
    before = {each["name"]: each["records"] for each in old["entries"]}
    after = {each["name"]: each["records"] for each in new["entries"]}
    if added := sorted(after.keys() - before.keys()):
        causes.append(f"new entries: {', '.join(added)}")
    if removed := sorted(before.keys() - after.keys()):
        causes.append(f"entries that are gone: {', '.join(removed)}")
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    if changed and old["data"] != new["data"]:
        causes.append(f"data: other fits in {', '.join(changed)}")
    return causes


def _own_causes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = old["measures"].get(name), new["measures"].get(name)
    if before is None or after is None:
        return ["the measure is new" if before is None else "the measure is gone"]
    causes = []
    if before["version"] != after["version"]:
        causes.append(f"the measure's version: {before['version']} → {after['version']}")
    elif before["plugin_version"] != after["plugin_version"] and before["plugin"] != CORE:
        causes.append(f"its plugin's version: {before['plugin_version']} → {after['plugin_version']}")
    kept = set(before["entries"]) == set(after["entries"])
    if before["data"] != after["data"] and kept and not causes:
        causes.append("data: other values of the measure")
    return causes


def _others(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    before, after = old["measures"], new["measures"]
    moved = sorted(
        each
        for each in before.keys() | after.keys()
        if each != name
        and (
            each not in before
            or each not in after
            or (before[each]["version"], before[each]["data"])
            != (after[each]["version"], after[each]["data"])
        )
    )
    if not moved:
        return "another version of genbench ranks otherwise"
    more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
    return f"other measures that are new, gone or changed: {', '.join(moved[:5])}{more}"


def entry_lines(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What became of the entries themselves, a line each."""
    before, after = _entries(old), _entries(new)
    lines = [f"entry {name} is gone" for name in sorted(before.keys() - after.keys())]
    for name, (table, entry) in sorted(after.items()):
        place = f"{table['suite']} {table['version']}"
        if name not in before:
            lines.append(f"entry {name} is new: {place}, {entry['fits']} fits, {entry['badge']}")
        elif before[name][1]["records"] != entry["records"]:
            lines.append(f"entry {name} has other records: {place}")
        elif before[name][1]["badge"] != entry["badge"]:
            lines.append(f"entry {name}: {before[name][1]['badge']} → {entry['badge']}")
        else:
            continue
        lines += [f"entry {name} stands below the line: {each}" for each in entry.get("reasons", [])]
    return lines


def _entries(content: Mapping[str, Any]) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return {
        each["name"]: (table, each)
        for table in content["tables"]
        for each in (*table["entries"], *table["below"])
    }


def as_text(moves: Sequence[Move]) -> list[str]:
    """A line for each move."""
    return [
        f"{each.suite} {each.version}, {each.target}: {each.measure} "
        f"{_range(each.before)} → {_range(each.after)} ({'; '.join(each.causes)})"
        for each in moves
    ]


def as_markdown(moves: Sequence[Move], lines: Sequence[str]) -> str:
    """What happened to the entries, and the moves as a table, for a comment on a pull request."""
    text = "".join(f"- {escaped(each)}\n" for each in lines)
    if not moves:
        return f"{text}\nNo rank moved.\n"
    cells = [
        (f"{each.suite} {each.version}", each.target, each.measure, _range(each.before), _range(each.after),
         "; ".join(each.causes))
        for each in moves
    ]  # fmt: skip
    head = (
        "| suite | target | measure | before | after | because of |\n| :-- | :-- | :-- | --: | --: | :-- |\n"
    )
    return f"{text}\n{head}" + "".join(f"| {' | '.join(map(escaped, row))} |\n" for row in cells)


def _range(ranks: Sequence[int] | None) -> str:
    if ranks is None:
        return "–"
    return str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]}–{ranks[1]}"


def as_json(moves: Sequence[Move], lines: Sequence[str]) -> dict[str, Any]:
    """The same in plain data."""
    return {"entries": list(lines), "moves": [asdict(each) for each in moves]}
