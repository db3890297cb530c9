"""The one error of this package, and the nearest valid word for its messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = ["NoDirection", "RankingError", "nearest"]


class RankingError(ValueError):
    """A table or an argument that cannot be ranked; the text is one line that says what to do."""


class NoDirection(RankingError):
    """Measures of which nobody said whether they should rise or fall with the target: `names`."""

    def __init__(self, names: Sequence[str]):
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        super().__init__(
            f"no direction is known of {shown}: '+' where a larger value should mean a larger target, '-' "
            "where a smaller one, '?' for no claim"
        )
        self.names = names


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``"; did you mean 'WORD'?"`` for the closest of `words`, or an empty string."""
    spelled = {each.lower().replace("-", "_"): each for each in words}
    close = difflib.get_close_matches(str(word).lower().replace("-", "_"), spelled, n=1, cutoff=0.5)
    return f"; did you mean '{spelled[close[0]]}'?" if close else ""
