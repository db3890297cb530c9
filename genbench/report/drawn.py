"""Intervals drawn in characters, on one scale for all rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Scale", "scale_of"]

BLANK, CHANCE, ZERO, ESTIMATE = " ", "░", "│", "●"
# By which halves of a character a line covers: none, the right one, the left one, both.
LINE = {(False, False): "", (False, True): "╺", (True, False): "╸", (True, True): "━"}


@dataclass(frozen=True)
class Scale:
    """What the ends of the drawing stand for, and the interval that random measures fill.

    Parameters
    ----------
    low, high : float
    chance : (float, float)
        NaN where it is not known.
    """

    low: float
    high: float
    chance: tuple[float, float] = (math.nan, math.nan)

    def ends(self, width: int) -> str:
        """Both ends as numbers, as a header over drawings of so many characters."""
        left, right = f"{self.low:+.1f}", f"{self.high:+.1f}"
        return left + right.rjust(max(width - len(left), len(right) + 1))

    def draw(self, estimate: float, low: float, high: float, width: int) -> str:
        """One row: the estimate on its interval, before zero and the band of chance; blank for NaN.

        Ends are drawn to half a character. An interval that is not known has none.
        """
        if math.isnan(estimate):
            return BLANK * width
        cells = [CHANCE if self._in_chance(place, width) else BLANK for place in range(width)]
        if self.low < 0 < self.high:
            cells[self._place(0.0, width)] = ZERO
        if not (math.isnan(low) or math.isnan(high)):
            first, last = self._place(low, 2 * width), self._place(high, 2 * width)
            for place in range(width):
                line = LINE[first <= 2 * place <= last, first <= 2 * place + 1 <= last]
                cells[place] = line or cells[place]
        cells[self._place(estimate, width)] = ESTIMATE
        return "".join(cells)

    def _in_chance(self, place: int, width: int) -> bool:
        low, high = self.chance
        return not math.isnan(low) and self._place(low, width) <= place <= self._place(high, width)

    def _place(self, value: float, parts: int) -> int:
        """Which of so many equal parts of the scale holds the value; those beyond its ends are the ends."""
        share = (value - self.low) / (self.high - self.low)
        return int(min(max(share * parts, 0), parts - 1))


def scale_of(numbers: Iterable[float], chance: tuple[float, float] = (math.nan, math.nan)) -> Scale:
    """The scale that holds zero and all the numbers, infinities and NaN left out, in tenths."""
    finite = [0.0, *(each for each in (*numbers, *chance) if math.isfinite(each))]
    # Rounded first, since 10 × 0.3 is a little more than 3.
    low, high = (math.floor(round(10 * min(finite), 6)) / 10, math.ceil(round(10 * max(finite), 6)) / 10)
    return Scale(low, high if high > low else low + 0.1, chance)
