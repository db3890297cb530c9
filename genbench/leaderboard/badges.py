"""What is known of an entry beyond its own word: which reruns of it count, and how far they go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genbench.base.names import CORE
from genbench.base.outcomes import RESULTS
from genbench.leaderboard.agreement import EXACT, LOOSE, pair_agrees
from genbench.leaderboard.draws import chosen_fits, drawn_seed, to_sign
from genbench.leaderboard.entry import Attested, Entry
from genbench.leaderboard.files import shown
from genbench.leaderboard.signing import ALLOWED, BadSignature, signer

__all__ = ["BADGES", "Badge", "badge", "not_compared", "shortcomings", "trust"]

BADGES = (
    "not reproduced", "self-reported", "loosely spot-checked", "loosely reproduced", "spot-checked",
    "reproduced",
)  # fmt: skip
"""From worst to best."""

NINE_TENTHS = 0.9
"""Share of the ranked measures, of the core and of each plugin, that a rerun must have compared."""

FEWEST_FITS = 3
FEWEST_LOOSELY = 8
"""Fits that a rerun must have drawn, or all that there are: where bits may differ, a few agree by chance."""


@dataclass(frozen=True)
class Badge:
    """How far others vouch for an entry.

    Attributes
    ----------
    word : str
        One of `BADGES`.
    fits : int
        How many were reproduced so.
    by : tuple of str
        Who did it, by the names of their keys.
    lines : tuple of str
        What does not count and why, what was left out, or what came out otherwise.
    left_out : tuple of str
        Ranked measures that nobody compared.
    """

    word: str
    fits: int = 0
    by: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def trust(word: str) -> int:
    """The place of a badge's word, the best last."""
    return BADGES.index(word)


def badge(entry: Entry, root: Path | None) -> Badge:
    """Judge the attestations of an entry by the keys of its leaderboard; none counts where there is none.

    Parameters
    ----------
    root : Path or None
        The folder of the leaderboard, in which `genbench.leaderboard.signing.ALLOWED` lists the keys.
    """
    lines: list[str] = []
    fits: dict[str, set[str]] = {"loosely": set(), "": set()}
    by: dict[str, set[str]] = {"loosely": set(), "": set(), "not": set()}
    left_out: dict[str, set[str]] = {}
    for each in entry.attestations:
        try:
            who = _signer(entry, each, root)
        except BadSignature as fault:
            lines.append(f"{each.name} counts for nothing: it {fault}")
            continue
        how = _outcome(each.content)
        if how == "not":
            by["not"].add(who)
            lines.append(f"{each.name}, signed by {shown(who)}: what was rerun came out otherwise")
        elif short := shortcomings(entry, each.content):
            lines += [f"{each.name}, signed by {shown(who)}, earns no badge: {why}" for why in short]
        else:
            fits[how] |= {fit["key"] for fit in each.content["fits"]}
            by[how].add(who)
            left = set(not_compared(entry, each.content))
            left_out[how] = left & left_out.get(how, left)
    if by["not"]:
        return Badge("not reproduced", 0, tuple(sorted(by["not"])), tuple(lines))
    how = "" if fits[""] else "loosely"
    if not fits[how]:
        return Badge("self-reported", 0, (), tuple(lines))
    word = "reproduced" if fits[how] >= entry.fits.keys() else "spot-checked"
    absent = tuple(sorted(left_out[how]))
    lines += [f"not compared by anybody: {', '.join(map(shown, absent))}"] if absent else []
    return Badge(f"{how} {word}".strip(), len(fits[how]), tuple(sorted(by[how])), tuple(lines), absent)


def _signer(entry: Entry, attested: Attested, root: Path | None) -> str:
    """Who answers for an attestation; a `BadSignature` where nobody does whose word counts."""
    if not attested.signature:
        raise BadSignature("is not signed")
    if root is None:
        raise BadSignature("cannot be verified: the entry stands in no leaderboard, which lists keys")
    who = signer(attested.text, attested.signature, root / ALLOWED)
    if who.casefold() == entry.submitter.casefold():
        raise BadSignature("is signed by the submitter")
    content = attested.content
    if not content["draw"]:
        raise BadSignature("says nothing of how its fits were drawn")
    records, state = content["records"], content["state"]
    if signer(to_sign(records, state), content["draw"], root / ALLOWED) != who:
        raise BadSignature("has a draw that somebody else signed")
    seed = drawn_seed(records, state, content["draw"])
    if content["seed"] != seed:
        raise BadSignature("has another seed than its draw")
    drawn = chosen_fits(entry.fits, content["sample"], seed)
    if sorted(fit["key"] for fit in content["fits"]) != drawn:
        raise BadSignature("is not of the fits that its seed draws")
    return who


def _outcome(content: Mapping[str, Any]) -> str:
    """How a rerun came out: to the bit is nothing to say, ``loosely``, or ``not``."""
    outcome = [each for fit in content["fits"] for each in fit["outcome"]]
    values = [each for fit in content["fits"] for each in fit["values"]]
    if all(pair_agrees(each, EXACT) for each in (*outcome, *values)):
        return ""
    near = sum(pair_agrees(each, LOOSE) for each in values)
    loosely = all(pair_agrees(each, LOOSE) for each in outcome) and near >= LOOSE.share * len(values)
    # On the same class of machine only the same bits are the same.
    return "loosely" if loosely and not content["same_machine_class"] else "not"


def shortcomings(entry: Entry, content: Mapping[str, Any]) -> list[str]:
    """Why a rerun that agrees is no ground for a badge: too few fits, outcomes or measures were compared."""
    fits = content["fits"]
    least = min(FEWEST_LOOSELY if _outcome(content) else FEWEST_FITS, len(entry.fits))
    found = []
    if len(fits) < least:
        found.append(f"it reran {len(fits)} fits, and must have rerun {least}")
    lacking = [name for name in RESULTS if not all(name in _names(fit["outcome"]) for fit in fits)]
    if lacking or not fits:
        found.append(f"it did not compare {', '.join(lacking or RESULTS)} of all its fits")
    left = set(not_compared(entry, content))
    for plugin, names in _ranked(entry).items():
        compared = len(names - left)
        if compared < NINE_TENTHS * len(names):
            found.append(
                f"it compared {compared} of {len(names)} ranked measures of {shown(plugin)}, "
                "and must have compared nine tenths"
            )
    return found


def not_compared(entry: Entry, content: Mapping[str, Any]) -> Iterator[str]:
    """The ranked measures that have a value of some fit rerun which nobody compared."""
    compared = {fit["key"]: _names(fit["values"]) for fit in content["fits"]}
    for names in _ranked(entry).values():
        for name in sorted(names):
            due = [key for key in compared if name in entry.values.get(key, {})]
            if not due or any(name not in compared[key] for key in due):
                yield name


def _ranked(entry: Entry) -> dict[str, set[str]]:
    """By plugin the measures that may get a rank: all that claim a direction and have any number."""
    with_number = {
        name
        for values in entry.values.values()
        for name, value in values.items()
        if value["value"] is not None or value.get("infinite")
    }
    found: dict[str, set[str]] = {}
    for name, line in entry.measures.items():
        if line["direction"] != "?" and name != "random" and name in with_number:
            found.setdefault(line["plugin"], set()).add(name)
    return found or {CORE: set()}


def _names(pairs: list[Mapping[str, Any]]) -> set[str]:
    return {each["name"] for each in pairs}
