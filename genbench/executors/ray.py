"""The executor on a Ray cluster: workers are actors, and the driver alone writes into the run folder.

Data and the fits that a job needs travel as objects, plugin files as text within the job. A job whose worker
or node dies is done again elsewhere; what the dead one had made never arrives.
"""

from __future__ import annotations

import collections
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import genbench
from genbench.base.errors import InvalidInput, UsageError, first_line
from genbench.contract.jobs import Job, JobOutcome
from genbench.executors.remote import (
    Node,
    data_name,
    files_below,
    files_of_fit,
    place_of_data,
    settle,
    versions,
)

__all__ = ["RayExecutor"]

DEATHS_OF_A_JOB = 3
"""A job that so many workers or nodes died with is given up: it may be what kills them."""

CALLS_AT_A_TIME = 64
SECONDS_BETWEEN_LINES = 60.0
SECONDS_TO_CLOSE = 5.0
SECONDS_TO_ASK = 120.0
SECONDS_TO_CONNECT = 10.0
STARTS_THAT_MAY_FAIL = 3


@genbench.executor(name="ray")
class RayExecutor:
    """Runs jobs on the nodes of a Ray cluster.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        With ``auto`` on GPUs where the cluster has some.
    workers : int, optional
        Actors; as many as the cluster has cores, or room for GPUs, where left out.
    address : str, optional
        Of a cluster, ``auto`` for the one that this machine belongs to; where left out, ``$RAY_ADDRESS``, or
        a cluster of this machine alone.
    gpus : float
        Of each worker on GPUs: a share of one, or a whole one.
    options : mapping, optional
        More for the local executor that each worker has.
    say : callable
        Takes lines on the nodes: which there are, which are lost.

    Raises
    ------
    UsageError
        Ray is not installed, or the cluster has not what is asked for.
    InvalidInput
        Nothing answers at the address, or a node has other versions than the driver.
    """

    remote = True

    def __init__(
        self,
        *,
        device: str = "auto",
        workers: int | None = None,
        address: str | None = None,
        gpus: float = 1.0,
        options: Mapping[str, Any] | None = None,
        say: Callable[[str], None] = lambda line: None,
    ):
        self._say = say
        self._ray = _imported()
        _connect(self._ray, address)
        try:
            self.device, self._wanted = self._room(device, workers, gpus)
            self._check_versions()
        except BaseException:
            self._ray.shutdown()
            raise
        self.slots = self._wanted
        self._options = dict(options or {})
        self._actor = self._ray.remote(_RayNode).options(
            num_cpus=1,
            num_gpus=gpus if self.device == "cuda" else 0,
            max_restarts=0,
            max_concurrency=CALLS_AT_A_TIME,
            scheduling_strategy="SPREAD",
        )
        self._waiting: collections.deque[Job] = collections.deque()
        self._open = 0
        self._cancelled: list[JobOutcome] = []
        self._deaths: collections.Counter[str] = collections.Counter()
        self._workers: set[_Worker] = set()
        self._calls: dict[Any, tuple[_Worker, Job | None]] = {}
        self._failed_starts = 0
        self._trained_by: dict[str, _Worker] = {}
        self._data: dict[str, Any] = {}
        self._done: collections.Counter[str] = collections.Counter()
        self._said, self._told = time.monotonic(), ""

    def submit(self, job: Job) -> str:
        """Queue a job; returns its id."""
        self._open += 1
        self._waiting.append(job)
        return job.id

    def results(self) -> Iterator[JobOutcome]:
        """Yield outcomes as they come, until no job is left; what they made is in the run folder."""
        while self._open:
            self._dispatch()
            ended, self._cancelled = self._cancelled, []
            if not ended:
                ready, _ = self._ray.wait([*self._calls], num_returns=1, timeout=0.5)
                ended = [outcome for call in ready if (outcome := self._end(call)) is not None]
            self._tell()
            for outcome in ended:
                self._open -= 1
                yield outcome

    def cancel(self, id: str) -> None:
        """Forget a job that has not been sent to a node."""
        for job in [each for each in self._waiting if each.id == id]:
            self._waiting.remove(job)
            self._cancelled.append(JobOutcome(job, status="cancelled"))

    def close(self) -> None:
        """Stop at once: end the actors and their workers, let go of the cluster."""
        if not self._ray.is_initialized():
            return
        with suppress(Exception):  # whatever has become of the cluster, this command is over
            closing = [each.actor.close.remote() for each in self._workers]
            self._ray.wait(closing, num_returns=len(closing), timeout=SECONDS_TO_CLOSE)
            for each in self._workers:
                self._ray.kill(each.actor)
        self._workers.clear()
        self._ray.shutdown()

    # --- the cluster -------------------------------------------------------------------------------

    def _room(self, device: str, workers: int | None, gpus: float) -> tuple[str, int]:
        """The device, and how many workers the cluster has room for."""
        there = self._ray.cluster_resources()
        name = ("cuda" if there.get("GPU") else "cpu") if device == "auto" else device
        if name not in ("cpu", "cuda"):
            raise UsageError(f"no such device '{device}' on a cluster; there are auto, cpu and cuda")
        if not 0 < gpus <= 1:
            raise UsageError(f"--executor ray[gpus={gpus:g}]: must be above 0 and at most 1")
        room = int(there.get("CPU", 0)) if name == "cpu" else int(there.get("GPU", 0) / gpus + 1e-6)
        if not room:
            raise UsageError(f"the Ray cluster has no {'cores' if name == 'cpu' else 'GPU'} for workers")
        if workers is not None and workers < 1:
            raise UsageError(f"--workers {workers}: must be at least 1")
        return name, workers or room

    def _check_versions(self) -> None:
        """Ask every node for its versions before anything runs."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        own = versions()
        ask = self._ray.remote(versions)
        asked = {
            each["NodeManagerAddress"]: ask.options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(each["NodeID"], soft=False)
            ).remote()
            for each in self._ray.nodes()
            if each["Alive"]
        }
        problems = []
        for node, call in asked.items():
            try:
                found = self._ray.get(call, timeout=SECONDS_TO_ASK)
            except Exception as fault:  # whatever a node without genbench, or with another, answers
                problems.append(f"node {node} cannot say its versions: {_last_line(fault)}")
                continue
            problems += _different(f"node {node}", found, own)
        if problems:
            raise InvalidInput([*problems, "nothing was run; install the same versions on all nodes"])

    def _dispatch(self) -> None:
        """Have as many workers as wanted, and give a job to each that has room."""
        for _ in range(self._wanted - len(self._workers)):
            worker = _Worker(self._actor.remote(self.device, self._options))
            self._workers.add(worker)
            self._calls[worker.actor.where.remote()] = (worker, None)
        for worker in self._workers:
            while worker.busy < worker.slots and self._waiting:
                job = self._job_for(worker)
                self._calls[worker.actor.do.remote(self._parcel(job))] = (worker, job)
                worker.busy += 1

    def _job_for(self, worker: _Worker) -> Job:
        """The job that follows from what a worker did, for it has the fit; else the oldest."""
        own = (each for each in self._waiting if self._trained_by.get(each.key) is worker)
        job = next(own, self._waiting[0])
        self._waiting.remove(job)
        return job

    def _parcel(self, job: Job) -> dict[str, Any]:
        """A job with objects of the cluster that hold what it needs, fetched where that is not there."""
        name = data_name(job)
        if name not in self._data:
            self._data[name] = self._ray.put(files_below(place_of_data(name)))
        keys = [job.key, *job.siblings] if job.kind == "measure" else []
        fits = {key: self._ray.put(files_of_fit(Path(job.folder), key)) for key in keys}
        return {"job": job.as_dict(), "data": (name, self._data[name]), "fits": fits}

    def _end(self, call: Any) -> JobOutcome | None:
        """Take the answer to a call; None where it is not the outcome of a job."""
        worker, job = self._calls.pop(call)
        try:
            answer = self._ray.get(call)
        except self._ray.exceptions.RayActorError as fault:
            return self._lose(worker, job, fault)
        except self._ray.exceptions.RayError as fault:
            if job is None:
                raise InvalidInput(f"a worker cannot start on the Ray cluster: {_last_line(fault)}") from None
            worker.busy -= 1
            return JobOutcome(job, status="error", reason=_last_line(fault))
        if job is None:
            self._welcome(worker, answer)
            return None
        worker.busy -= 1
        self._done[worker.node] += 1
        if job.kind == "train":
            self._trained_by[job.key] = worker
        settle(Path(job.folder), answer["files"])
        return JobOutcome(**{**answer["outcome"], "job": job})

    def _welcome(self, worker: _Worker, answer: Mapping[str, Any]) -> None:
        """A worker is up; on a node that joined later its versions are seen here first."""
        if problems := _different(f"node {answer['node']}", answer["versions"], versions()):
            raise InvalidInput(problems)
        worker.node, worker.slots = answer["node"], answer["slots"]
        self.slots = max(self._wanted, sum(each.slots for each in self._workers))
        self._failed_starts = 0

    def _lose(self, worker: _Worker, job: Job | None, fault: Exception) -> JobOutcome | None:
        """A worker or its node is gone: its job comes first again, unless it dies with it too often."""
        if worker in self._workers and worker.node:
            self._say(f"a worker on {worker.node} is lost; what it had begun is done again")
        self._workers.discard(worker)
        with suppress(Exception):  # one that is out of reach only must not keep its place
            self._ray.kill(worker.actor)
        if job is None:
            self._failed_starts += 1
            if self._failed_starts > STARTS_THAT_MAY_FAIL + self._wanted:
                raise InvalidInput(f"workers die as they start on the Ray cluster: {_last_line(fault)}")
            return None
        self._deaths[job.id] += 1
        if self._deaths[job.id] < DEATHS_OF_A_JOB:
            self._waiting.appendleft(job)
            return None
        why = f"{DEATHS_OF_A_JOB} workers of the Ray cluster died while doing it"
        return JobOutcome(job, status="crashed", reason=why)

    def _tell(self) -> None:
        """Say where the workers are when that changed, and each minute how much each node did."""
        nodes = collections.Counter(each.node for each in self._workers if each.node)
        waiting = self._wanted - nodes.total()
        shown = f"Ray: {_counted(nodes)} workers" + (f", {waiting} wait for a place" if waiting else "")
        now = time.monotonic()
        if (shown == self._told or waiting) and now - self._said < SECONDS_BETWEEN_LINES:
            return
        self._say(f"{shown}; jobs done: {_counted(self._done)}" if self._done else shown)
        self._said, self._told = now, shown


class _RayNode(Node):
    """A node's side as an actor: what a parcel names is fetched from the cluster."""

    def __init__(self, device: str, options: Mapping[str, Any]):
        super().__init__(device, _imported().get, options)

    def where(self) -> dict[str, Any]:
        """As that of any node; several nodes of a cluster may be on one machine."""
        found = super().where()
        node = _imported().get_runtime_context().get_node_id()
        return {**found, "node": f"{found['host']}/{node[:6]}"}


@dataclass(eq=False)
class _Worker:
    """An actor, where it is, and how many jobs it can do and does; it is nowhere until it has answered."""

    actor: Any
    node: str = ""
    slots: int = 0
    busy: int = 0


def _imported() -> Any:
    """The module of Ray, quiet."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UsageError(
            "--executor ray needs Ray, which is not installed: pip install 'genbench[ray]'"
        ) from None
    return ray


def _connect(ray: Any, address: str | None) -> None:
    """Join a cluster, or make one of this machine."""
    where = f"at '{address}'" if address else "here"
    try:
        _check_reachable(address)
        with _own_signals():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, OSError, ray.exceptions.RayError) as fault:
        if "ersion mismatch" in str(fault):
            words = " ".join(str(fault).split())
            raise InvalidInput(f"the Ray cluster has other versions than the driver: {words}") from None
        raise InvalidInput(
            f"no Ray cluster answers {where}: {first_line(fault)}; 'ray start --head' starts one, "
            "'ray status' shows whether it is up"
        ) from None


def _check_reachable(address: str | None) -> None:
    """Find in seconds what Ray would try for minutes; raises `OSError`."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_CONNECT).close()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what this process does on SIGTERM; Ray would replace it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError, TypeError):  # not in the main thread, where Ray leaves it alone
            signal.signal(signal.SIGTERM, before)


def _different(where: str, found: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """A line for each version that is not the driver's."""
    return [
        f"{where} has {name} {found.get(name, 'not at all')}, the driver {version}"
        for name, version in own.items()
        if found.get(name) != version
    ]


def _counted(nodes: Mapping[str, int]) -> str:
    return ", ".join(f"{node} {count}" for node, count in sorted(nodes.items())) or "no"


def _last_line(fault: BaseException) -> str:
    """What went wrong on the far side: Ray puts the exception behind its traceback."""
    lines = [each.strip() for each in str(fault).splitlines() if each.strip()]
    return lines[-1] if lines else type(fault).__name__
