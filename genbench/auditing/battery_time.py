"""What a battery of measures will take on a card: its share of all measures, times what these take there."""

from __future__ import annotations

from collections.abc import Iterable

from genbench.auditing.stored import stored
from genbench.fitting.cards import Card

__all__ = ["battery_hours", "share_of_all"]


def share_of_all(measures: Iterable[str]) -> float:
    """Which part of the time of all audited measures these take, by what the audit of costs found.

    A measure that was not audited counts as an average one, and one that is named twice counts twice.
    """
    times = {name: found["milliseconds"] for name, found in stored("cost")["measures"].items()}
    if not times:
        return 1.0
    total = sum(times.values())
    return sum(times.get(each, total / len(times)) for each in measures) / total


def battery_hours(
    card: Card, measures: Iterable[str], layers: Iterable[int], workers: int | None = None
) -> float:
    """Hours for measuring a network of each of these numbers of layers, several at a time.

    That processes side by side do not slow each other is assumed: one alone leaves most of a card idle.

    Parameters
    ----------
    workers : int, optional
        As many at a time; as many as there are by default where left out.
    """
    alone = sum(card.battery_seconds + card.battery_layer_seconds * each for each in layers)
    return share_of_all(measures) * alone / (workers or card.batteries) / 3600
