"""Names that look like others: compared in Unicode's normal form, letters that pass for others folded."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

__all__ = ["looks_like"]

# Letters of other alphabets, and digits, that are drawn as Latin letters are.
_DRAWN_ALIKE = str.maketrans(
    {
        **dict(zip("авеёзікмнорстухьѕѵԁԛԝһӏ", "abeeslkmhopctyxbsvdqwhl", strict=True)),
        **dict(zip("αβγεηικμνοπρτυχω", "abyenlkuvonptuxw", strict=True)),
        **dict(zip("01358|", "olesbl", strict=True)),
        **{"ı": "l", "ł": "l", "ø": "o", "ɑ": "a", "ɡ": "g", "i": "l"},
    }
)


def looks_like(name: str, known: Iterable[str]) -> str:
    """The known name that another one can be taken for, or nothing; a known name is itself."""
    names = set(known)
    if name in names:
        return ""
    drawn = _drawn(name)
    return next((each for each in sorted(names) if _drawn(each) == drawn), "")


def _drawn(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return "".join(each for each in letters.translate(_DRAWN_ALIKE) if each.isalnum())
