"""The fits of a run as a page shows them: their levels on each axis, how training ended and went."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

from genbench.planning.axes import ABSENT
from genbench.report.numbers import rounded, thinned

__all__ = ["axis_columns", "curves", "endings"]

CONVERGED = "target"
FAILED = "failed"
# All curves together hold about so many points: enough to be smooth, few enough to travel.
POINTS = 24_000
CURVE_DIGITS = 3


def axis_columns(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """For each axis its name, its levels in order as texts, and the level of each fit as a number."""
    found = []
    for axis, values in columns.items():
        levels = sorted(set(values), key=_order)
        codes = {level: code for code, level in enumerate(levels)}
        found.append(
            {
                "axis": axis,
                "levels": [_shown(each) for each in levels],
                "codes": [codes[each] for each in values],
            }
        )
    return found


def _order(level: Any) -> tuple[int, float, str]:
    """Numbers before texts, the absent level first."""
    if level == ABSENT:
        return 0, 0.0, ""
    if isinstance(level, bool | int | float):
        return 1, float(level), ""
    return 2, 0.0, str(level)


def _shown(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def endings(columns: Mapping[str, Sequence[Any]], ended: Sequence[str]) -> dict[str, Any]:
    """How training ended, in total and at each level of each axis.

    Parameters
    ----------
    columns : mapping
        The level of each trial on each axis, failed trials included.
    ended : sequence of str
        Why training stopped, by trial: ``target`` for those that converged, ``failed`` without a fit.

    Returns
    -------
    dict
        ``reasons``, those that occur, converged first and failed last; ``total``, a count for each;
        ``axes``, for each axis its levels with ``level``, ``trials`` and ``counts``.
    """
    others = sorted(set(ended) - {CONVERGED, FAILED})
    reasons = [CONVERGED, *others, *([FAILED] if FAILED in ended else [])]
    axes = []
    for axis in axis_columns(columns):
        levels = []
        for code, level in enumerate(axis["levels"]):
            there = [reason for at, reason in zip(axis["codes"], ended, strict=True) if at == code]
            counts = collections.Counter(there)
            levels.append(
                {"level": level, "trials": len(there), "counts": [counts[each] for each in reasons]}
            )
        axes.append({"axis": axis["axis"], "levels": levels})
    total = collections.Counter(ended)
    return {"reasons": reasons, "total": [total[each] for each in reasons], "axes": axes}


def curves(histories: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    """``epoch``, ``train_loss`` and ``train_error``: a list for each fit, thinned to what can be seen."""
    most = min(60, max(12, POINTS // max(1, len(histories))))
    found: dict[str, Any] = {"epoch": [], "train_loss": [], "train_error": []}
    for history in histories:
        chosen = thinned(len(history.get("epoch", ())), most)
        for name in found:
            series = history.get(name, ())
            found[name].append(
                [rounded(series[place], CURVE_DIGITS) for place in chosen] if len(series) else []
            )
    return found
