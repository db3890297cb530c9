"""Claims that a suite takes over from another: its smaller twin tests them in other circumstances."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench.base.errors import InvalidInput, nearest
from genbench.base.files import read_text

__all__ = ["with_inherited"]

KEY = "claims"
KNOWN = ("of", "without", "differs")


def with_inherited(content: Mapping[str, Any], suites: Mapping[str, Path], file: str) -> dict[str, Any]:
    """The content of a suite with the claims that it takes over, in the place of the key that names them.

    ``claims = { of = "SUITE", without = ["ID"], differs = "why no number can be the same" }`` takes those of
    another suite. `differs` stands for those that have none of their own; a ``[[claim]]`` with the id of
    one of them changes some of its keys, any other stands behind them.

    Raises
    ------
    InvalidInput
        The other suite or a claim of it does not exist.
    """
    if KEY not in content:
        return dict(content)
    given = content[KEY]
    where = f"{file}: {KEY}"
    if not isinstance(given, Mapping) or not isinstance(given.get("of"), str):
        raise InvalidInput(f'{where}: must be a table such as {{ of = "paper-flatness" }}')
    problems = [f"{where}: unknown key '{key}'{nearest(key, KNOWN)}" for key in given if key not in KNOWN]
    if given["of"] not in suites:
        problems.append(f"{where}: unknown suite '{given['of']}'{nearest(given['of'], suites)}")
        raise InvalidInput(problems)
    taken = {
        each["id"]: each
        for each in tomllib.loads(read_text(suites[given["of"]])).get("claim", [])
        if "id" in each
    }
    without = given.get("without", [])
    problems += [
        f"{where}: '{given['of']}' has no claim '{name}'{nearest(name, taken)}"
        for name in without
        if name not in taken
    ]
    if problems:
        raise InvalidInput(problems)
    differs = {"differs": given["differs"]} if "differs" in given else {}
    claims = {name: {**differs, **each} for name, each in taken.items() if name not in without}
    own = content.get("claim", [])
    for each in own:
        name = each.get("id", "")
        claims[name] = {**claims.get(name, {}), **each}
    return {
        **{key: value for key, value in content.items() if key not in (KEY, "claim")},
        "claim": [*claims.values()],
    }
