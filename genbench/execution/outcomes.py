"""What an outcome takes of what a worker says: sound values, and a reason for each that is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from genbench.base.values import Status, Value
from genbench.contract.jobs import JobOutcome
from genbench.execution.channel import ChannelBroken
from genbench.runs.rows import value_number

__all__ = ["give_up", "sound", "take", "value_of"]

_STATUSES = tuple(Status)


def sound(value: Any, left: Sequence[str]) -> dict[str, Any]:
    """A value as it came, if it is one of those that are still due; else `ChannelBroken`."""
    number = value.get("value")
    finite = number is None or (type(number) in (int, float) and math.isfinite(number))
    if value.get("measure") not in left or value.get("status") not in _STATUSES or not finite:
        raise ChannelBroken("it gave a value that it was not asked for")
    return value


def take(value: dict[str, Any], outcome: JobOutcome, left: list[str]) -> None:
    """Put a value into the outcome; it is due no longer."""
    outcome.values.append(value)
    left.remove(value["measure"])


def give_up(left: list[str], outcome: JobOutcome, status: str, reason: str, detail: str) -> None:
    """Let all that is due end without a value, for one reason."""
    for measure in list(left):
        take({**_missing(measure, status, reason), **({"detail": detail} if detail else {})}, outcome, left)


def value_of(content: Mapping[str, Any]) -> Value:
    """The value that plain data tell of; see `genbench.execution.worker.plain_value`."""
    number = value_number(content)
    return Value(
        name=content["measure"],
        value=None if math.isnan(number) else number,
        status=Status(content["status"]),
        reason=str(content["reason"]),
        seconds=float(content["seconds"]),
        own_seconds=float(content["own_seconds"]),
        peak_memory=int(content["peak_memory"]),
        detail=str(content.get("detail", "")),
    )


def _missing(measure: str, status: str, reason: str) -> dict[str, Any]:
    return {
        "measure": measure,
        "value": None,
        "status": status,
        "reason": reason,
        "seconds": 0.0,
        "own_seconds": 0.0,
        "peak_memory": 0,
    }
