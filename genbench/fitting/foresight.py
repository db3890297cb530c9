"""What a plan will take, where some of its networks are built by code that may not run in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from genbench.base.canonical import canonical_json
from genbench.base.errors import InvalidInput
from genbench.fitting.cards import Card
from genbench.fitting.prediction import Prediction, predict
from genbench.host import Host
from genbench.host.elsewhere import NoAnswer
from genbench.planning.plan import Trial

__all__ = ["Foresight", "foresee"]

SECONDS_FOR_A_NETWORK = 30.0
"""To build one and send two examples through it, beside what loading the plugins takes."""


@dataclasses.dataclass(frozen=True)
class Foresight:
    """A prediction, and the trials that cannot be begun.

    Attributes
    ----------
    prediction : Prediction
        In which those count nothing.
    doomed : mapping of str
        The key of each trial whose network's code ends, hangs or breaks the process that builds it, to the
        reason.
    """

    prediction: Prediction
    doomed: Mapping[str, str]


def foresee(
    trials: Iterable[Trial],
    host: Host,
    keep: Sequence[str | Mapping[str, Any]] = ("initial", "final"),
    memory_here: float | None = None,
    card: Card | None = None,
) -> Foresight:
    """`predict`, in processes of their own for trials whose plugins are not imported here.

    Raises
    ------
    InvalidInput
        As `predict`, with the problems of all processes.
    """
    given: dict[str, Any] = {"keep": list(keep), "memory_here": memory_here, "card": card}
    ordered = list(trials)
    parts: list[tuple[list[int], Prediction]] = []
    doomed: dict[str, str] = {}
    problems: dict[str, None] = {}
    for company, places in _groups(ordered, host).items():
        group = [ordered[each] for each in places]
        try:
            if company:
                found = _elsewhere(company, group, host, given, doomed)
            else:
                found = predict(group, host, **given)
        except InvalidInput as fault:
            problems.update(dict.fromkeys(fault.problems))
        else:
            parts.append((places, found))
    if problems:
        raise InvalidInput(problems)
    return Foresight(_together(parts), doomed)


def _groups(trials: Sequence[Trial], host: Host) -> dict[frozenset[str], list[int]]:
    groups: dict[frozenset[str], list[int]] = {}
    for place, trial in enumerate(trials):
        groups.setdefault(trial.plugins & host.elsewhere, []).append(place)
    return groups


def _elsewhere(
    company: frozenset[str], trials: Sequence[Trial], host: Host, given: Mapping[str, Any],
    doomed: dict[str, str],
) -> Prediction:  # fmt: skip
    """The prediction of whoever has the plugins; what that does not outlive is doomed, each network alone."""
    card = given["card"]
    plain = {**given, "card": None if card is None else dataclasses.asdict(card)}
    networks = _networks(trials)
    silent = host.deputies.silent
    parts: list[tuple[list[int], Prediction]] = []
    # All at once, unless some of them will have no answer.
    waiting = list(networks.values()) if silent else [list(range(len(trials)))]
    while waiting:
        places = waiting.pop()
        group = [trials[each] for each in places]
        known = [f"{name} {silent[name]}" for each in group for name in each.components if name in silent]
        try:
            if known:
                raise NoAnswer(known[0])
            seconds = 60.0 + SECONDS_FOR_A_NETWORK * len(_networks(group))
            asked = {"trials": [each.as_dict() for each in group], **plain}
            found = _read(host.deputies.ask(company, "predict", asked, seconds), len(group))
        except NoAnswer as fault:
            several = _networks(group)
            if len(several) > 1:
                waiting += [[places[each] for each in some] for some in several.values()]
                continue
            named = " and ".join(f"'{name}'" for name in group[0].components if ":" in name)
            reason = str(fault) if known else f"{named}: building the network {fault}"
            doomed.update(dict.fromkeys((each.key for each in group), reason))
            found = _nothing(len(group))
        parts.append((places, found))
    return _together(parts)


def _networks(trials: Sequence[Trial]) -> dict[str, list[int]]:
    """Places of the trials by their networks, as far as code of plugins makes them."""
    found: dict[str, list[int]] = {}
    for place, each in enumerate(trials):
        chosen = (each.model, *each.regularizers, each.protocol)
        name = canonical_json([[one.name, one.settings if ":" in one.name else {}] for one in chosen])
        found.setdefault(name, []).append(place)
    return found


def _nothing(count: int) -> Prediction:
    return Prediction(gpu_seconds=(0.0,) * count, core_seconds=(0.0,) * count, layers=(0,) * count)


def _read(content: Any, count: int) -> Prediction:
    """A prediction as another process wrote it down."""
    try:
        found = Prediction(
            gpu_hours=float(content["gpu_hours"]),
            core_hours=float(content["core_hours"]),
            memory_bytes=float(content["memory_bytes"]),
            disk_bytes=float(content["disk_bytes"]),
            gpu_seconds=tuple(map(float, content["gpu_seconds"])),
            core_seconds=tuple(map(float, content["core_seconds"])),
            card_hours=float(content["card_hours"]),
            layers=tuple(map(int, content["layers"])),
        )
    except (TypeError, KeyError, ValueError, OverflowError):
        raise NoAnswer("gives an answer that makes no sense") from None
    if any(len(each) != count for each in (found.gpu_seconds, found.core_seconds, found.layers)):
        raise NoAnswer("gives an answer that makes no sense")
    return found


def _together(parts: Sequence[tuple[list[int], Prediction]]) -> Prediction:
    """One prediction of several, each of which is of the trials at some places."""
    if len(parts) == 1 and parts[0][0] == sorted(parts[0][0]):
        return parts[0][1]

    def ordered(name: str) -> tuple[Any, ...]:
        pairs = [pair for places, each in parts for pair in zip(places, getattr(each, name), strict=True)]
        return tuple(value for _, value in sorted(pairs, key=lambda pair: pair[0]))

    found = [each for _, each in parts]
    return Prediction(
        gpu_hours=sum(each.gpu_hours for each in found),
        core_hours=sum(each.core_hours for each in found),
        memory_bytes=max((each.memory_bytes for each in found), default=0.0),
        disk_bytes=sum(each.disk_bytes for each in found),
        gpu_seconds=ordered("gpu_seconds"),
        core_seconds=ordered("core_seconds"),
        card_hours=sum(each.card_hours for each in found),
        layers=ordered("layers"),
    )
