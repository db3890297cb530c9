"""What runs on a node: take a job, do it as the local executor does, hand over its outcome, take the next."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from genbench_submitit.spool import Spool

__all__ = ["fly"]

SECONDS_BETWEEN_LOOKS = 0.5
PATIENCE_SECONDS = 600.0
"""A driver that was silent for so long is gone."""


def fly(
    folder: str, name: str, device: str, driver: dict[str, str], patience: float = PATIENCE_SECONDS
) -> str:
    """Do jobs until the driver says stop, or is gone.

    Parameters
    ----------
    folder : str
        The spool.
    name : str
        Of this pilot.
    device : str
    driver : dict of str
        Versions of the driver, which must be those of this node.

    Returns
    -------
    str
        Why it ended.
    """
    from genbench.contract.jobs import Job
    from genbench.executors.local import LocalExecutor
    from genbench.executors.remote import versions

    spool = Spool(Path(folder))
    here = versions()
    if differing := [each for each in driver if here.get(each) != driver[each]]:
        spool.refuse(
            "; ".join(
                f"a node has {each} {here.get(each, 'not')}, the driver {driver[each]}" for each in differing
            )
        )
        return "versions differ"
    executor = LocalExecutor(devices=(device,))
    beat, seen = spool.last_beat(), time.monotonic()
    try:
        while not spool.stopped:
            if spool.last_beat() != beat:
                beat, seen = spool.last_beat(), time.monotonic()
            if time.monotonic() - seen > patience:
                return "the driver is gone"
            taken = spool.take(name)
            if taken is None:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                continue
            number, content = taken
            executor.submit(Job(**content))
            for outcome in executor.results():
                spool.finish(name, number, _plain(outcome))
        return "stopped"
    finally:
        executor.close()


def _plain(outcome: Any) -> dict[str, Any]:
    fields = {each.name: getattr(outcome, each.name) for each in dataclasses.fields(outcome)}
    return {**fields, "job": None}
