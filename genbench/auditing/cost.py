"""What each measure costs alone, in milliseconds on one thread, on a network that the table names."""

from __future__ import annotations

import statistics
from typing import Any

from genbench.auditing.invariance import single_threaded
from genbench.auditing.networks import COST_SUITE, train_networks
from genbench.base.values import Status
from genbench.host import Host
from genbench.host.battery import Battery
from genbench.host.identity import seed_for
from genbench.measuring import compute

__all__ = ["audit"]

# The median of so many passes, behind one that warms up.
PASSES = 3


def audit(battery: Battery, host: Host) -> tuple[dict[str, Any], dict[str, Any]]:
    """Time a battery: of each measure its own time and that of every probe below it.

    Returns
    -------
    about : dict
        The network, and the milliseconds of the whole battery, whose measures share their probes.
    measures : dict
        By spelling ``version`` and ``milliseconds``; no entry without a value.
    """
    seconds: dict[str, list[float]] = {}
    shared: list[float] = []
    with single_threaded():
        (network,) = train_networks({"cost": COST_SUITE}, host)
        for warm in range(PASSES + 1):
            spent: list[float] = []

            def note(spelling: str, kind: str, each: float, memory: int, spent: list[float] = spent) -> None:
                spent.append(each)

            values = compute(battery, network.roots, seed_for(network.key, 0), spent=note)
            for value in values:
                if warm and value.status is Status.OK:
                    seconds.setdefault(value.name, []).append(value.seconds)
            if warm:
                shared.append(sum(spent))
    versions = {each.spelling: each.component.version for each in battery.requests}
    about = {"network": network.title, "threads": 1, "battery_milliseconds": _milliseconds(shared)}
    return about, {
        name: {"version": versions[name], "milliseconds": _milliseconds(times)}
        for name, times in seconds.items()
    }


def _milliseconds(times: list[float]) -> float:
    return float(f"{1000 * statistics.median(times):.3g}")
