"""Times as people write them: ``90 s``, ``45m``, ``2h30m``, ``1.5 days``."""

from __future__ import annotations

import math
import re

from genbench.base.errors import UsageError

__all__ = ["in_words", "parse_duration"]

SPELLINGS = {
    1: ("s", "sec", "second", "seconds"),
    60: ("m", "min", "minute", "minutes"),
    3600: ("h", "hour", "hours"),
    86400: ("d", "day", "days"),
}
UNITS = {word: seconds for seconds, words in SPELLINGS.items() for word in words}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


def parse_duration(text: str, option: str) -> float:
    """Seconds of a time such as ``2h``, ``90min`` or ``2h30m``.

    Raises
    ------
    UsageError
        It is none, or not above 0; the line begins with `option`.
    """
    words = text.strip().lower()
    parts = _PART.findall(words)
    whole = "".join(match.group() for match in _PART.finditer(words)) == words
    units = [UNITS.get(unit) for _, unit in parts]
    if not parts or not whole or None in units:
        raise UsageError(f"{option} {text}: must be a time with its unit, such as 90s, 45m, 2h or 1.5d")
    seconds = sum(float(number) * (unit or 0) for (number, _), unit in zip(parts, units, strict=True))
    if not 0 < seconds < math.inf:
        raise UsageError(f"{option} {text}: must be more than nothing")
    return seconds


def in_words(seconds: float) -> str:
    """A time in the unit that suits it: ``40 s``, ``12 min``, ``2.5 h``, ``3.1 days``."""
    if 0 < seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.1f} days"
