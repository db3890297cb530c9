"""When a rerun came out as an entry says: to the bit on the same class of machine, nearly so elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["EXACT", "LOOSE", "Tolerance", "pair_agrees"]


@dataclass(frozen=True)
class Tolerance:
    """How far a rerun may be from what an entry says.

    Attributes
    ----------
    error : float
        Difference of error rates.
    relative : float
        Difference of losses and of values of measures, as a share of the larger.
    share : float
        Share of the values of measures that must agree; all errors and losses must.
    """

    error: float
    relative: float
    share: float

    def agrees(self, name: str, recorded: float, found: float) -> bool:
        """Whether two numbers agree; NaN agrees with NaN."""
        if recorded == found or (recorded != recorded and found != found):
            return True
        if name.endswith("_error"):
            return abs(recorded - found) <= self.error
        return abs(recorded - found) <= self.relative * max(abs(recorded), abs(found))


EXACT = Tolerance(0.0, 0.0, 1.0)
"""On the same class of machine."""

LOOSE = Tolerance(0.03, 0.25, 0.9)
"""Elsewhere: training multiplies the last bit, so that other weights are reached that are as good."""


def pair_agrees(pair: Mapping[str, Any], tolerance: Tolerance) -> bool:
    """Whether what an attestation compared agrees by another tolerance than its own, and by its own word.

    Its own word is needed too: where there is no number on either side, it alone knows the reasons.
    """
    recorded, found = (math.nan if pair[name] is None else pair[name] for name in ("recorded", "found"))
    return pair["agrees"] and tolerance.agrees(pair["name"], recorded, found)
