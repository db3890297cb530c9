"""The process that does jobs: ``python -m genbench.execution.worker``.

It reads jobs from standard input, one JSON text a line, and answers on the descriptor that the environment
names (see `genbench.execution.channel`), or, started by hand, on what was its standard output; whatever
components print goes to standard error. Started with an argument it first goes behind the bounds that this
describes (see `genbench.execution.apart`). When its input ends it ends at once, so that no
worker outlives the command that started it. On Linux it also dies with the thread that started it, because a
component that hangs in native code may keep the interpreter from seeing that its input ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.canonical import digest
from genbench.base.children import die_with_parent
from genbench.base.confinement import keep_signals_inside
from genbench.base.errors import first_line
from genbench.base.files import disk_full
from genbench.base.values import Status
from genbench.contract.components import Kind
from genbench.execution.apart import enter
from genbench.execution.channel import BELL, CHANNEL, Epochs, Speaker, stamped
from genbench.execution.spoiling import Spoilt, unchanged_surroundings
from genbench.host import Host
from genbench.host.plugin import PluginSource
from genbench.host.settings import parse_variant
from genbench.runs.environment import describe_environment, describe_plugins, now
from genbench.runs.store import Folder

if TYPE_CHECKING:
    from genbench.fitting.roots import Start
    from genbench.host.battery import Battery

Emit = Callable[[Mapping[str, Any]], None]

# A traceback is for people: what is beyond is cut.
LONGEST_DETAIL = 20_000


class Worker:
    """Does one job after the other; plugins are loaded once for each list of them.

    Parameters
    ----------
    emit : callable
        Says an event.
    bounds : mapping, optional
        What keeps this process from files and from the network.
    """

    def __init__(self, emit: Emit, bounds: Mapping[str, str] | None = None):
        self._say = emit
        self._bounds = dict(bounds or {})
        self._job: Mapping[str, Any] = {}
        self._environment: dict[str, str] = {}
        self._said = 0
        self._hosts: dict[str, Host] = {}
        self._batteries: dict[tuple[int, tuple[str, ...]], Battery] = {}

    def do(self, job: Mapping[str, Any]) -> None:
        """Do a job and say how it went; a fault in it is an answer, not an exception."""
        import torch

        from genbench.networks.compiler import leave_out_compiler

        self._job, self._said, self._environment = job, 0, {}
        leave_out_compiler()
        torch.set_num_threads(job["trial"]["threads"])
        began = time.perf_counter()
        try:
            host = self._host(job["plugins"])
            if job["kind"] == "train":
                with unchanged_surroundings(host):
                    self._train(job, host, self._open(job, host))
            elif job["kind"] == "hand":
                self._hand_over(job, host)
            elif job["kind"] == "evaluate":
                self._evaluate(job, host)
            elif job.get("handed"):
                self._measure_what_was_handed(job, host)
            else:
                self._open(job, host)
                self._measure_stored(job, host)
        except MemoryError:
            raise
        except Exception as fault:
            full = disk_full(fault)
            named = "" if isinstance(fault, Spoilt) else f"{type(fault).__name__}: "
            reason = str(full) if full else f"{named}{first_line(fault)}"
            detail = traceback.format_exc()[-LONGEST_DETAIL:]
            self._emit(
                {
                    "event": "failed", "reason": reason, "detail": detail, "disk_full": bool(full),
                    "spoilt": isinstance(fault, Spoilt),
                }
            )  # fmt: skip
        else:
            seconds = time.perf_counter() - began
            self._emit({"event": "done", "seconds": seconds, **self._environment})

    def _emit(self, message: Mapping[str, Any]) -> None:
        """Say something of the job that is being done."""
        self._say({**message, **stamped(self._job, self._said)})
        self._said += 1

    def _host(self, plugins: list[Mapping[str, Any]]) -> Host:
        known = digest(plugins)
        if known not in self._hosts:
            self._hosts[known] = Host.of([PluginSource(**each) for each in plugins])
        return self._hosts[known]

    def _open(self, job: Mapping[str, Any], host: Host) -> Folder:
        """The run folder, where it stands what the job is done with."""
        folder = Folder(job["folder"])
        name = folder.add_environment(describe_environment(host, job["device"]))
        self._environment = {"environment": name}
        return folder

    def _train(self, job: Mapping[str, Any], host: Host, folder: Folder) -> None:
        from genbench.fitting.fit import fit
        from genbench.planning.plan import Trial
        from genbench.planning.suite import Limits

        trial = Trial.from_dict(job["trial"])
        record, states = fit(
            trial,
            host,
            root=Path(job["data"]) if job["data"] else None,
            device=job["device"],
            keep=job["keep"],
            limits=Limits(**job["limits"]),
            on_epoch=Epochs(self._emit),
        )
        made = {**self._environment, "device": job["device"], "time": now()}
        folder.write_fit(job["key"], {**record, **made}, states)

    def _measure_stored(self, job: Mapping[str, Any], host: Host) -> None:
        battery = self._battery(host, tuple(job["measures"]))
        self._measure(job, host, battery, _start(job, host, battery.roots))

    def _hand_over(self, job: Mapping[str, Any], host: Host) -> None:
        """Write what the measures of a fit start from into a folder, for another process."""
        from genbench.fitting.handing import hand_over
        from genbench.fitting.roots import OF_A_FIT

        needed = OF_A_FIT | ({"siblings"} if job["siblings"] else frozenset())
        hand_over(_start(job, host, needed), describe_environment(host, job["device"]), Path(job["handed"]))

    def _measure_what_was_handed(self, job: Mapping[str, Any], host: Host) -> None:
        from genbench.fitting.handing import handed

        start, described = handed(Path(job["handed"]))
        # Whoever supervises writes it down: the run folder is out of reach.
        own = {"plugins": describe_plugins(host), "plugins_confined_by": self._bounds}
        self._emit({"event": "described", "description": {**described, **own}})
        self._measure(job, host, self._battery(host, tuple(job["measures"])), start)

    def _measure(self, job: Mapping[str, Any], host: Host, battery: Battery, start: Start) -> None:
        from genbench.fitting.roots import roots_from
        from genbench.host.identity import seed_for

        roots = roots_from(start, host, device=job["device"], needed=battery.roots)
        self._compute(job, battery, roots, seed_for(job["key"], job["trial"]["seed"]))

    def _evaluate(self, job: Mapping[str, Any], host: Host) -> None:
        """Measure one of the networks of the user's own that were handed over."""
        from genbench.fitting.handed_networks import handed_network
        from genbench.measuring.evaluation import own_roots, seeds_of

        given = handed_network(Path(job["handed"]), int(job["key"]), host, job["device"])
        battery = self._battery(host, tuple(job["measures"]))
        with own_roots(given.model, given.examples, seed=given.seed, **given.roots) as roots:
            self._compute(job, battery, roots, seeds_of(given.seed))

    def _compute(
        self, job: Mapping[str, Any], battery: Battery, roots: Mapping[str, Any], seeds: Callable[..., int]
    ) -> None:
        from genbench.host.battery import Failure
        from genbench.measuring import compute

        for value in compute(
            battery,
            roots,
            seeds,
            note=lambda spelling, kind: self._emit({"event": "note", "component": spelling, "kind": kind}),
            spent=self._spent,
            skip={
                component: Failure(Status(why["status"]), why["reason"])
                for component, why in job["skip"].items()
            },
            spoilt=lambda spelling, kind, reason: self._emit(
                {
                    "event": "spoilt",
                    "component": spelling,
                    "kind": kind,
                    "reason": reason,
                    **self._environment,
                }
            ),
        ):
            self._emit({"event": "value", "value": plain_value(value)})

    def _battery(self, host: Host, measures: tuple[str, ...]) -> Battery:
        """Resolved once for all the fits that are measured alike."""
        from genbench.host.battery import Battery, Request

        known = id(host), measures
        if known not in self._batteries:
            variants = [parse_variant(spelling) for spelling in measures]
            requests = [Request.of(host.find(Kind.MEASURE, name), chosen) for name, chosen in variants]
            self._batteries[known] = Battery.resolve(requests, host.probe_lookup)
        return self._batteries[known]

    def _spent(self, spelling: str, kind: str, seconds: float, peak_memory: int) -> None:
        if kind == Kind.PROBE:
            cost = {"seconds": seconds, "peak_memory": peak_memory}
            self._emit({"event": "spent", "probe": spelling, "cost": cost})


def _start(job: Mapping[str, Any], host: Host, needed: frozenset[str]) -> Start:
    """What the measures of a job's fit start from, read from the run folder and the data."""
    from genbench.fitting.roots import start_of

    folder = Folder(job["folder"])
    stored = folder.fit(job["key"], check_weights=True)
    if stored is None:
        raise ValueError("the fit is damaged; start the run again to train it anew")
    siblings = [folder.fit(key) for key in job["siblings"]]
    return start_of(
        stored,
        host,
        root=Path(job["data"]) if job["data"] else None,
        needed=needed,
        siblings=[each for each in siblings if each is not None],
    )


def plain_value(value: Any) -> dict[str, Any]:
    """A value as JSON can hold it: an infinity is no number there, but its sign is kept beside."""
    number = value.value
    infinite = number is not None and number in (float("inf"), float("-inf"))
    return {
        "measure": value.name,
        "value": None if infinite else number,
        **({"infinite": 1 if number > 0 else -1} if infinite else {}),
        "status": str(value.status),
        "reason": value.reason,
        "seconds": value.seconds,
        "own_seconds": value.own_seconds,
        "peak_memory": value.peak_memory,
        **({"detail": value.detail[-LONGEST_DETAIL:]} if value.detail else {}),
    }


def serve(work: Callable[[Emit, queue.SimpleQueue[Mapping[str, Any]]], None]) -> None:
    """Be a worker process: read jobs into a queue until the input ends, and let them be worked on.

    Parameters
    ----------
    work : callable (emit, jobs)
        Says events by `emit`; does not return.
    """
    die_with_parent()
    keep_signals_inside()
    emit = answers()
    jobs: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()

    def listen() -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in sys.stdin:
                jobs.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    emit({"event": "ready"})
    work(emit, jobs)


def main() -> None:
    """Do one job after the other."""
    bounds = enter(sys.argv[1]) if sys.argv[1:] else {}

    def one_by_one(emit: Emit, jobs: queue.SimpleQueue[Mapping[str, Any]]) -> None:
        worker = Worker(emit, bounds)
        while True:
            worker.do(jobs.get())

    serve(one_by_one)


def answers() -> Speaker:
    """How a process answers; standard output is no longer where it does."""
    spoken = _given(CHANNEL)
    if spoken is None:
        spoken = os.dup(1)
    os.dup2(2, 1)
    return Speaker(os.fdopen(spoken, "w", buffering=1), _given(BELL))


def _given(variable: str) -> int | None:
    """The descriptor that the environment names; processes of components do not get it."""
    given = os.environ.pop(variable, "")
    if not given:
        return None
    os.set_inheritable(int(given), False)
    return int(given)


if __name__ == "__main__":
    main()
