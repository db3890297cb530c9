"""Rankings and lists as tables on a terminal, or as plain text where there is none."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from genbench.base.errors import printable

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from genbench.ranking import Board
    from genbench.ranking.alternatives import Alternatives

__all__ = ["print_alternatives", "print_ranking", "print_rows", "print_sections"]

# Wide enough for the ranking where the output is a file or a pipe, whose width nobody knows.
PIPE_WIDTH = 160


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> None:
    """Print rows as a table; the columns named in `right` are aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        # The first column holds names, which are to be copied and searched for.
        justify: JustifyMethod = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(_escaped("" if each is None else str(each)) for each in row))
    _console().print(table)


def print_sections(columns: Sequence[str], sections: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Print rows as one table, under the name of their section; on a terminal a row is a line, cut off."""
    console = _console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    every = [columns, *(row for rows in sections.values() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    widths[0] = max(widths[0], *map(len, sections), 0)
    gaps = 3 * len(columns) - 1  # three between columns, one at either end
    widths[-1] = max(len(columns[-1]), min(widths[-1], console.width - sum(widths[:-1]) - gaps))
    for column, width in zip(columns[:-1], widths, strict=False):
        table.add_column(column, width=width, no_wrap=True)
    table.add_column(columns[-1], width=widths[-1], overflow="ellipsis", no_wrap=console.is_terminal)
    for title, rows in sections.items():
        table.add_row(_escaped(title), style="bold")
        for row in rows:
            table.add_row(*map(_escaped, row))
        table.add_section()
    console.print(table)


def _escaped(text: str) -> str:
    """Names may hold brackets, which rich would read as markup, and signs that a terminal would obey."""
    from rich.markup import escape

    return escape(printable(text))


def print_ranking(board: Board, title: str, no_cost: bool = False, top: int | None = None) -> None:
    """Print a ranking: measures with their intervals, the controls below the line, then the notes."""
    from genbench.ranking.legend import INTERVAL_OF

    axes = list(board.axes)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("measure", overflow="fold", max_width=40)
    for name in ("", "psi", "95 %", "rerun", "top 5", "tau", "95 %", "spearman", "R²", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    if not no_cost:
        table.add_column("cost", justify="right", no_wrap=True)
    sections = [*_parts(board.rows[:top]), board.controls]
    for number, rows in enumerate(sections):
        for row in rows:
            table.add_row(*_cells(row, no_cost), style=None if number == 0 else "dim")
        table.add_section()
    console = _console()
    console.print(table)
    console.print(
        f"psi: mean over {len(axes)} axes of Kendall's tau among fits that differ in that axis alone"
    )
    if board.summary["interval"]:
        console.print(
            f"95 %: intervals, and ranks, of {INTERVAL_OF[board.summary['interval']]}; rerun: the "
            f"{board.rank_by} to expect then; top 5: how probably the measure is one of the best five",
            soft_wrap=True,
        )
    for note in board.notes:
        console.print(_escaped(f"note: {note}"), soft_wrap=True)


def print_alternatives(found: Alternatives, title: str) -> None:
    """Print a table of alternatives, the targets one below the other."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for number, column in enumerate(found.header):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=number == 0)
    for target in found.targets:
        table.add_row(target, style="bold")
        for row in found.cells(target):
            table.add_row(*map(_escaped, row))
        table.add_section()
    console = _console()
    console.print(table)
    for note in found.notes:
        console.print(_escaped(f"note: {note}"), soft_wrap=True)


def _parts(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The measures in their order: those ranked among all, those ranked apart, those without a rank."""
    parts: list[list[dict[str, Any]]] = [[], [], []]
    for row in rows:
        parts[2 if row["rank_low"] is None else int(row["held_out"])].append(row)
    return [part for part in parts if part]


def _cells(row: Mapping[str, Any], no_cost: bool) -> list[str]:
    from genbench.ranking.board import rank_text

    cells = [
        rank_text(row),
        _escaped(row["measure"]),
        str(row["direction"] or ""),
        _number(row["psi"]),
        _interval(row, "psi"),
        _number(row["expected"]) if row["rank_low"] is not None else "",
        _share(row["p_top5"]),
        _number(row["tau"]),
        _interval(row, "tau"),
        _number(row["spearman"]),
        _number(row["r2"]),
        str(row["n"]),
    ]
    return cells if no_cost else [*cells, _seconds(row["cost_seconds"])]


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:+.3f}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0%}"


def _interval(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None or math.isnan(low) else f"[{low:+.2f}, {high:+.2f}]"


def _seconds(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s"
