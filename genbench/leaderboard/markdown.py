"""The leaderboard as Markdown, for the front page of a repository; what entries brought in is only text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genbench.base.names import CORE
from genbench.ranking.board import rank_text
from genbench.report.page import milliseconds, percent, signed
from genbench.report.standing import SMALL_SHARE

__all__ = ["as_markdown", "escaped", "is_small"]

TEMPLATES = Path(__file__).parent / "templates"

HEADS = {
    "ranked": "",
    "held-out": "uses held-out data",
    "unranked": "no rank",
    "control": "control",
}

NUMBERS = frozenset(
    ["entries", "incomplete", "fits", "failed", "measures", "pairs told apart", "beats", "rank", "score"]
) | {"rerun", "top 5", "τ", "ms", "mean", "between", "worst"}
"""Columns that are aligned to the right."""

FIRST = 10
"""Rows of the summary over suites that are not folded away."""

SHOWN = 30
"""Rows of a ranking, beside its controls, that are not folded away."""

INTRODUCTION = """\
# Generalization measures, ranked

Which number, computed from a trained network and its training data alone, tells how well that network will do
on data it has not seen? Every rank below is computed anew by `genbench leaderboard build` from the records of
the entries in [`entries/`](entries). The same tables: [page](index.html), [CSV](leaderboard.csv),
[JSON](leaderboard.json).
"""


def as_markdown(content: Mapping[str, Any]) -> str:
    """The tables of a leaderboard, an overview first."""
    parts = [INTRODUCTION]
    if content["across"]:
        parts.append(_across(content["across"]))
    parts.append(_overview(content["tables"]))
    parts += [_table(each) for each in content["tables"]]
    texts = [(TEMPLATES / name).read_text(encoding="utf-8") for name in ("legend.md", "submit.md")]
    return "\n".join([*parts, *texts])


def _across(found: Mapping[str, Any]) -> str:
    """The summary over suites, its first rows open."""
    suites = found["suites"]
    header = ["measure", "rank", "mean", "95 %", "between", "worst", "beats", *suites]
    body = [_over_suites(row) for row in found["rows"]]
    lines = [
        f"## Over {len(suites)} suites: {escaped(found['target'])}",
        "",
        " ".join(map(escaped, found["answer"])),
        "",
        "**Mean** is the random-effects summary of the scores over suites with its 95 % interval, "
        "**between** the standard deviation of true scores from suite to suite, **worst** the lowest score, "
        "**beats** in how many suites the measure scores above the hyperparameters alone.",
        "",
        _grid(header, body[:FIRST]),
    ]
    if body[FIRST:]:
        rest = _grid(header, body[FIRST:])
        lines.append(
            f"<details><summary>{len(body) - FIRST} other measures</summary>\n\n{rest}\n</details>\n"
        )
    return "\n".join([*lines, *(f"- {escaped(each)}" for each in found["notes"]), ""])


def _over_suites(row: Mapping[str, Any]) -> list[str]:
    low, high = row["mean_low"], row["mean_high"]
    return [
        escaped(row["measure"]),
        rank_text({**row, "held_out": False}),
        signed(row["mean"]),
        "" if low is None else f"{signed(low)} … {signed(high)}",
        "" if row["between"] is None else f"{row['between']:.2f}",
        f"{signed(row['worst'])} ({escaped(row['worst_suite'])})",
        f"{row['beats']} of {row['suites']}",
        *("missing" if each is None else signed(each) for each in row["scores"].values()),
    ]


def is_small(board: Mapping[str, Any]) -> bool:
    """Whether fewer of the pairs are told apart than a ranking needs."""
    known = board["apart"] is not None
    return board["pairs"] == 0 or (known and board["apart"] < SMALL_SHARE * board["pairs"])


def _overview(tables: Sequence[Mapping[str, Any]]) -> str:
    if not tables:
        return "There are no entries yet.\n"
    body = []
    for table in tables:
        first = next(iter(table["targets"].items()), None)
        body.append(
            [
                f"[{escaped(table['suite'])} {table['version']}](#{_anchor(table)})",
                str(len(table["entries"])),
                str(len(table["below"])),
                *(_counts(*first) if first else ["–"] * 5),
            ]
        )
    header = ["suite", "entries", "incomplete", "target", "fits", "measures", "pairs told apart", "verdict"]
    return _grid(header, body)


def _counts(target: str, board: Mapping[str, Any]) -> list[str]:
    return [
        escaped(target),
        str(board["fits"]),
        str(board["ranked"]),
        f"{'not known' if board['apart'] is None else board['apart']} of {board['pairs']}",
        "**too small to rank**" if is_small(board) else "ranked",
    ]


def _anchor(table: Mapping[str, Any]) -> str:
    return f"suite-{table['identity'][:12]}"


def _table(table: Mapping[str, Any]) -> str:
    lines = [f'<a id="{_anchor(table)}"></a>', ""]
    lines += [f"## {escaped(table['suite'])}, version {table['version']}", "", escaped(table["title"]), ""]
    if table["own"]:
        lines += ["A submitter's own suite: it does not come with genbench.", ""]
    if table["superseded"]:
        lines += [f"Superseded: {escaped(table['superseded'])}.", ""]
    if table["entries"]:
        lines += [_entries(table["entries"])]
    for place, (target, board) in enumerate(table["targets"].items()):
        lines += _folded(target, board, table, is_open=place == 0)
    for target, why in table["refused"].items():
        lines += [f"No ranking for {escaped(target)}: {escaped(why)}", ""]
    lines += [f"- {escaped(each)}" for each in table["notes"]]
    if table["below"]:
        lines += ["", "### Below the line: incomplete entries", ""]
    for entry in table["below"]:
        lines += [_entries([entry])]
        lines += [f"- {escaped(each)}" for each in entry["reasons"]] + [""]
        for target, board in entry["targets"].items():
            lines += _folded(f"{target}, by these fits alone", board, entry, is_open=False)
    return "\n".join(lines) + "\n"


def _entries(entries: Sequence[Mapping[str, Any]]) -> str:
    header = [
        "entry",
        "submitter",
        "fits",
        "failed",
        "measures",
        "checked",
        "rerun",
        "by",
        "machine",
        "genbench",
    ]
    warnings = [f"- {escaped(each['name'])}: {escaped(why)}" for each in entries for why in each["warnings"]]
    table = _grid(
        header,
        [
            [
                escaped(_name(each)),
                escaped(each["submitter"]),
                str(each["fits"]),
                str(each["failures"]),
                str(each["computed"]),
                each["badge"],
                f"{each['rerun']} of {each['fits']} fits" if each["rerun"] else "none",
                escaped(", ".join(each["attesters"])),
                escaped("; ".join(each["machines"])),
                escaped(each["genbench"]),
            ]
            for each in entries
        ],
    )
    return "\n".join([table, *warnings, ""]) if warnings else table


def _name(entry: Mapping[str, Any]) -> str:
    return f"{entry['name']} (joins {entry['joins']})" if entry.get("joins") else entry["name"]


def _folded(target: str, board: Mapping[str, Any], table: Mapping[str, Any], *, is_open: bool) -> list[str]:
    small = " – too small to rank" if is_small(board) else ""
    title = f"{escaped(target)}{small}"
    apart, more, pairs = board["apart"], board["apart_with_four_times"], board["pairs"]
    facts = (
        f"{board['fits']} networks, {board['configurations']} configurations, "
        f"{board['ranked']} measures ranked. "
    )
    if apart is None:
        facts += "Without intervals it is not known which of them are told apart."
    else:
        facts += (
            f"Intervals are of {board['interval']}. They tell {apart} of {pairs} pairs apart "
            f"({percent(apart, pairs)}); half as wide, as with four times as many of what they are over, it "
            f"would be {more} ({percent(more, pairs)})."
        )
    if is_small(board):
        facts = f"**Too small to rank.** {facts} Read the ranges of ranks, not the order of the rows."
    body = [" ".join(map(escaped, board["answer"])), "", facts, "", _ranking(board, table["measures"])]
    body += [f"- {escaped(each)}" for each in board["notes"]]
    if is_open:
        return [f"### Target: {title}", "", *body, ""]
    return [f"<details><summary>Target: {title}</summary>", "", *body, "", "</details>", ""]


def _ranking(board: Mapping[str, Any], measures: Mapping[str, Mapping[str, Any]]) -> str:
    header = ["measure", "rank", "score", "95 %", "rerun", "top 5", "τ", "CMI", "±"]
    header += ["family", "fits", "ms", "class", "plugin"]
    first, rest = board["rows"][:SHOWN], board["rows"][SHOWN:]
    others = [each for each in rest if each["group"] != "control"]
    shown, folded = (
        _grid(header, [_row(each, measures.get(each["measure"], {})) for each in part])
        for part in ([*first, *(each for each in rest if each["group"] == "control")], others)
    )
    if not others:
        return shown
    return f"{shown}\n<details><summary>{len(others)} other measures</summary>\n\n{folded}\n</details>\n"


def _row(row: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    interval = (
        f"{signed(row['score_low'])} … {signed(row['score_high'])}" if row["score_low"] is not None else ""
    )
    rank = rank_text({**row, "held_out": row["group"] == "held-out"})
    return [
        escaped(row["measure"]) + (f" ({HEADS[row['group']]})" if HEADS[row["group"]] else ""),
        rank,
        signed(row["score"]),
        interval,
        signed(row["expected"]) if row["expected"] is not None else "",
        f"{row['p_top5']:.0%}" if row["p_top5"] is not None else "",
        signed(row["tau"]),
        signed(row["cmi"], 3),
        {"-": "−"}.get(row["direction"], row["direction"]),
        escaped(row["family"] or ""),
        str(row["n"]),
        "".join(milliseconds(row["seconds"])),
        known.get("cost_class", ""),
        _plugin(known),
    ]


def _plugin(known: Mapping[str, Any]) -> str:
    if not known or known["plugin"] == CORE:
        return ""
    return escaped(f"{known['plugin']} {known['plugin_version']}".strip())


def _grid(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [header, ["--:" if each in NUMBERS else ":--" for each in header], *body]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


# Signs that Markdown or HTML give a meaning; as entities they have none.
ACTIVE = re.compile(r"[&<>|`*\[\]()#!~\\@$]|(?<!\w)_|_(?!\w)|://|^[-+=]")


def escaped(text: str) -> str:
    """Any text in one line, such that Markdown shows it as it is."""
    line = " ".join(str(text).split())
    return ACTIVE.sub(lambda found: "".join(f"&#{ord(sign)};" for sign in found.group()), line)
