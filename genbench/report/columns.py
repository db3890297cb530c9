"""The columns of a ranking on a terminal: what each shows, and which of them a width has room for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from genbench.base.errors import UsageError, nearest
from genbench.ranking.board import rank_text
from genbench.ranking.ordering import as_claimed

if TYPE_CHECKING:
    from genbench.ranking import Board
    from genbench.report.drawn import Scale

__all__ = ["GAP", "Column", "chosen", "every", "fitting", "folded"]

Row = Mapping[str, Any]

GAP = 2
"""Spaces between columns."""

NARROWEST, READABLE, WIDEST = 11, 15, 31
"""Characters of a drawn interval: where room is short, before minor columns get any, and at most."""


@dataclass(frozen=True)
class Column:
    """One column: its name for ``--columns``, its title, and its text for a row.

    `width` is the least that it needs beside what its cells have; `of_csv` says that its numbers are those of
    the board, without the sign that a measure claims.
    """

    name: str
    title: str
    text: Callable[[Row], str]
    right: bool = True
    width: int = 0
    of_csv: bool = False

    def needs(self, rows: Sequence[Row]) -> int:
        """Characters that all its rows fit into."""
        return max(self.width, len(self.title), *(len(self.text(row)) for row in rows), 0)


def fitting(board: Board, rows: Sequence[Row], scale: Scale, width: int, no_cost: bool) -> list[Column]:
    """The columns that so many characters have room for, the more important ones first to get it.

    Rank, measure and score are always there; what remains widens the drawn intervals.
    """
    offered = _offered(board)
    wanted = [name for name in ["drawn", *board.better, *_BY_IMPORTANCE] if not (no_cost and name == "cost")]
    kept = ["rank", "measure", board.rank_by]
    used = offered["rank"].needs(rows) + min(offered["measure"].needs(rows), width // 2 + 1)
    used += offered[board.rank_by].needs(rows) + 2 * GAP
    drawing = NARROWEST
    for name in wanted:
        if name == _FIRST_MINOR:
            drawing = min(drawing + max(width - used, 0), READABLE)
            used += drawing - NARROWEST
        more = GAP + (NARROWEST if name == "drawn" else offered[name].needs(rows))
        if name not in kept and used + more <= width:
            kept.append(name)
            used += more
    drawing = min(drawing + max(width - used, 0), WIDEST)
    offered["drawn"] = _drawn(board, scale, drawing)
    return [offered[name] for name in offered if name in kept]


def chosen(board: Board, names: Sequence[str], scale: Scale) -> list[Column]:
    """Rank, measure and the columns named, in the order given: those of a terminal, or any of the board.

    Raises
    ------
    UsageError
        For a name that is neither.
    """
    offered = {**_offered(board), "drawn": _drawn(board, scale, WIDEST)}
    own = {name for row in (*board.rows, *board.controls) for name in row}
    for name in names:
        if name not in offered and name not in own:
            raise UsageError(f"no column '{name}'{nearest(name, [*offered, *sorted(own)])}")
    return [
        offered.get(name) or Column(name, name, _of_board(name), of_csv=True)
        for name in dict.fromkeys(["rank", "measure", *names])
    ]


def every(board: Board, no_cost: bool) -> list[Column]:
    """The columns of a pipe, whose width nobody knows: raw scores of the main statistics, as published.

    Statistics from elsewhere, which somebody asked for, stand behind them.
    """
    columns = [
        Column("rank", "rank", rank_text),
        Column("measure", "measure", lambda row: str(row["measure"]), right=False),
        Column("direction", "", lambda row: str(row["direction"] or "")),
        Column("psi", "psi", lambda row: _raw(row, "psi")),
        Column("psi_interval", "95 %", lambda row: _raw_interval(row, "psi")),
        Column("expected", "rerun", lambda row: _raw(row, "expected") if row["rank_low"] else ""),
        Column("p_top5", "top 5", lambda row: _share(row["p_top5"])),
        Column("tau", "tau", lambda row: _raw(row, "tau")),
        Column("tau_interval", "95 %", lambda row: _raw_interval(row, "tau")),
        Column("spearman", "spearman", lambda row: _raw(row, "spearman")),
        Column("r2", "R²", lambda row: _raw(row, "r2")),
        *(Column(name, name, partial(_raw, name=name)) for name in board.better),
        Column("n", "n", lambda row: str(row["n"])),
        Column("cost", "cost", lambda row: _seconds(row["cost_seconds"])),
    ]
    return [column for column in columns if not (no_cost and column.name == "cost")]


def folded(name: str, width: int) -> str:
    """A name in lines of so many characters, broken behind ``_``, ``,`` and before ``[`` where it can be."""
    lines = [""]
    for part in re.findall(r"\[?[^_,\[]*[_,]?", name):
        if len(lines[-1]) + len(part) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(lines)


_BY_IMPORTANCE = (
    "tau", "cost", "direction", "interval", "p_top5", "expected", "n", "spearman", "r2", "family",
)  # fmt: skip
_FIRST_MINOR = "direction"


def _offered(board: Board) -> dict[str, Column]:
    """Every column that a terminal may show, in the order in which they stand."""
    by, signed = board.rank_by, partial(_signed, better=board.better)
    columns = [
        Column("rank", "rank", lambda row: rank_text({**row, "held_out": False})),
        Column("measure", "measure", lambda row: str(row["measure"]), right=False),
        Column("direction", "±", lambda row: str(row["direction"] or "")),
        Column(by, by, lambda row: signed(row, by), width=5),
        Column("drawn", "", lambda row: "", right=False),
        Column("interval", "95 %", lambda row: _interval(row, by, board.better)),
        Column("expected", "rerun", lambda row: signed(row, "expected", as_column=by)),
        Column("p_top5", "top 5", lambda row: _share(row.get("p_top5", math.nan))),
        Column("tau", "tau", lambda row: signed(row, "tau")),
        Column("spearman", "spearman", lambda row: signed(row, "spearman")),
        Column("r2", "R²", lambda row: signed(row, "r2")),
        Column("n", "n", lambda row: str(row["n"])),
        Column("cost", "cost", lambda row: _seconds(row.get("cost_seconds"))),
        Column("family", "family", lambda row: str(row.get("family") or ""), right=False),
        *(Column(name, name, partial(signed, name=name)) for name in board.better if name != by),
    ]
    return {column.name: column for column in columns}


def _drawn(board: Board, scale: Scale, width: int) -> Column:
    by = board.rank_by

    def text(row: Row) -> str:
        sign = as_claimed(by, row["direction"], board.better)
        ends = sorted(sign * row.get(f"{by}_{end}", math.nan) for end in ("low", "high"))
        return scale.draw(sign * row[by], ends[0], ends[1], width)

    return Column("drawn", scale.ends(width), text, right=False, width=width)


def _of_board(name: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        value = row.get(name)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    return text


def _signed(row: Row, name: str, better: Mapping[str, float], as_column: str | None = None) -> str:
    """A score with the sign that the claim gives it; ``–`` where there is none."""
    value = row.get(name)
    if value is None or math.isnan(value):
        return "–" if as_column is None else ""
    return f"{as_claimed(as_column or name, row['direction'], better) * value + 0.0:+.2f}"  # no minus zero


def _interval(row: Row, name: str, better: Mapping[str, float]) -> str:
    sign = as_claimed(name, row["direction"], better)
    ends = sorted(sign * row.get(f"{name}_{end}", math.nan) + 0.0 for end in ("low", "high"))
    return "" if math.isnan(ends[0]) else f"[{ends[0]:+.2f}, {ends[1]:+.2f}]"


def _raw(row: Row, name: str) -> str:
    value = row[name]
    return "–" if value is None or math.isnan(value) else f"{value:+.3f}"


def _raw_interval(row: Row, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None or math.isnan(low) else f"[{low:+.2f}, {high:+.2f}]"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0%}"


def _seconds(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s"
