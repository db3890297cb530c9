"""``--statistics`` and ``--rank-by``: those that a ranking has by itself, and those of plugins."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from genbench.base.errors import MissingResult
from genbench.cli import options

if TYPE_CHECKING:
    import numpy as np

    from genbench.contract.components import Component
    from genbench.host import Host
    from genbench.host.elsewhere import Elsewhere
    from genbench.ranking.from_elsewhere import OrientedStatistic, Rows

__all__ = ["asked_for"]

SECONDS = 120.0
"""For a statistic of one measure under every set of weights, where a plugin's process computes it."""


def asked_for(
    words: Sequence[str] | None, rank_by: str, plugins: Sequence[str], without: Sequence[str]
) -> list[str | OrientedStatistic] | None:
    """What `genbench.rank` is to compute; None for what it computes by itself.

    A plugin's statistic that orders the rows is computed beside the others without being named twice.

    Raises
    ------
    InvalidInput
        A word names no statistic, or several plugins' have it.
    """
    from genbench.contract.components import Kind
    from genbench.ranking.statistics import BY_DEFAULT, STATISTICS

    names = list(dict.fromkeys(BY_DEFAULT if words is None else words))
    if STATISTICS.keys() >= set(names) and not plugins and ":" not in rank_by:
        return None if words is None else [*names]
    host = _host(plugins, without)
    if rank_by not in names and host.lookup(Kind.STATISTIC, rank_by) is not None:
        names.append(rank_by)
    return [
        name if name in STATISTICS else _oriented(name, host.find(Kind.STATISTIC, name, words=STATISTICS))
        for name in names
    ]


def _host(plugins: Sequence[str], without: Sequence[str]) -> Host:
    from genbench.host import Host

    host = Host.described(plugins, without)
    for line in host.problems():
        options.warn(line)
    return host


def _oriented(name: str, component: Component) -> OrientedStatistic:
    from genbench.host.elsewhere import Elsewhere
    from genbench.ranking.from_elsewhere import OrientedStatistic, evaluated

    if isinstance(component.object, Elsewhere):
        return OrientedStatistic(name, partial(_asked, component.object))
    return OrientedStatistic(name, partial(evaluated, component.object))


def _asked(there: Elsewhere, values: np.ndarray, rows: Rows, weights: np.ndarray) -> list[float]:
    """Have the process of its plugin compute it."""
    from genbench.host.elsewhere import NoAnswer

    given = {
        "values": values.tolist(),
        "target": rows.target.tolist(),
        "axes": {axis: codes.tolist() for axis, codes in rows.axes.items()},
        "groups": rows.groups.tolist(),
        "weights": weights.tolist(),
    }
    try:
        found = there.ask("statistic", seconds=SECONDS, **given)
        numbers = [float(each) for each in found]
    except NoAnswer as fault:
        raise MissingResult(f"statistic '{there.name}' {fault}") from None
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != len(weights):
        raise MissingResult(f"statistic '{there.name}' gives an answer that makes no sense")
    return numbers
