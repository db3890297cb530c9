"""Which way the measures of somebody's table should go: what was said, and what their names tell."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.base.errors import InvalidInput, UsageError, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Directions", "as_note", "asking", "check_columns", "options", "read_directions", "recognize"]

SIGNS = ("+", "-", "?")

NAMED = 5

ASK = (
    "say it with --direction NAME=-, with --directions FILE (lines of measure,direction), "
    "or for all others with --direction '?'"
)


@dataclass(frozen=True)
class Directions:
    """What was said on the command line: by measure, and for all others.

    A file may speak of more measures than a table has; those in `words` were named one by one.
    """

    named: Mapping[str, str]
    others: str | None = None
    words: tuple[str, ...] = ()


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--direction`` and ``--directions``, as ``words`` and ``signs``."""
    from genbench.cli.options import PATH

    command = click.option(
        "--directions", "signs", type=PATH, metavar="FILE", help="Lines of measure,direction."
    )(command)
    return click.option(
        "--direction", "words", multiple=True, metavar="NAME=SIGN",
        help="Of a table's measure: +, - or ?; a sign alone is for all others.",
    )(command)  # fmt: skip


@contextmanager
def asking(file: str) -> Iterator[None]:
    """Where a table's measures have no direction, say how to give them one."""
    from genbench.ranking.errors import NoDirection

    try:
        yield
    except NoDirection as fault:
        raise UsageError(f"{file}: {fault}; {ASK}") from None


def read_directions(words: Sequence[str], file: Path | None) -> Directions:
    """``NAME=SIGN`` each, or a sign for all others; then the lines ``measure,direction`` of a file.

    Raises
    ------
    UsageError, InvalidInput
        A word or a line is neither.
    """
    named: dict[str, str] = {}
    others = None
    for word in words:
        name, _, sign = word.rpartition("=")  # a name may hold = in brackets
        if sign not in SIGNS or (not name and word != sign):
            raise UsageError(f"--direction {word}: it is NAME=+, NAME=-, NAME=? or a sign for all others")
        if name:
            named[name] = sign
        else:
            others = sign
    return Directions({**({} if file is None else _of_file(file)), **named}, others, tuple(named))


def _of_file(file: Path) -> dict[str, str]:
    try:
        lines = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, ValueError) as fault:
        why = getattr(fault, "strerror", None) or "it is no text"
        raise InvalidInput([f"{file}: cannot be read: {why}"]) from None
    found = {}
    for place, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line]
        if not any(cells) or (place == 1 and cells[1:] == ["direction"]):
            continue
        if len(cells) != 2 or cells[1] not in SIGNS:
            raise InvalidInput(
                [f"{file}: line {place}: a measure and +, - or ? are expected, as in a_norm,+"]
            )
        found[cells[0]] = cells[1]
    return found


def check_columns(directions: Directions, tables: Sequence[Collection[str]]) -> None:
    """Refuse directions of what is a column of no table.

    Parameters
    ----------
    tables : sequence of names
        The columns of each table; none where only runs are ranked.
    """
    if not tables and (directions.named or directions.others):
        raise UsageError("directions are for tables; the measures of a run have theirs")
    columns = {name for each in tables for name in each}
    for name in directions.words:
        if name not in columns:
            raise UsageError(f"no column '{name}' to give a direction to{nearest(name, columns)}")


def recognize(table: pd.DataFrame, directions: Directions) -> frozenset[str]:
    """Tell a table, in its ``attrs``, of the columns that have the name of a measure that is installed here.

    They get the direction, the family and the held-out mark of its card, unless the table or the user says
    otherwise.

    Returns
    -------
    frozenset of str
        Those columns.
    """
    columns = [str(name) for name in table.columns]
    told = table.attrs.get("directions", {})
    unknown = [name for name in columns if name not in told and name not in directions.named]
    cards = _cards(unknown)
    table.attrs |= {
        "directions": {**{name: card["direction"] for name, card in cards.items()}, **told},
        "families": {
            **{name: card["family"] for name, card in cards.items()},
            **table.attrs.get("families", {}),
        },
        "held_out": [
            *table.attrs.get("held_out", ()),
            *(name for name, card in cards.items() if card["held_out"]),
        ],
    }
    return frozenset(cards)


def as_note(names: Collection[str]) -> list[str]:
    """What to say beside a ranking of measures that were known by their names; nothing of none."""
    if not names:
        return []
    shown = sorted(names)[:NAMED]
    rest = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
    return [f"Known by their names, with direction and family ('genbench show'): {', '.join(shown)}{rest}."]


def _cards(columns: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """By column, the row of the measure whose name it has, settings in brackets aside."""
    from genbench.ranking.recognition import EFFORT
    from genbench.ranking.targets import OUTCOMES
    from genbench.report.catalog import rows
    from genbench.report.catalog_cache import host_for_cards

    by_name: dict[str, Mapping[str, Any]] = {}
    for row in rows(host_for_cards(), "measures"):
        by_name |= dict.fromkeys([row["name"], *row["aliases"]], row)
    bare = {name: name.partition("[")[0] for name in columns if name not in OUTCOMES | EFFORT}
    return {name: by_name[base] for name, base in bare.items() if base in by_name}
