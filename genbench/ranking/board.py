"""The result of a ranking, and the formats it is written in."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.ranking.why import axis_verdicts

if TYPE_CHECKING:
    import pandas as pd

    from genbench.ranking.uncertainty import Uncertainty

__all__ = ["Board", "markdown_table", "rank_text", "strict"]

FORMAT = 1
"""Raised when a key of the JSON changes its meaning."""

COST_COLUMNS = ("cost_seconds",)


@dataclass(frozen=True)
class Board:
    """A ranking: one row per measure, best first, and what is needed to read it.

    Parameters
    ----------
    rows, controls : list of dict
        The measures in their order, and the controls in theirs. All have the same keys, in one order; a
        number that does not exist is NaN, a rank that does not exist None.
    target, rank_by : str
    axes : dict
        For each axis used, its number of levels and of groups (of a measure without missing values).
    summary : dict
        Counts of fits, configurations and seeds, and the settings of the ranking.
    null_band : dict
        For each statistic the interval that holds 95 % of measures drawn at random.
    ceiling : dict
        What a measure that knows the target without its noise would score: by source of noise, then
        statistic.
    survivors : dict
        Share of converged fits at each level of each axis.
    notes : list of str
        What a reader must know before trusting a number.
    uncertainty : Uncertainty, optional
        Of the column ranked by, raw, for the measures and controls named `columns`; None without intervals.
    columns : sequence of str
    bounds : pair of float
        Between which numbers the statistic ranked by lies.
    better : dict
        Columns of statistics from elsewhere that were computed of oriented values: +1 where larger is better,
        −1 where smaller is.
    """

    rows: list[dict[str, Any]]
    controls: list[dict[str, Any]]
    target: str
    rank_by: str
    axes: Mapping[str, Mapping[str, int]]
    summary: Mapping[str, Any]
    null_band: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ceiling: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    survivors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    uncertainty: Uncertainty | None = field(default=None, repr=False, compare=False)
    columns: Sequence[str] = field(default=(), repr=False, compare=False)
    bounds: tuple[float, float] = field(default=(-np.inf, np.inf), repr=False, compare=False)
    better: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, measure: str) -> dict[str, Any]:
        """The row of a measure or control."""
        for row in (*self.rows, *self.controls):
            if row["measure"] == measure:
                return row
        raise KeyError(measure)

    def ranked(self) -> list[dict[str, Any]]:
        """The rows that are ranked among all: held-out measures and those without a rank left out."""
        return [row for row in self.rows if row["rank_low"] is not None and not row["held_out"]]

    def oriented(
        self, column: str, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> tuple[np.ndarray, Uncertainty | None]:
        """A column of `ranked`, turned so that larger is better, and the uncertainty of the scores likewise.

        The column is the one ranked by, or what to expect of it on a rerun. Other `rows` of the board, of
        controls too, may be given.
        """
        from genbench.ranking.ordering import orientation

        rows = self.ranked() if rows is None else rows
        signs = np.array([orientation(self.rank_by, row["direction"], self.better) for row in rows])
        values = signs * np.array([row[column] for row in rows])
        if self.uncertainty is None:
            return values, None
        places = np.array([self.columns.index(row["measure"]) for row in rows], dtype=np.int64)
        every = np.zeros(len(self.columns))
        every[places] = signs
        return values, self.uncertainty.oriented(every, places)

    def why(self, measure: str) -> list[dict[str, Any]]:
        """On which axes a measure wins, on which it is reversed: see `genbench.ranking.why.axis_verdicts`."""
        return axis_verdicts(self[measure], self.axes)

    def to_frame(self, no_cost: bool = False) -> pd.DataFrame:
        """The rows as a pandas table, the controls below them with ``control`` true."""
        import pandas as pd

        return pd.DataFrame(
            [{**_without_cost(row, no_cost), "control": False} for row in self.rows]
            + [{**_without_cost(row, no_cost), "control": True} for row in self.controls]
        )

    def to_json(self, no_cost: bool = False) -> str:
        """Strict JSON (no NaN), the same bytes for the same table whatever the order of its rows."""
        content = {
            "format": FORMAT,
            "target": self.target,
            "rank_by": self.rank_by,
            "summary": self.summary,
            "axes": self.axes,
            "rows": [_without_cost(row, no_cost) for row in self.rows],
            "controls": [_without_cost(row, no_cost) for row in self.controls],
            "null_band": self.null_band,
            "ceiling": self.ceiling,
            "survivors": self.survivors,
            "notes": list(self.notes),
            **({"better": self.better} if self.better else {}),
        }
        return json.dumps(strict(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self, no_cost: bool = False) -> str:
        """Comma-separated rows, then controls; every digit, an empty cell where there is no number."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        keys = list(_without_cost((self.rows + self.controls)[0], no_cost))
        writer.writerow([*keys, "control"])
        for control, rows in (("false", self.rows), ("true", self.controls)):
            for row in rows:
                writer.writerow([*(_cell(row[key]) for key in keys), control])
        return text.getvalue()

    def to_markdown(self, no_cost: bool = False) -> str:
        """A table to read: the main columns, three digits, controls below, then the notes."""
        notes = "".join(f"\n- {_plain(note)}" for note in self.notes)
        return markdown_table(*self._printed(no_cost)) + notes + ("\n" if notes else "")

    def to_latex(self, no_cost: bool = False) -> str:
        """The same table for a paper, with the rules of the package booktabs."""
        header, body = self._printed(no_cost)
        lines = [rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule"]
        lines += [" & ".join(map(_latex, header)) + r" \\", r"\midrule"]
        for place, row in enumerate(body):
            if place == len(self.rows) and self.controls:
                lines.append(r"\midrule")
            lines.append(" & ".join(map(_latex, row)) + r" \\")
        notes = [f"% {' '.join(note.split())}" for note in self.notes]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *notes]) + "\n"

    def _printed(self, no_cost: bool) -> tuple[list[str], list[list[str]]]:
        spans = {"rank", "tau", "psi"}
        columns = ["measure", "direction", "rank", "n", "coverage", "psi", "tau"]
        columns += [f"psi_{axis}" for axis in self.axes]
        columns += ["cmi", "sign_error_mean", "sign_error_p90", "sign_error_max", "spearman", "r2"]
        columns += self.better
        columns += [] if no_cost else list(COST_COLUMNS)
        body = [
            [_span(row, column) if column in spans else _printed_cell(row, column) for column in columns]
            for row in (*self.rows, *self.controls)
        ]
        return columns, body


def _without_cost(row: Mapping[str, Any], no_cost: bool) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not (no_cost and key in COST_COLUMNS)}


def strict(content: Any) -> Any:
    """Content that JSON can hold: texts as keys, lists for tuples, null for NaN and infinities."""
    if isinstance(content, Mapping):
        return {str(key): strict(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [strict(each) for each in content]
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    return content


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    # What a spreadsheet would compute is text to it behind a quote; a direction alone is none.
    return f"'{text}" if len(text) > 1 and text[0] in "=+-@\t\r" and not isinstance(value, int) else text


def _short(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _printed_cell(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if column in COST_COLUMNS and isinstance(value, float) and math.isfinite(value):
        return f"{value:.3g}"  # from microseconds to minutes
    return _short(value)


def _span(row: Mapping[str, Any], column: str) -> str:
    """``0.412 [0.35, 0.47]``, or ``1–4`` for ranks."""
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    if column == "rank":
        return rank_text(row)
    if math.isnan(low):
        return _short(row[column])
    return f"{_short(row[column])} [{low:.2f}, {high:.2f}]"


def rank_text(row: Mapping[str, Any]) -> str:
    """``1–4``; ``held-out 1`` among the measures that are ranked apart."""
    low, high = row["rank_low"], row["rank_high"]
    apart = "held-out " if row["held_out"] else ""
    if low is None:
        return f"{apart}–"
    return f"{apart}{low}" if low == high else f"{apart}{low}–{high}"


def markdown_table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, the first column to the left, the others to the right; no cell is markup."""
    lines: list[Sequence[str]] = [[_plain(cell) for cell in header], [":--", *("--:" for _ in header[1:])]]
    lines += [[_plain(cell) for cell in row] for row in body]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _plain(text: str) -> str:
    """Text that stays in its cell and that no reader of Markdown takes for HTML."""
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "\\`")):
        text = text.replace(sign, written)
    return " ".join(text.split())


LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{sign: rf"\{sign}" for sign in "_%&#${}"},
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "–": "--",
        "\n": " ",
    }
)


def _latex(text: str) -> str:
    return text.translate(LATEX)
