"""What a plan will take, where some of its networks are built by code that may not run in this process."""

from __future__ import annotations

import dataclasses
from collections import Counter
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

DEATHS_ENOUGH = 8
"""Of so many networks of the same components, none of which had an answer, no other one is asked for."""


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
        As `predict`; of networks that plugins have a part in only where no trial is left otherwise.
    """
    ordered = list(trials)
    elsewhere = _Elsewhere(host, {"keep": list(keep), "memory_here": memory_here, "card": card})
    parts: list[tuple[list[int], Prediction]] = []
    problems: dict[str, None] = {}
    for company, places in _groups(ordered, host).items():
        group = [ordered[each] for each in places]
        try:
            found = (
                elsewhere.predict(company, group)
                if company
                else predict(group, host, keep, memory_here, card)
            )
        except InvalidInput as fault:
            problems.update(dict.fromkeys(fault.problems))
        else:
            parts.append((places, found))
    if len(elsewhere.doomed) == len({each.key for each in ordered}):
        problems |= elsewhere.problems
    if problems:
        raise InvalidInput(problems)
    return Foresight(_together(parts), elsewhere.doomed)


def _groups(trials: Sequence[Trial], host: Host) -> dict[frozenset[str], list[int]]:
    groups: dict[frozenset[str], list[int]] = {}
    for place, trial in enumerate(trials):
        groups.setdefault(trial.plugins & host.elsewhere, []).append(place)
    return groups


class _Elsewhere:
    """Predictions by whoever has the plugins.

    Attributes
    ----------
    doomed, problems : dict
        Keys of trials that cannot be begun, to the reason; what is wrong with networks.
    """

    def __init__(self, host: Host, given: Mapping[str, Any]):
        card = given["card"]
        self._given = {**given, "card": None if card is None else dataclasses.asdict(card)}
        self._deputies = host.deputies
        self._deaths: Counter[tuple[str, ...]] = Counter()
        self.doomed: dict[str, str] = {}
        self.problems: dict[str, None] = {}

    def predict(self, company: frozenset[str], trials: Sequence[Trial]) -> Prediction:
        """The prediction; networks that have none are found one by one, and doomed."""
        parts: list[tuple[list[int], Prediction]] = []
        # All at once, unless some of them will have no answer.
        each_alone = any(map(self._why_silent, trials))
        waiting = list(_networks(trials).values()) if each_alone else [list(range(len(trials)))]
        while waiting:
            places = waiting.pop()
            group = [trials[each] for each in places]
            several = _networks(group)
            try:
                found = self._asked(company, group, len(several))
            except (NoAnswer, InvalidInput) as fault:
                if len(several) > 1:
                    waiting += [[places[each] for each in some] for some in several.values()]
                    continue
                self._doom(group, fault)
                found = _nothing(len(group))
            parts.append((places, found))
        return _together(parts)

    def _asked(self, company: frozenset[str], trials: Sequence[Trial], networks: int) -> Prediction:
        for why in filter(None, map(self._why_silent, trials)):
            raise NoAnswer(why)
        if networks == 1 and self._deaths[trials[0].components] == DEATHS_ENOUGH:
            raise NoAnswer(f"has had no answer for {DEATHS_ENOUGH} others like it")
        asked = {"trials": [each.as_dict() for each in trials], **self._given}
        answer = self._deputies.ask(company, "predict", asked, SECONDS_FOR_A_NETWORK * (networks + 4))
        return _read(answer, len(trials))

    def _why_silent(self, trial: Trial) -> str:
        found = (self._deputies.why_silent(each.name, each.settings) for each in trial.chosen)
        return next(filter(None, found), "")

    def _doom(self, trials: Sequence[Trial], fault: Exception) -> None:
        names = trials[0].components
        if isinstance(fault, InvalidInput):
            self.problems.update(dict.fromkeys(fault.problems))
            reason = "; ".join(fault.problems)
        else:
            self._deaths[names] = min(self._deaths[names] + 1, DEATHS_ENOUGH)
            named = " and ".join(f"'{name}'" for name in names if ":" in name)
            reason = f"{named}: building the network {fault}"
        self.doomed.update(dict.fromkeys((each.key for each in trials), reason))


def _networks(trials: Sequence[Trial]) -> dict[str, list[int]]:
    """Places of the trials by what their networks and regularizers are told."""
    found: dict[str, list[int]] = {}
    for place, each in enumerate(trials):
        chosen = (each.model, *each.regularizers, each.protocol)
        name = canonical_json([each.dataset.name, *([one.name, one.settings] for one in chosen)])
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
