"""Numbers of things as people write them: ``1 fit``, ``2 fits``, ``3 entries``."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, thing: str) -> str:
    """A number with the noun that it counts, in the plural unless it is one.

    Examples
    --------
    >>> counted(1, "entry"), counted(2000, "fit"), counted(0, "entry")
    ('1 entry', '2,000 fits', '0 entries')
    """
    if number == 1:
        return f"1 {thing}"
    return f"{number:,} {thing[:-1]}ies" if thing.endswith("y") else f"{number:,} {thing}s"
