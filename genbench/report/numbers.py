"""Numbers made small enough to travel in a page and still draw the same picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["column", "rounded", "thinned"]

INFINITIES = {math.inf: "inf", -math.inf: "-inf"}
# A figure is about a thousand pixels wide: half a pixel is never seen.
VISIBLE = 2_000
# Significant digits up to which a product by a power of ten errs by less than a millionth of the last one.
SAFE_DIGITS = 9
# Powers of ten up to this one are exact.
EXACT_POWER = 22


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
    import numpy as np

    numbers = np.array([float(each) for each in values])
    finite = numbers[np.isfinite(numbers)]
    digits = 4
    if len(finite) and (least := float(finite.min())) < (most := float(finite.max())):
        largest = max(abs(least), abs(most))
        # In shares of the largest, so that nothing overflows.
        spread = most / largest - least / largest
        # Rounding to d digits moves a number by at most 5 units of the place behind the last.
        digits = min(17, max(4, math.ceil(math.log10(5 * VISIBLE / spread)))) if spread > 0 else 17
    return _all_rounded(numbers, digits)


def _all_rounded(numbers: np.ndarray, digits: int) -> list[float | int | str | None]:
    """`rounded` of every number, in arithmetic wherever that is sure to give what its digits would.

    A number scaled to a whole one of so many digits is rounded as its decimal expansion is, unless it lies
    next to a half; that whole number over an exact power of ten is then the number nearest to the decimal.
    """
    import numpy as np

    with np.errstate(all="ignore"):
        size = np.abs(numbers)
        shift = digits - 1 - np.floor(np.log10(size))
        plain = np.isfinite(shift) & (np.abs(shift) <= EXACT_POWER) & (digits <= SAFE_DIGITS)
        power = 10.0 ** np.where(plain, np.abs(shift), 0.0)
        scaled = np.where(shift >= 0, size * power, size / power)
        whole = np.rint(scaled)
        # Where the logarithm was rounded over a power of ten there is a digit too few or too many.
        plain &= (scaled >= 10.0 ** (digits - 1)) & (scaled < 10.0**digits)
        plain &= np.abs(np.abs(scaled - whole) - 0.5) > 1e-5
        short = np.copysign(np.where(shift >= 0, whole / power, whole * power), numbers)
        integral = plain & (short == np.rint(short)) & (np.abs(short) < 1e15)
    found: list[float | int | str | None] = short.tolist()
    for place in np.flatnonzero(integral):
        found[place] = int(short[place])
    for place in np.flatnonzero(~plain):
        found[place] = rounded(float(numbers[place]), digits)
    return found


def thinned(count: int, most: int) -> Sequence[int]:
    """At most so many of the indices 0 to count − 1, evenly spaced, both ends among them."""
    if count <= most:
        return range(count)
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]
