"""Before anything trains: the plan made, its data in the cache, what cannot be built found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.canonical import canonical_json
from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.base.machine import memory
from genbench.base.names import plugin_of
from genbench.contract.components import Component, Kind
from genbench.host import Host
from genbench.host.elsewhere import Elsewhere, NoAnswer
from genbench.planning.coverage import check_planned
from genbench.planning.plan import DataFacts, Plan, Trial, make_plan
from genbench.planning.suite import Suite

if TYPE_CHECKING:
    from genbench.fitting.prepared import PreparedData, SplitName

__all__ = ["Unmade", "facts_of", "plan_suite", "prepare_all"]

SECONDS_FOR_DATA = 3600.0
"""Code of a plugin may take so long to make a data set, or to download it."""


def plan_suite(
    suite: Suite, host: Host, *, data: Path | None = None, limit: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Plan:  # fmt: skip
    """Expand a suite; data are loaded only for data sets that do not declare what they hold."""

    def look_up(component: Component, settings: Mapping[str, Any]) -> DataFacts:
        if not isinstance(component.object, Elsewhere):
            return facts_of(component, settings, data)
        seconds = min(SECONDS_FOR_DATA, suite.limits.training_seconds)
        given = {"settings": dict(settings), "data": None if data is None else str(data)}
        try:
            told = component.object.ask("facts", seconds=seconds, **given)
        except InvalidInput as fault:
            raise NoAnswer(f"is not to be had: {'; '.join(fault.problems)}") from None
        try:
            task = told["task"]
            facts = DataFacts(
                str(told["checksum"]), Task(task["kind"], tuple(task["input_shape"]), task["outputs"])
            )
        except (TypeError, KeyError, ValueError):
            raise NoAnswer("gives an answer that makes no sense") from None
        _adopt(host, component, settings, facts.checksum)
        return facts

    plan = make_plan(suite, look_up, limit=limit, shard=shard)
    if limit is None and not plan.left_out:
        check_planned(suite.claims, plan.whole, suite.name)
    return plan


def _adopt(host: Host, component: Component, settings: Mapping[str, Any], checksum: str) -> None:
    """Have what a deputy prepared in the cache of all."""
    cache = host.deputies.cache([component.plugin])
    if cache is not None and (cache / "prepared").is_dir():
        from genbench.fitting.prepared import adopt

        adopt(component, settings, checksum, cache)


def facts_of(component: Component, settings: Mapping[str, Any], data: Path | None) -> DataFacts:
    """What planning must know of a data set whose code is imported here."""
    declared = component.declared
    if declared.checksum is not None and declared.task is not None:
        task = declared.task(**settings) if callable(declared.task) else declared.task
        return DataFacts(declared.checksum, task)
    from genbench.fitting import splits

    prepared = splits.prepare(component, settings, data)
    return DataFacts(prepared.checksum, prepared.task)


def prepare_all(
    trials: Sequence[Trial], host: Host, root: Path | None, opened: Sequence[SplitName]
) -> list[str]:
    """Have the data of trials in the cache, by code that is imported here; what is wrong with them."""
    from genbench.fitting import splits

    problems: dict[str, None] = {}
    prepared: dict[str, splits.PreparedData | None] = {}
    for trial in trials:
        dataset = canonical_json([trial.dataset.name, trial.dataset.settings])
        try:
            if dataset not in prepared:
                prepared[dataset] = None
                component = host.find(Kind.DATASET, trial.dataset.name)
                prepared[dataset] = splits.prepare(
                    component, trial.dataset.settings, root, checksum=trial.checksum, splits=opened
                )
            if (found := prepared[dataset]) is not None:
                problems.update(dict.fromkeys(_size_faults([trial], found)))
        except InvalidInput as fault:
            problems.update(dict.fromkeys(fault.problems))
    return list(problems)


class Unmade:
    """Trials that cannot be begun, because of code of a plugin that they need.

    Attributes
    ----------
    reasons : dict of str
        By the trial's key.
    problems : dict
        What that code itself says is wrong.
    """

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.problems: dict[str, None] = {}

    def prepare(
        self, trials: Sequence[Trial], host: Host, root: Path | None, opened: Sequence[SplitName]
    ) -> list[str]:
        """As `prepare_all`, whoever has the code of the data sets; returns what is wrong with the core's."""
        from genbench.fitting.prepared import is_prepared

        here = [each for each in trials if _data_plugin(each) not in host.elsewhere]
        problems = prepare_all(here, host, root, opened) if here else []
        for group in _by_data(each for each in trials if _data_plugin(each) in host.elsewhere).values():
            name, settings, checksum = group[0].dataset.name, group[0].dataset.settings, group[0].checksum
            component = host.find(Kind.DATASET, name)
            if (known := is_prepared(component, settings, checksum, opened)) is not None:
                problems += _size_faults(group, known)
                continue
            asked = {"trials": [each.as_dict() for each in _by_sizes(group)], "splits": list(opened)}
            asked["data"] = None if root is None else str(root)
            try:
                found = host.deputies.ask([_data_plugin(group[0])], "prepare", asked, SECONDS_FOR_DATA)
                _adopt(host, component, settings, checksum)
                reason = "; ".join(map(str, found))
                self.problems.update(dict.fromkeys(map(str, found)))
            except NoAnswer as fault:
                reason = f"dataset '{name}' {fault}"
            if reason:
                self.reasons.update(dict.fromkeys((each.key for each in group), reason))
        return problems


def _size_faults(trials: Iterable[Trial], known: PreparedData) -> list[str]:
    from genbench.fitting import splits

    problems: dict[str, None] = {}
    for trial in trials:
        sizes = {name: trial.splits[name] for name in ("train_size", "validation_size", "test_size")}
        try:
            splits.check_sizes(known, **sizes)
        except InvalidInput as fault:
            problems.update(dict.fromkeys(fault.problems))
    return list(problems)


def _data_plugin(trial: Trial) -> str:
    """The plugin that has the data set's code; empty for the core."""
    return plugin_of(trial.dataset.name)


def _by_data(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    groups: dict[str, list[Trial]] = {}
    for each in trials:
        name = canonical_json([each.dataset.name, each.dataset.settings, each.checksum])
        groups.setdefault(name, []).append(each)
    return groups


def _by_sizes(trials: Sequence[Trial]) -> list[Trial]:
    """One trial for each way to split the same data."""
    return list({canonical_json(each.splits): each for each in trials}.values())


def _prepare(trials: Sequence[Trial], host: Host, root: Path | None) -> None:
    """Have the data of fits that will be measured in the cache: a worker that measures never makes them."""
    if problems := Unmade().prepare(trials, host, root, ["train"]):
        raise InvalidInput(problems)


def _memory_here() -> float | None:
    """Bytes of memory of this machine, or of a GPU in it that has more; None where it is not told."""
    import torch

    own = memory()
    if own is None or not torch.cuda.is_available():
        return own
    found = range(torch.cuda.device_count())
    return float(max(own, *(torch.cuda.get_device_properties(each).total_memory for each in found)))


def _check(
    pending: Sequence[Trial], host: Host, root: Path | None, *, here: bool = True
) -> Mapping[str, str]:
    """Find what cannot be built or read before anything trains; `here` tells whether this machine will.

    Returns
    -------
    mapping of str
        Keys of trials that cannot be begun, to the reason.
    """
    if not pending:
        return {}
    from genbench.fitting.foresight import foresee

    unmade = Unmade()
    unmade.reasons |= foresee(pending, host, memory_here=_memory_here() if here else None).doomed
    problems = unmade.prepare(pending, host, root, ["train", "test"])
    if not problems and len(unmade.reasons) == len({each.key for each in pending}):
        problems = list(unmade.problems)
    if problems:
        raise InvalidInput(problems)
    return unmade.reasons
