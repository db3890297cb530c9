"""Why a measure stands where it does: axis by axis, and whether it is a hyperparameter in disguise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["axis_verdicts"]

SIGNS = {"+": 1, "-": -1, "?": 1}


def axis_verdicts(row: Mapping[str, Any], axes: Iterable[str]) -> list[dict[str, Any]]:
    """One dict per axis: ``axis``, ``psi``, ``low``, ``high``, ``groups``, ``verdict``.

    The verdict, with the measure's direction: ``wins`` where the interval lies above zero, ``reversed`` where
    it lies below, ``silent`` where it holds zero or the measure does not change along the axis, ``unknown``
    without groups; without intervals the sign of ψ decides. For a measure without direction ``wins`` means
    that it rises with the target.

    Parameters
    ----------
    row : mapping
        A row of a board.
    axes : iterable of str
    """
    sign = SIGNS[row["direction"]]
    verdicts = []
    for axis in axes:
        psi = row[f"psi_{axis}"]
        low, high = row.get(f"psi_{axis}_low", math.nan), row.get(f"psi_{axis}_high", math.nan)
        known = (psi, psi) if math.isnan(low) else (low, high)
        smallest, largest = sorted(sign * bound for bound in known)
        if math.isnan(psi):
            verdict = "unknown"
        elif smallest > 0:
            verdict = "wins"
        elif largest < 0:
            verdict = "reversed"
        else:
            verdict = "silent"
        verdicts.append(
            {
                "axis": axis,
                "psi": psi,
                "low": low,
                "high": high,
                "groups": int(row.get(f"groups_{axis}", 0)),
                "verdict": verdict,
            }
        )
    return verdicts
