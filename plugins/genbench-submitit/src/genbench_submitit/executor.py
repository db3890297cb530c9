"""The driver's side: jobs put into the spool, pilots kept flying, what a dead one left put back."""

from __future__ import annotations

import collections
import math
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import genbench
from genbench.base.errors import InvalidInput, UsageError
from genbench.base.files import cache_folder, unwritable
from genbench.contract.jobs import Job, JobOutcome
from genbench_submitit.pilot import PATIENCE_SECONDS, fly
from genbench_submitit.spool import Spool

__all__ = ["SlurmExecutor"]

DEATHS_OF_A_JOB = 3
"""A job that so many pilots ended with is given up."""

STARTS_THAT_MAY_FAIL = 3
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_CHECKS = 5.0
"""Of the pilots and the heartbeat; Slurm does not like to be asked often."""


@genbench.executor(name="slurm")
class SlurmExecutor:
    """Runs jobs in pilots, which are jobs of Slurm.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        ``auto`` is the CPU, since the driver cannot see the nodes.
    workers : int, optional
        Pilots; one where left out.
    minutes, memory_gb, gpus : float
        Of each pilot.
    partition, account : str
    folder : str
        Where driver and pilots meet; genbench's cache where left out.
    cluster : {"slurm", "local"}
    patience : float
        Seconds after which pilots take a silent driver for gone.
    say : callable
        Takes lines for the user.
    """

    remote = True

    def __init__(
        self,
        *,
        device: str = "auto",
        workers: int | None = None,
        minutes: float = 60,
        memory_gb: float = 4,
        gpus: int | None = None,
        partition: str = "",
        account: str = "",
        folder: str = "",
        cluster: str = "slurm",
        patience: float = PATIENCE_SECONDS,
        say: Callable[[str], None] = lambda line: None,
    ):
        if workers is not None and workers < 1:
            raise UsageError(f"--workers {workers}: must be at least 1")
        self.slots = workers or 1
        self.device = "cuda:0" if device.startswith("cuda") else "cpu"
        self._say, self._patience = say, patience
        place = Path(folder) if folder else cache_folder() / "submitit"
        self._spool = Spool((place / f"spool-{secrets.token_hex(6)}").resolve())
        try:
            self._spool.make()
        except OSError as fault:
            raise unwritable(place, fault) from None
        count = gpus if gpus is not None else int(self.device != "cpu")
        where = {"partition": partition, "account": account}
        self._submit = _submitter(self._spool.path / "logs", cluster, minutes, memory_gb, count, where)
        self._jobs: dict[int, Job] = {}
        self._ended: list[JobOutcome] = []
        self._count = 0
        self._pilots: dict[str, Any] = {}
        self._named = 0
        self._failed_starts = 0
        self._useful: set[str] = set()
        self._deaths: collections.Counter[int] = collections.Counter()
        self._checked = 0.0

    def submit(self, job: Job) -> str:
        """Have a job wait for a pilot; returns its id."""
        self._count += 1
        self._jobs[self._count] = job
        self._spool.put(self._count, job.as_dict())
        return job.id

    def results(self) -> Iterator[JobOutcome]:
        """Yield outcomes as they come, until no submitted job is left."""
        while self._jobs or self._ended:
            if time.monotonic() - self._checked > SECONDS_BETWEEN_CHECKS:
                self._check()
            self._collect()
            if not self._ended:
                time.sleep(SECONDS_BETWEEN_LOOKS)
            while self._ended:
                yield self._ended.pop(0)

    def cancel(self, id: str) -> None:
        """Forget a job that no pilot has taken."""
        for number, job in list(self._jobs.items()):
            if job.id == id and self._spool.withdraw(number):
                del self._jobs[number]
                self._ended.append(JobOutcome(job, status="cancelled"))

    def close(self) -> None:
        """Stop at once: end the pilots, remove the spool."""
        with suppress(OSError):
            self._spool.stop()
        for pilot in self._pilots.values():
            with suppress(Exception):  # it may have ended by itself
                pilot.cancel()
        self._pilots.clear()
        shutil.rmtree(self._spool.path, ignore_errors=True)

    def _collect(self) -> None:
        """Take the outcomes that are there."""
        for number, content in self._spool.outcomes().items():
            if number in self._jobs:
                self._useful.add(content["pilot"])
                self._ended.append(JobOutcome(**{**content["outcome"], "job": self._jobs.pop(number)}))

    def _check(self) -> None:
        """Show that the driver lives, see which pilots ended, and have as many as there is work for."""
        self._checked = time.monotonic()
        self._spool.beat()
        if fault := self._spool.fault():
            raise InvalidInput(f"{fault}; install the same versions on all nodes")
        for name, pilot in list(self._pilots.items()):
            if pilot.done():
                del self._pilots[name]
                self._take_back(name, pilot)
        for _ in range(min(self.slots, len(self._jobs)) - len(self._pilots)):
            self._named += 1
            name = f"p{self._named}"
            self._pilots[name] = self._submit(name, self._spool.path, self.device, self._patience)

    def _take_back(self, name: str, pilot: Any) -> None:
        """What a pilot that ended had taken waits again, unless it was with too many."""
        self._collect()  # it writes nothing more
        left = [each for each in self._spool.left_by(name) if each in self._jobs]
        if not left and name not in self._useful:
            self._failed_starts += 1
            if self._failed_starts > STARTS_THAT_MAY_FAIL * self.slots:
                raise InvalidInput(f"pilots end as they start: {_last_words(pilot)}")
        for number in left:
            self._deaths[number] += 1
            if self._deaths[number] < DEATHS_OF_A_JOB:
                self._say(f"pilot {pilot.job_id} ended before its job did; the job is done again")
                self._spool.return_job(name, number)
            else:
                self._spool.forget(name, number)
                why = f"{DEATHS_OF_A_JOB} pilots ended while doing it: {_last_words(pilot)}"
                self._ended.append(JobOutcome(self._jobs.pop(number), status="crashed", reason=why))


def _submitter(
    logs: Path, cluster: str, minutes: float, memory_gb: float, gpus: int, more: dict[str, str]
) -> Callable[[str, Path, str, float], Any]:
    """What submits one pilot.

    Raises
    ------
    UsageError
        There is no such cluster here.
    """
    import submitit

    from genbench.executors.remote import versions

    try:
        executor = submitit.AutoExecutor(folder=logs, cluster=cluster)
    except (RuntimeError, ValueError) as fault:
        raise UsageError(f"--executor slurm: no {cluster} cluster here: {fault}") from None
    given = {f"slurm_{name}": value for name, value in more.items() if value}
    executor.update_parameters(
        timeout_min=math.ceil(minutes),
        mem_gb=memory_gb,
        cpus_per_task=1,
        gpus_per_node=gpus,
        name="genbench",
        **given,
    )
    own = versions()
    return lambda name, spool, device, patience: executor.submit(fly, str(spool), name, device, own, patience)


def _last_words(pilot: Any) -> str:
    """The last line that a pilot wrote to its log."""
    with suppress(Exception):  # the log may not be there
        lines = [each for each in (pilot.stderr() or "").splitlines() if each.strip()]
        if lines:
            return lines[-1].strip()
    return "its log says nothing"
