"""Numbers made small enough to travel in a page and still draw the same picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

__all__ = ["column", "rounded", "thinned"]

INFINITIES = {math.inf: "inf", -math.inf: "-inf"}
# A figure is about a thousand pixels wide: half a pixel is never seen.
VISIBLE = 2_000


def rounded(value: float | None, digits: int = 4) -> float | int | str | None:
    """A number with so many significant digits; None for NaN, ``inf`` and ``-inf`` as texts."""
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return INFINITIES[value]
    short = float(f"{value:.{digits - 1}e}")
    if math.isinf(short):  # the largest numbers there are
        return value
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def column(values: Iterable[float]) -> list[float | int | str | None]:
    """The values of one measure, with as many digits as their spread needs and at least four."""
    numbers = [float(each) for each in values]
    finite = [each for each in numbers if math.isfinite(each)]
    digits = 4
    if finite and min(finite) < max(finite):
        largest = max(map(abs, finite))
        # In shares of the largest, so that nothing overflows.
        spread = max(finite) / largest - min(finite) / largest
        # Rounding to d digits moves a number by at most 5 units of the place behind the last.
        digits = min(17, max(4, math.ceil(math.log10(5 * VISIBLE / spread)))) if spread > 0 else 17
    return [rounded(each, digits) for each in numbers]


def thinned(count: int, most: int) -> Sequence[int]:
    """At most so many of the indices 0 to count − 1, evenly spaced, both ends among them."""
    if count <= most:
        return range(count)
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]
