"""Whether the fits that a claim is about are in the plan; known before anything trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from genbench.base.errors import InvalidInput, UsageError, nearest
from genbench.planning.axes import axis_named, axis_values
from genbench.planning.claims.claim import Claim
from genbench.planning.plan import Trial

__all__ = ["check_planned"]


def check_planned(claims: Sequence[Claim], trials: Sequence[Trial], suite: str) -> None:
    """Check that every axis and every level that a claim names occurs among the trials of a whole suite.

    Raises
    ------
    InvalidInput
        One line for each axis or level that does not, with the nearest word.
    """
    if not claims:
        return
    coordinates = [each.coordinates() for each in trials]
    levels: dict[str, list[Any]] = {}
    for each in coordinates:
        for name, level in each.items():
            known = levels.setdefault(name, [])
            if level not in known:
                known.append(level)
    axes = list(axis_values(coordinates))
    problems = [
        f"suite '{suite}': claim '{claim.id}': {fault}"
        for claim in claims
        for fault in _faults(claim, levels, axes)
    ]
    if problems:
        raise InvalidInput(problems)


def _faults(claim: Claim, levels: Mapping[str, Sequence[Any]], axes: Sequence[str]) -> Iterable[str]:
    for filter_ in (claim.arm, claim.against, claim.where):
        for word, wanted in (filter_ or {}).items():
            yield from _of_axis(word, wanted if isinstance(wanted, list) else [wanted], levels, axes)
    for word in (*claim.ignore, *claim.choose, *([claim.axis] if claim.axis else [])):
        yield from _of_axis(word, (claim.levels or ()) if word == claim.axis else (), levels, axes)


def _of_axis(
    word: str, wanted: Iterable[Any], levels: Mapping[str, Sequence[Any]], axes: Sequence[str]
) -> Iterable[str]:
    is_axis = word in axes or any(each.rpartition(".")[2] == word for each in axes)
    try:
        name = axis_named(word, axes if is_axis else levels)
    except UsageError as fault:
        yield str(fault)
        return
    for each in wanted:
        if each not in levels[name]:
            hint = nearest(each, filter(_is_text, levels[name])) if isinstance(each, str) else ""
            shown = ", ".join(map(str, levels[name][:10]))
            yield f"no trial has {name} = {each}{hint}; there are {shown}"


def _is_text(level: Any) -> bool:
    return isinstance(level, str)
