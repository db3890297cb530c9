"""A ranking on a terminal: its answer in words, then the rows that matter, as wide as the window is."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from genbench.ranking.answer import answer
from genbench.ranking.legend import INTERVAL_OF, meaning
from genbench.ranking.ordering import as_claimed
from genbench.report.columns import GAP, Column, chosen, every, fitting, folded
from genbench.report.drawn import Scale, scale_of
from genbench.report.terminal import console, escaped

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod

    from genbench.ranking import Board

__all__ = ["TOP", "Section", "print_ranking", "sections"]

TOP = 20
"""How many measures a terminal shows first."""

NARROWEST_NAME = 12
HELD_OUT = 3
"""How many of those that are ranked apart stand below them."""


@dataclass(frozen=True)
class Section:
    """Rows of a table that belong together, under a title or none."""

    title: str
    rows: Sequence[dict[str, Any]]


def print_ranking(
    board: Board,
    title: str,
    no_cost: bool = False,
    top: int | None = None,
    whole: bool = False,
    columns: Sequence[str] | None = None,
    source: str = "",
) -> None:
    """Print the answer of a ranking in sentences, then its table, then what to know of both.

    On a terminal the table has as many columns as there is room for, scores with the sign that the measure
    claims, and the first rows, the best of each other family and the controls. Elsewhere it is whole.

    Parameters
    ----------
    board : Board
    title : str
    no_cost : bool
        Leave out times.
    top : int, optional
        How many measures to show first: by default `TOP` on a terminal, all elsewhere.
    whole : bool
        Show every row.
    columns : sequence of str, optional
        Show these, see `genbench.report.columns.chosen`.
    source : str
        What was ranked, as it is to be written in ``genbench rank SOURCE --all``.

    Raises
    ------
    UsageError
        A column does not exist.
    """
    screen = console()
    if top is None and screen.is_terminal and not whole:
        top = TOP
    shown = sections(board, top)
    rows = [row for section in shown for row in section.rows]
    scale = _scale(board, rows)
    if columns is not None:
        picked = chosen(board, columns, scale)
    elif screen.is_terminal:
        picked = fitting(board, rows, scale, screen.width, no_cost)
    else:
        picked = every(board, no_cost)
    screen.print(escaped(title), style="bold", soft_wrap=True)
    for sentence in answer(board):
        _paragraph(screen, sentence, first="- ", rest="  ")
    screen.print()
    _print_table(screen, shown, picked)
    left_out = len(board.rows) + len(board.controls) - len(rows)
    if left_out:
        hint = f": genbench rank {source} --all" if source else ""
        more = "measure" if left_out == 1 else "measures"
        screen.print(f"and {left_out} more {more}{hint}", style="bold", markup=False, soft_wrap=True)
    raw = columns is None and not screen.is_terminal
    for line in [*_legend(board, picked, raw), *(f"note: {note}" for note in board.notes)]:
        _paragraph(screen, line, "dim", rest="  ")


def sections(board: Board, top: int | None) -> list[Section]:
    """The rows to show: the first `top`, the best of each other family, the best held-out ones, the controls.

    Without `top` all of them: ranked among all, ranked apart, without a rank, controls.
    """
    ranked = board.ranked()
    apart = [row for row in board.rows if row["held_out"] and row["rank_low"] is not None]
    unranked = [row for row in board.rows if row["rank_low"] is None]
    if top is None:
        found = [Section("", ranked), Section("", apart), Section("", unranked)]
    else:
        first = (ranked or unranked)[:top]
        found = [
            Section("", first),
            Section("best of every other family", _best_of_families(ranked, first)),
            Section("ranked apart (held-out data)", apart[: min(top, HELD_OUT)]),
        ]
    return [each for each in [*found, Section("controls" if top else "", board.controls)] if each.rows]


def _best_of_families(
    ranked: Sequence[dict[str, Any]], first: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    seen = {row.get("family") for row in first} | {None, ""}
    found = []
    for row in ranked:
        if row.get("family") not in seen:
            seen.add(row["family"])
            found.append(row)
    return found


def _scale(board: Board, rows: Sequence[dict[str, Any]]) -> Scale:
    by, low = board.rank_by, float("nan")
    numbers = [
        as_claimed(by, row["direction"], board.better) * row.get(name, low)
        for row in rows
        for name in (by, f"{by}_low", f"{by}_high")
    ]
    return scale_of(numbers, board.null_band.get(by, (low, low)))


def _print_table(screen: Console, shown: Sequence[Section], columns: Sequence[Column]) -> None:
    terminal = screen.is_terminal
    table = Table(
        box=None if terminal else box.SIMPLE_HEAD,
        padding=(0, GAP, 0, 0) if terminal else (0, 1),
        pad_edge=False,
    )
    rows = [row for section in shown for row in section.rows]
    for column in columns:
        justify: JustifyMethod = "right" if column.right else "left"
        style = "cyan" if column.name == "drawn" else ""
        table.add_column(column.title, justify=justify, no_wrap=True, style=style)
    widths = {column.name: column.needs(rows) for column in columns}
    gaps = (GAP if terminal else 3) * len(columns)
    if terminal:
        others = sum(widths.values()) - widths["measure"] + gaps - GAP
        widths["measure"] = min(widths["measure"], max(screen.width - others, NARROWEST_NAME))

    def add(texts: Mapping[str, str], style: str = "") -> None:
        name = folded(texts["measure"], widths["measure"])
        cells = {**dict.fromkeys(widths, ""), **texts, "measure": name}
        table.add_row(*map(escaped, cells.values()), style=style)

    for section in shown:
        if section.title and terminal:
            table.add_row()
            add({"measure": section.title}, "dim italic")
        for row in section.rows:
            add({column.name: column.text(row) for column in columns})
        table.add_section()
    # Rows that are wider than they may be, by columns that were asked for, are broken by the terminal alone.
    screen.width = max(screen.width, sum(widths.values()) + gaps - GAP)
    screen.print(table)


def _paragraph(screen: Console, text: str, style: str | None = None, first: str = "", rest: str = "") -> None:
    """A text that a terminal gets in lines, indented as told, and a pipe whole."""
    if screen.is_terminal:
        text = textwrap.fill(
            text, screen.width - 1, initial_indent=first, subsequent_indent=rest, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
    screen.print(escaped(text), style=style if screen.is_terminal else None, soft_wrap=True)


def _legend(board: Board, columns: Sequence[Column], raw: bool) -> list[str]:
    """What the columns that are there mean."""
    by, names = board.rank_by, {column.name for column in columns}
    axes = f"{len(board.axes)} {'axis' if len(board.axes) == 1 else 'axes'}"
    what = f"mean over {axes} of Kendall's tau among fits that differ in that axis alone"
    if by != "psi" and not raw:
        what = (meaning(by) or "").partition("; ")[0]
    first = [f"{by}: {what}, times the direction that a measure claims"] * (by not in board.better)
    if raw:
        first = [f"psi: {what}, raw: below 0 is right for a measure that claims -"]
    elif "tau" in names - {by}:
        first.append("tau: over all pairs of fits")
    lines = ["; ".join(first), *_of_better(board, names)]
    of_csv = [column.name for column in columns if column.of_csv]
    if of_csv and any(row["direction"] == "-" for row in board.rows):
        lines.append(f"as --csv has them, without that sign: {', '.join(of_csv)}")
    told = f"95 % intervals{'' if raw else ' (drawn)'} and ranks: of"
    if board.summary["interval"]:
        lines.append(f"{told} {INTERVAL_OF[board.summary['interval']]}")
        if "expected" in names:
            lines[-1] += f"; rerun: the {by} to expect then"
        if "p_top5" in names:
            lines[-1] += "; top 5: how probably the measure is one of the best five"
    if "drawn" in names and by in board.null_band:
        lines.append("░: where 95 % of random measures are")
    return lines


def _of_better(board: Board, names: Collection[str]) -> list[str]:
    """What statistics from elsewhere are."""
    ends = {name: "larger" if end > 0 else "smaller" for name, end in board.better.items() if name in names}
    return [f"{name}: of values times the direction claimed; {end} is better" for name, end in ends.items()]
