"""Audits of a battery that plugins have a part in: each part is computed by a process that has loaded those.

What the core computes without them is computed here, where no code of theirs was ever imported. A part that
gets no answer costs its own measures; of those that share one, each is asked for alone then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genbench.base.errors import InvalidInput, printable
from genbench.base.values import Status
from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.host.elsewhere import NoAnswer
from genbench.planning.plan import Trial
from genbench.runs.store import StoredFit

__all__ = ["Audited", "cost", "invariance", "repeatability"]

SECONDS_FOR_A_PART = 3600.0
"""Code of plugins may take so long for all its measures of an audit."""

VERDICTS = ("invariant", "noise", "moves", "not applicable")


@dataclass(frozen=True)
class Audited:
    """The table of an audit.

    Attributes
    ----------
    about : dict
        How it was made.
    measures : dict
        By spelling, in the order of the battery.
    missing : dict of str
        Spellings of measures that have no entry because code of a plugin gave no answer, to the reason.
    """

    about: dict[str, Any]
    measures: dict[str, Any]
    missing: dict[str, str] = field(default_factory=dict)


def invariance(battery: Battery, host: Host, say: Callable[[str], None]) -> Audited:
    """As `genbench.auditing.invariance.audit`, whoever has the code of the measures."""
    from genbench.auditing import invariance as audit
    from genbench.auditing.networks import ARCHITECTURES, NETWORKS, titles
    from genbench.auditing.transformations import TRANSFORMATIONS

    networks = titles({**NETWORKS, **ARCHITECTURES}, host)
    changes = {name: each.title for name, each in TRANSFORMATIONS.items()}

    def told(answer: Any, requests: Sequence[Request]) -> dict[str, Any]:
        return {
            each.spelling: {
                "version": each.component.version,
                "networks": {
                    name: _entry(answer[each.spelling]["networks"][name], changes) for name in networks
                },
            }
            for each in requests
        }

    parts = _Parts(host, "invariance", {}, told)
    found = parts.of(battery, lambda part: audit.audit(part, host, say=say)[1])
    return Audited({**audit.ABOUT, "networks": networks, "changes": changes}, found, parts.missing)


def repeatability(
    run: Path,
    battery: Battery,
    host: Host,
    *,
    repeats: int,
    fits: int,
    data: Path | None,
    say: Callable[[str], None],
) -> Audited:
    """As `genbench.auditing.repeatability.audit`, whoever has the code of the measures and of the fits."""
    from genbench.auditing import repeatability as audit

    missing: dict[str, str] = {}

    def sample(chosen: Sequence[StoredFit]) -> audit.Samples:
        groups: dict[frozenset[str], list[str]] = {}
        for each in chosen:
            groups.setdefault(Trial.from_dict(each.record["trial"]).plugins, []).append(each.key)
        rows: dict[str, dict[str, Sequence[float]]] = {each.spelling: {} for each in battery.requests}
        for plugins, keys in groups.items():
            for name, found in sampled(plugins, keys).items():
                rows[name].update(found)
        return {name: each for name, each in rows.items() if name not in missing}

    def sampled(plugins: frozenset[str], keys: Sequence[str]) -> audit.Samples:
        def told(answer: Any, requests: Sequence[Request]) -> dict[str, Any]:
            return {each.spelling: _rows(answer[each.spelling], keys, repeats) for each in requests}

        given = {"run": str(run), "keys": list(keys), "repeats": repeats}
        parts = _Parts(host, "repeatability", {**given, "data": None if data is None else str(data)}, told)
        found = parts.of(
            battery,
            lambda part: audit.samples(run, keys, part, host, repeats=repeats, data=data, say=say),
            plugins,
        )
        missing.update(parts.missing)
        return found

    about, measures = audit.audit(run, battery, host, repeats=repeats, fits=fits, sample=sample)
    return Audited(about, measures, missing)


def cost(battery: Battery, host: Host) -> Audited:
    """As `genbench.auditing.cost.audit`, whoever has the code of the measures.

    Parts that are computed apart share no probes: the time of the whole battery is the sum of theirs.
    """
    from genbench.auditing import cost as audit
    from genbench.auditing.networks import COST_SUITE, titles

    together: list[float] = []

    def here(part: Battery) -> Mapping[str, Any]:
        about, found = audit.audit(part, host)
        together.append(about["battery_milliseconds"])
        return found

    def told(answer: Any, requests: Sequence[Request]) -> dict[str, Any]:
        times = {name: float(each) for name, each in answer["milliseconds"].items()}
        together.append(float(answer["battery_milliseconds"]))
        return {
            each.spelling: {"version": each.component.version, "milliseconds": times[each.spelling]}
            for each in requests
            if each.spelling in times  # others have no value on this network
        }

    parts = _Parts(host, "cost", {}, told)
    found = parts.of(battery, here)
    about = {
        "network": titles({"cost": COST_SUITE}, host)["cost"], "threads": 1,
        "battery_milliseconds": float(f"{sum(together):.3g}"),
    }  # fmt: skip
    return Audited(about, found, parts.missing)


class _Parts:
    """The parts of a battery, each asked of whoever has its plugins.

    Parameters
    ----------
    host : Host
    asked : str
        A function of `genbench.auditing.asked`.
    given : mapping
        What it takes beside the measures.
    told : callable
        ``told(answer, requests)`` is what an answer holds of measures, by spelling; what it raises tells
        that the answer makes no sense.

    Attributes
    ----------
    missing : dict of str
        As in `Audited`.
    """

    def __init__(
        self, host: Host, asked: str, given: Mapping[str, Any], told: Callable[[Any, Sequence[Request]], Any]
    ):
        self.missing: dict[str, str] = {}
        self._host, self._told = host, told
        self._asked, self._given = f"genbench.auditing.asked:{asked}", given

    def of(
        self, battery: Battery, here: Callable[[Battery], Mapping[str, Any]], beside: Collection[str] = ()
    ) -> dict[str, Any]:
        """By spelling what there is of each measure, in the order of the battery.

        Parameters
        ----------
        here : callable
            Computes a part that needs no plugin.
        beside : collection of str
            Plugins that every part needs.
        """
        groups: dict[frozenset[str], list[Request]] = {}
        for each in battery.requests:
            company = battery.plugins_of(each).union(beside) & self._host.elsewhere
            groups.setdefault(company, []).append(each)
        found: dict[str, Any] = {}
        for company, requests in groups.items():
            found |= self._asked_of(company, requests) if company else here(battery.only(requests))
        return {each.spelling: found[each.spelling] for each in battery.requests if each.spelling in found}

    def _asked_of(self, company: frozenset[str], requests: Sequence[Request]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        waiting = [list(requests)]
        while waiting:
            some = waiting.pop(0)
            try:
                found |= self._answers(company, some)
            except (NoAnswer, InvalidInput) as fault:
                if len(some) > 1:
                    waiting += [[each] for each in some]
                    continue
                named = " and ".join(f"plugin '{each}'" for each in sorted(company))
                self.missing[some[0].spelling] = f"{named} {_reason(fault)}"
        self._host.deputies.close()  # the next ones need the memory
        return found

    def _answers(self, company: frozenset[str], requests: Sequence[Request]) -> dict[str, Any]:
        given = {"measures": [each.spelling for each in requests], **self._given}
        answer = self._host.deputies.ask(company, self._asked, given, SECONDS_FOR_A_PART)
        try:
            return dict(self._told(answer, requests))
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
            raise NoAnswer("gives an answer that makes no sense") from None


def _reason(fault: Exception) -> str:
    return f"says: {'; '.join(fault.problems)}" if isinstance(fault, InvalidInput) else str(fault)


def _rows(told: Mapping[str, Any], keys: Collection[str], repeats: int) -> dict[str, list[float]]:
    """The values of a measure by fit, if there is one for each seed."""
    rows = {key: [float(each) for each in row] for key, row in told.items()}
    if not rows.keys() <= set(keys) or any(len(row) != repeats for row in rows.values()):
        raise ValueError
    return rows


def _entry(told: Mapping[str, Any], changes: Collection[str]) -> dict[str, Any]:
    """What was told of a measure on a network, if it is as `genbench.auditing.invariance` has it."""
    status = Status(told["status"])
    if status is not Status.OK:
        return {"status": str(status), "reason": printable(str(told["reason"]))}
    entry: dict[str, Any] = {"status": "ok", "value": float(told["value"])}
    if "noise" in told:
        entry["noise"] = float(told["noise"])
    if "changes" in told:
        entry["changes"] = {name: _change(told["changes"][name]) for name in changes}
    return entry


def _change(told: Mapping[str, Any]) -> dict[str, Any]:
    change: dict[str, Any] = {"verdict": VERDICTS[VERDICTS.index(told["verdict"])]}
    if "change" in told:
        change["change"] = float(told["change"])
    if "reason" in told:
        change["reason"] = printable(str(told["reason"]))
    return change
