"""Where each measure stands for one target: a board made ready to be shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genbench.ranking.answer import SMALL_SHARE, answer
from genbench.ranking.legend import INTERVAL_OF, meaning
from genbench.report.numbers import rounded

if TYPE_CHECKING:
    from genbench.ranking import Board

__all__ = ["SMALL_SHARE", "standing"]

SIGNS = {"+": 1.0, "-": -1.0, "?": 1.0}
DIGITS = 3


def standing(board: Board) -> dict[str, Any]:
    """A board in plain data.

    Returns
    -------
    dict
        ``rows``: those of the board, in its order, then the controls; each has ``measure``, ``group``
        (``ranked``, ``held-out``, ``unranked`` or ``control``), ``direction``, ``family``, ``rank_low``,
        ``rank_high``; times the direction: psi as ``score``, ``score_low``, ``score_high``, what to expect
        of it on a rerun as ``expected``, then ``tau`` and ``cmi``; ``p_best``, ``p_top5``, ``r2``, ``n``,
        ``coverage``, ``status``, ``reason``, ``seconds``, ``tracks``; and ``pareto``, whether no ranked
        measure is both cheaper and better.

        ``statistics``: for each number of the board its ``name``, its ``meaning`` and, in the order of
        the rows, ``value``, ``low`` and ``high``, raw. ``axes``: the granulated tau along each likewise,
        times the direction. ``band``: what holds the scores of 95 % of random measures. ``ceiling``: the
        score of a measure that knows the target without its noise, by source of noise.

        ``ranked``: measures ranked; ``pairs``: pairs of them; ``apart`` and ``apart_with_four_times``: how
        many of those are told apart, and would be by intervals half as wide, None without intervals;
        ``answer``: what the board says, in sentences, see `genbench.ranking.answer.answer`.
        ``interval``: what intervals are of, in words, empty without. ``target``, ``fits``,
        ``configurations``, ``seeds`` and ``notes`` of the board.
    """
    rows = [_row(row, False) for row in board.rows] + [_row(row, True) for row in board.controls]
    for name in _pareto(rows):
        rows[name]["pareto"] = True
    ranked = [row for row in rows if row["group"] == "ranked"]
    low, high = board.null_band.get("psi", (math.nan, math.nan))
    sources = [*board.rows, *board.controls]
    return {
        "target": board.target,
        "answer": answer(board),
        "rows": rows,
        "statistics": _statistics(sources, board.axes),
        "axes": [
            {
                "axis": axis,
                "levels": levels["levels"],
                "groups": [_whole(row.get(f"groups_{axis}")) for row in sources],
                **_oriented_columns(sources, f"psi_{axis}"),
            }
            for axis, levels in board.axes.items()
        ],
        "band": [rounded(low, DIGITS), rounded(high, DIGITS)],
        "ceiling": {
            name: rounded(each["psi"], DIGITS) for name, each in board.ceiling.items() if "psi" in each
        },
        "ranked": len(ranked),
        "pairs": len(ranked) * (len(ranked) - 1) // 2,
        "apart": board.summary["pairs"].get("apart"),
        "apart_with_four_times": board.summary["pairs"].get("apart_with_four_times"),
        "interval": INTERVAL_OF.get(board.summary["interval"], ""),
        "fits": board.summary["ranked"],
        "configurations": board.summary["configurations"],
        "seeds": board.summary["seeds"],
        "notes": list(board.notes),
    }


def _row(row: Mapping[str, Any], control: bool) -> dict[str, Any]:
    if control:
        group = "control"
    elif row["rank_low"] is None:
        group = "unranked"
    else:
        group = "held-out" if row["held_out"] else "ranked"
    score, low, high = _oriented(row, "psi")
    return {
        "measure": row["measure"],
        "group": group,
        "direction": row["direction"],
        "family": row["family"],
        "rank_low": row["rank_low"],
        "rank_high": row["rank_high"],
        "score": rounded(score),
        "score_low": rounded(low),
        "score_high": rounded(high),
        "expected": rounded(SIGNS[row["direction"]] * row["expected"]),
        "p_best": rounded(row["p_best"], DIGITS),
        "p_top5": rounded(row["p_top5"], DIGITS),
        "tau": rounded(_oriented(row, "tau")[0]),
        "cmi": rounded(_oriented(row, "cmi")[0]),
        "r2": rounded(row["r2"]),
        "n": row["n"],
        "coverage": rounded(row["coverage"]),
        "status": row["status"],
        "reason": row["reason"],
        "seconds": rounded(row["cost_seconds"]),
        "tracks": row.get("tracks") or "",
        "pareto": False,
    }


def _oriented(row: Mapping[str, Any], name: str) -> tuple[float, float, float]:
    """A statistic and its interval, times the direction that the measure claims."""
    sign = SIGNS[row["direction"]]
    bounds = sorted(sign * row.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
    return sign * row[name], bounds[0], bounds[1]


def _oriented_columns(rows: list[dict[str, Any]], name: str) -> dict[str, list[Any]]:
    triples = [_oriented(row, name) for row in rows]
    return {
        part: [rounded(each[place], DIGITS) for each in triples]
        for place, part in enumerate(("value", "low", "high"))
    }


def _whole(value: float | None) -> int | None:
    return None if value is None or math.isnan(value) else int(value)


def _pareto(rows: list[dict[str, Any]]) -> list[int]:
    """Places of the ranked measures of which none is both cheaper and better."""
    candidates = [
        (row["seconds"], -row["score"], place)
        for place, row in enumerate(rows)
        if row["group"] == "ranked" and isinstance(row["seconds"], float | int) and row["score"] is not None
    ]
    best, found = math.inf, []
    for _, loss, place in sorted(candidates):
        if loss < best:
            best = loss
            found.append(place)
    return found


def _statistics(rows: list[dict[str, Any]], axes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A column for each number that the board has of a measure, raw as published, with its interval."""
    own = {f"{prefix}_{axis}" for axis in axes for prefix in ("psi", "groups")}
    known = {name for row in rows for name, value in row.items() if isinstance(value, float)}
    left_out = own | {"coverage", "cost_seconds"}
    names = [
        name
        for name in rows[0]
        if name in known - left_out
        and not (name.endswith(("_low", "_high", "_se")) and name.rpartition("_")[0] in rows[0])
    ]
    return [
        {
            "name": name,
            "meaning": meaning(name) or "",
            "value": [rounded(_float(row.get(name)), DIGITS) for row in rows],
            "low": _ends(rows, f"{name}_low"),
            "high": _ends(rows, f"{name}_high"),
        }
        for name in names
    ]


def _ends(rows: list[dict[str, Any]], name: str) -> list[Any] | None:
    return [rounded(_float(row.get(name)), DIGITS) for row in rows] if name in rows[0] else None


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, float | int) else None
