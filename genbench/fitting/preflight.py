"""Before anything trains: the plan made, its data in the cache, what cannot be built found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genbench.base.errors import InvalidInput
from genbench.base.machine import memory
from genbench.contract.components import Component, Kind
from genbench.host import Host
from genbench.planning.coverage import check_planned
from genbench.planning.plan import DataFacts, Plan, Trial, make_plan
from genbench.planning.suite import Suite

__all__ = ["plan_suite"]


def plan_suite(
    suite: Suite, host: Host, *, data: Path | None = None, limit: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Plan:  # fmt: skip
    """Expand a suite; data are loaded only for data sets that do not declare what they hold."""

    def look_up(component: Component, settings: Mapping[str, Any]) -> DataFacts:
        declared = component.declared
        if declared.checksum is not None and declared.task is not None:
            task = declared.task(**settings) if callable(declared.task) else declared.task
            return DataFacts(declared.checksum, task)
        from genbench.fitting import splits

        prepared = splits.prepare(component, settings, data)
        return DataFacts(prepared.checksum, prepared.task)

    plan = make_plan(suite, look_up, limit=limit, shard=shard)
    if limit is None:
        check_planned(suite.claims, plan.whole, suite.name)
    return plan


def _prepare(trials: Sequence[Trial], host: Host, root: Path | None) -> None:
    """Have the data of fits that will be measured in the cache: a worker that measures never makes them."""
    from genbench.fitting import splits

    for trial in {each.checksum: each for each in trials}.values():
        component = host.find(Kind.DATASET, trial.dataset.name)
        splits.prepare(component, trial.dataset.settings, root, checksum=trial.checksum, splits=["train"])


def _memory_here() -> float | None:
    """Bytes of memory of this machine, or of a GPU in it that has more; None where it is not told."""
    import torch

    own = memory()
    if own is None or not torch.cuda.is_available():
        return own
    found = range(torch.cuda.device_count())
    return float(max(own, *(torch.cuda.get_device_properties(each).total_memory for each in found)))


def _check(pending: Sequence[Trial], host: Host, root: Path | None, *, here: bool = True) -> None:
    """Find what cannot be built or read before anything trains; `here` tells whether this machine will."""
    if not pending:
        return
    from genbench.base.canonical import canonical_json
    from genbench.fitting import splits
    from genbench.fitting.prediction import predict

    predict(pending, host, memory_here=_memory_here() if here else None)
    problems: dict[str, None] = {}
    prepared: dict[str, splits.PreparedData | None] = {}
    for trial in pending:
        dataset = canonical_json([trial.dataset.name, trial.dataset.settings])
        sizes = {name: trial.splits[name] for name in ("train_size", "validation_size", "test_size")}
        try:
            if dataset not in prepared:
                prepared[dataset] = None
                component = host.find(Kind.DATASET, trial.dataset.name)
                prepared[dataset] = splits.prepare(
                    component, trial.dataset.settings, root, checksum=trial.checksum
                )
            if (found := prepared[dataset]) is not None:
                splits.check_sizes(found, **sizes)
        except InvalidInput as fault:
            problems.update(dict.fromkeys(fault.problems))
    if problems:
        raise InvalidInput(problems)
