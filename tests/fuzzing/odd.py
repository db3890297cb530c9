"""What nobody writes on purpose: odd values, texts made of a format's own signs, documents changed somewhere."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

NUMBERS = [0, -1, 1, 2, 10**9, 10**24, -(10**30), 0.5, -0.0, 1e308, 1e-320]
TEXTS = [
    "",
    " ",
    "\x00",
    "é",
    "\ud800",
    "\u202e",
    "none",
    "digits",
    "a" * 5000,
    "[[grid]]",
    "../..",
    "=1+1",
    "]" * 60,
]
EMPTY: list[Any] = [None, True, False, [], {}, [[]], [{}], {"": None}, {"name": 3}]

values = st.recursive(
    st.sampled_from([*NUMBERS, *TEXTS, *EMPTY]) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
"""Anything that JSON can hold, and much that nothing expects."""


def places(content: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all parts of a document."""
    found = [above] if above else []
    pairs = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in pairs:
        found += places(value, (*above, key))
    return found


@st.composite
def changed(draw: st.DrawFn, content: Any, most: int = 3) -> Any:
    """A document some of whose parts are gone, repeated, nested, or replaced by something odd."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, most))):
        ways = places(content)
        if not ways:
            break
        *above, last = draw(st.sampled_from(ways))
        parent = content
        for key in above:
            parent = parent[key]
        how = draw(st.sampled_from(["replace", "replace", "remove", "wrap", "add"]))
        if how == "remove":
            del parent[last]
        elif how == "wrap":
            parent[last] = [parent[last]] if draw(st.booleans()) else {"name": parent[last]}
        elif how == "add" and isinstance(parent, dict):
            parent[draw(st.text(max_size=8))] = draw(values)
        elif how == "add":
            parent.append(draw(st.sampled_from(parent)) if draw(st.booleans()) else draw(values))
        else:
            parent[last] = draw(values)
    return content


@st.composite
def spoiled(draw: st.DrawFn, text: str, signs: str) -> str:
    """A text with a part cut out, repeated many times, or with a run of signs of its format put in."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        middle = draw(
            st.text(signs, max_size=12)
            | st.sampled_from([text[start:end] * count for count in (0, 2, 50)])
            | st.builds(
                lambda sign, count: sign * count, st.sampled_from(signs), st.sampled_from([100, 5000])
            )
        )
        text = text[:start] + middle + text[end:]
    return text
