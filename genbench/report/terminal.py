"""Rankings and lists as tables on a terminal, or as plain text where there is none."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from genbench.ranking import Board

__all__ = ["print_ranking", "print_rows"]

# Wide enough for the ranking where the output is a file or a pipe, whose width nobody knows.
PIPE_WIDTH = 140


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


def _escaped(text: str) -> str:
    """Names may hold brackets, which rich would read as markup."""
    from rich.markup import escape

    return escape(text)


def print_ranking(board: Board, title: str, no_cost: bool = False, top: int | None = None) -> None:
    """Print a ranking: measures with their intervals, the controls below the line, then the notes."""
    axes = list(board.axes)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("measure", overflow="fold", max_width=40)
    for name in ("", "psi", "95 %", "tau", "95 %", "spearman", "R²", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    if not no_cost:
        table.add_column("cost", justify="right", no_wrap=True)
    sections = (board.rows[:top], board.controls)
    for number, rows in enumerate(sections):
        for row in rows:
            table.add_row(*_cells(row, no_cost), style="dim" if number else None)
        if number == 0:
            table.add_section()
    console = _console()
    console.print(table)
    console.print(
        f"psi: mean over {len(axes)} axes of Kendall's tau among fits that differ in that axis alone"
    )
    for note in board.notes:
        console.print(_escaped(f"note: {note}"), soft_wrap=True)


def _cells(row: Mapping[str, Any], no_cost: bool) -> list[str]:
    low, high = row["rank_low"], row["rank_high"]
    rank = "–" if low is None else str(low) if low == high else f"{low}–{high}"
    cells = [
        rank,
        _escaped(row["measure"]),
        str(row["direction"] or ""),
        _number(row["psi"]),
        _interval(row, "psi"),
        _number(row["tau"]),
        _interval(row, "tau"),
        _number(row["spearman"]),
        _number(row["r2"]),
        str(row["n"]),
    ]
    return cells if no_cost else [*cells, _seconds(row["cost_seconds"])]


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:+.3f}"


def _interval(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None or math.isnan(low) else f"[{low:+.2f}, {high:+.2f}]"


def _seconds(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s"
