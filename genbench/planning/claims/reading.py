"""Reading the ``[[claim]]`` tables of a suite, with all their faults at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

from genbench.base.errors import InvalidInput, explained, nearest
from genbench.base.outcomes import COLUMNS
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.planning.claims.claim import HISTORY_COLUMNS, NEEDS, NULLS, Claim, column_words

__all__ = ["TEST_HISTORY", "column_faults", "read_claims"]

TEST_HISTORY = "test_history"
"""What a suite keeps whose claims are about the test error along training."""

REQUIRED = ("id", "text", "paper", "place", "statistic", "column", "expect")
SPECIFIC = ("arm", "against", "axis", "on", "given")


def read_claims(given: Any, complain: Callable[[str, str], None]) -> tuple[Claim, ...]:
    """The claims of a suite; what is wrong with one is told to `complain` as (where, what).

    Whether their columns and axes exist is another question: see `column_faults` and
    `genbench.planning.coverage`.
    """
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        complain("claim", "must be [[claim]] tables")
        return ()
    claims: list[Claim] = []
    for number, table in enumerate(given, start=1):
        where = f"claim {table['id']!r}" if isinstance(table.get("id"), str) else f"claim {number}"
        faults = _faults(table)
        if table.get("id") in [each.id for each in claims]:
            faults.append("another claim has this id")
        for fault in faults:
            complain(where, fault)
        if not faults:
            claims.append(Claim(**table))
    return tuple(claims)


def _faults(table: Mapping[str, Any]) -> list[str]:
    from pydantic import TypeAdapter, ValidationError

    types = get_type_hints(Claim, include_extras=True)
    names = [each.name for each in fields(Claim)]
    faults = [f"unknown key '{key}'{nearest(key, names)}" for key in table if key not in names]
    faults += [f"'{key}' is missing" for key in REQUIRED if key not in table]
    for key in [each for each in names if each in table]:
        try:
            TypeAdapter(types[key]).validate_json(json.dumps(table[key], allow_nan=False), strict=True)
        except ValidationError as fault:
            hint = nearest(table[key], NEEDS) if key == "statistic" and isinstance(table[key], str) else ""
            message = explained(fault.errors()[0])
            faults.append(f"{key}: {message}, not {table[key]!r}{hint}")
        except (TypeError, ValueError):
            faults.append(f"{key}: cannot be {table[key]!r}")
    return faults or _disagreements(table)


def _disagreements(table: Mapping[str, Any]) -> list[str]:
    """What is wrong with keys together, each being right alone."""
    statistic, needs = table["statistic"], NEEDS[table["statistic"]]
    faults = [f"statistic '{statistic}' needs '{key}'" for key in needs if key not in table]
    faults += [
        f"statistic '{statistic}' takes no '{key}'" for key in SPECIFIC if key in table and key not in needs
    ]
    if "levels" in table and statistic != "order":
        faults.append(f"statistic '{statistic}' takes no 'levels'; they are of 'order'")
    bounds = [key for key in ("above", "below") if key in table]
    if statistic == "fraction" and len(bounds) != 1:
        faults.append("a fraction is of the fits that lie 'above' or 'below' something: give one of the two")
    if statistic != "fraction" and bounds:
        faults.append(f"statistic '{statistic}' takes no '{bounds[0]}'; it is of 'fraction'")
    if "tolerance" in table and "published" not in table and table["expect"] != "same":
        faults.append("'tolerance' is of a 'published' number, or of expect = \"same\"")
    if "published" in table and "tolerance" not in table:
        faults.append("a 'published' number needs a 'tolerance'")
    if table["expect"] == "same" and "tolerance" not in table:
        faults.append("expect = \"same\" needs a 'tolerance'")
    if (
        statistic not in NULLS
        and "than" not in table
        and not (table["expect"] == "same" and "published" in table)
    ):
        faults.append(f"statistic '{statistic}' needs 'than', what to compare it with")
    if "by" in table and "choose" not in table:
        faults.append("'by' says how to choose among the levels of what 'choose' names")
    return faults


def column_faults(
    claim: Claim, measures: str | Sequence[str], keep: Sequence[Any], host: Host, settings: Collection[str]
) -> list[str]:
    """Which columns of a claim cannot be there in a run of a suite, known before anything trains.

    Parameters
    ----------
    measures : str or sequence of str
        Those that the suite computes.
    keep : sequence
        What it keeps of each fit.
    settings : collection of str
        Names of the settings in the suite's grids: they may stand for `on`.
    """
    faults = []
    for word in dict.fromkeys(column_words(claim)):
        if word in COLUMNS or (word == claim.on and word.rpartition(".")[2] in settings):
            continue
        if word in HISTORY_COLUMNS:
            if TEST_HISTORY not in keep:
                faults.append(f"column '{word}' needs keep = [..., \"{TEST_HISTORY}\"]")
            continue
        fault = _measure_fault(word, measures, host)
        if fault:
            faults.append(fault)
    return faults


def _measure_fault(word: str, words: str | Sequence[str], host: Host) -> str:
    from genbench.host.selection import select_measures

    try:
        asked = select_measures([word], host)
        computed = select_measures(words, host, lambda line: None)
    except InvalidInput:
        known = [*COLUMNS, *HISTORY_COLUMNS, *(each.full_name for each in host.components(Kind.MEASURE))]
        return f"a run has no column '{word}'{nearest(word, known)}"
    if len(asked) != 1 or asked[0].spelling not in [each.spelling for each in computed]:
        return f"this suite does not compute '{word}'; add it to its measures"
    if "[" in word and asked[0].spelling.partition("[")[2] != word.partition("[")[2]:
        return f"column '{word}' is written '{asked[0].spelling}' in tables"
    return ""
