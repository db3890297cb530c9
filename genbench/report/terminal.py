"""Lists as tables on a terminal, or as plain text where there is none."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from genbench.base import moved
from genbench.base.errors import printable

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from genbench.ranking.alternatives import Alternatives

__all__ = [
    "console",
    "escaped",
    "print_alternatives",
    "print_fitting",
    "print_paragraph",
    "print_rows",
    "print_sections",
]

moved.signpost(__name__)

# Wide enough for the ranking where the output is a file or a pipe, whose width nobody knows.
PIPE_WIDTH = 160


def console() -> Console:
    """The console of standard output: as wide as the terminal, or as what nobody sees the width of."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def print_paragraph(text: str, indent: str = "") -> None:
    """Print a text in lines as long as the terminal is wide; elsewhere as it stands."""
    screen = console()
    if screen.is_terminal:
        text = textwrap.fill(
            " ".join(text.split()), screen.width - 1, subsequent_indent=indent, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
    screen.print(text.strip(), markup=False, soft_wrap=True)


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> None:
    """Print rows as a table; the columns named in `right` are aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        # The first column holds names, which are to be copied and searched for.
        justify: JustifyMethod = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(escaped("" if each is None else str(each)) for each in row))
    console().print(table)


def print_fitting(
    columns: Sequence[str], rows: Sequence[Sequence[str]], importance: Sequence[str] = ()
) -> None:
    """Print names and numbers; a terminal gets as many columns as it has room for, and a word on the others.

    Parameters
    ----------
    columns : sequence of str
        The first holds names, which are shown always and whole.
    rows : sequence of sequences of str
    importance : sequence of str
        Columns in the order in which they get room; those that are not named come last, in their order.
    """
    screen = console()
    kept = set(columns)
    if screen.is_terminal:
        widths = {
            name: max(map(len, each)) + 3
            for name, each in zip(columns, zip(columns, *rows, strict=True), strict=True)
        }
        kept, used = {columns[0]}, widths[columns[0]]
        for name in [*importance, *(each for each in columns[1:] if each not in importance)]:
            if used + widths[name] <= screen.width:
                kept.add(name)
                used += widths[name]
    shown = [place for place, name in enumerate(columns) if name in kept]
    print_rows(
        [columns[place] for place in shown],
        [[row[place] for place in shown] for row in rows],
        right=[columns[place] for place in shown if place],
    )
    left_out = [name for name in columns if name not in kept]
    if left_out:
        print_paragraph(f"no room for: {', '.join(left_out)} (a wider window or --csv has them)")


def print_sections(columns: Sequence[str], sections: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Print rows as one table, under the name of their section; on a terminal a row is a line, cut off."""
    screen = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    every = [columns, *(row for rows in sections.values() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    widths[0] = max(widths[0], *map(len, sections), 0)
    gaps = 3 * len(columns) - 1  # three between columns, one at either end
    widths[-1] = max(len(columns[-1]), min(widths[-1], screen.width - sum(widths[:-1]) - gaps))
    for column, width in zip(columns[:-1], widths, strict=False):
        table.add_column(column, width=width, no_wrap=True)
    table.add_column(columns[-1], width=widths[-1], overflow="ellipsis", no_wrap=screen.is_terminal)
    for title, rows in sections.items():
        table.add_row(escaped(title), style="bold")
        for row in rows:
            table.add_row(*map(escaped, row))
        table.add_section()
    screen.print(table)


def escaped(text: str) -> str:
    """Names may hold brackets, which rich would read as markup, and signs that a terminal would obey."""
    from rich.markup import escape

    return escape("\n".join(map(printable, text.split("\n"))))


def print_alternatives(found: Alternatives, title: str) -> None:
    """Print a table of alternatives, the targets one below the other."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for number, column in enumerate(found.header):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=number == 0)
    for target in found.targets:
        table.add_row(target, style="bold")
        for row in found.cells(target):
            table.add_row(*map(escaped, row))
        table.add_section()
    screen = console()
    screen.print(table)
    for note in found.notes:
        screen.print(escaped(f"note: {note}"), soft_wrap=True)
