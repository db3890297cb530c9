"""What the audits found in words, a cell or a line each: for tables on a terminal, cards and reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["change_in_words", "repeatability_in_words"]


def change_in_words(change: Mapping[str, Any] | None) -> str:
    """``invariant``, ``+35 %``, ``× 120``, ``within noise``, ``moves``; ``–`` where there is no change."""
    if change is None or change["verdict"] == "not applicable":
        return "–"
    relative = change.get("change")
    if change["verdict"] == "noise":
        return "within noise"
    if change["verdict"] != "moves" or relative is None:
        return change["verdict"]
    if relative >= 10:
        return f"× {1 + relative:.3g}"
    return f"{100 * relative:+.2g} %" if abs(relative) < 0.1 else f"{100 * relative:+.0f} %"


def repeatability_in_words(found: Mapping[str, Any]) -> str:
    """``spread across seeds 3.1 % of that across models (digits, 32 fits, 3 seeds), ICC 0.999``."""
    where = f"({found['suite']}, {found['fits']} fits, {found['repeats']} seeds)"
    if found["ratio"] is None:
        return f"no spread across models to compare with {where}"
    beyond = ", more than a tenth" if found["ratio"] > found["largest_ratio"] else ""
    share = f"spread across seeds {_percent(found['ratio'])} of that across models {where}{beyond}"
    return f"{share}, ICC {found['icc']:.4g}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"
