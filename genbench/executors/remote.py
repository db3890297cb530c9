"""The far side of an executor on a cluster: jobs done in a scratch folder, files sent in and sent back.

Nothing here knows which engine carries it. A parcel is what travels with a job; what comes back is the
outcome and the files that the job wrote, for the driver to write into the run folder.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import genbench
from genbench.base.canonical import digest
from genbench.base.files import cache_folder, write_atomically
from genbench.base.names import CORE
from genbench.contract.jobs import Job, JobOutcome
from genbench.executors.local import LocalExecutor
from genbench.host.plugin import installed

__all__ = ["Node", "data_name", "files_below", "files_of_fit", "place_of_data", "settle", "versions"]

Files = Mapping[str, bytes]
"""Files by their path below a folder, in the order in which they are to be written."""

FITS_KEPT_FOR_A_SLOT = 4
SCRATCH = "genbench-node-"
FIT_FILES = ("weights.safetensors", "fit.json")  # in this order: the record vouches for the weights


def versions() -> dict[str, str]:
    """What must be the same on the driver and on every node: Python, torch, genbench, installed plugins."""
    import torch

    found = {
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "genbench": genbench.__version__,
    }
    return found | {f"plugin {each.name}": each.version for each in installed() if each.namespace != CORE}


def files_below(folder: Path) -> dict[str, bytes]:
    """All files of a folder; what other processes are writing in it is left out."""
    found = [each for each in sorted(folder.rglob("*")) if each.is_file() and not each.name.startswith(".")]
    return {str(each.relative_to(folder)): each.read_bytes() for each in found}


def files_of_fit(run: Path, key: str) -> dict[str, bytes]:
    """The record of a fit and its weights, as a run folder holds them; empty where there is none."""
    folder = run / "fits" / key
    try:
        return {f"fits/{key}/{name}": (folder / name).read_bytes() for name in FIT_FILES}
    except FileNotFoundError:
        return {}


def data_name(job: Job) -> str:
    """What the prepared data of a job's trial are called in any cache."""
    data = job.trial["dataset"]
    known = [data["name"], data["version"], data["source"], dict(data["settings"]), job.trial["checksum"]]
    return digest(known)


def place_of_data(name: str) -> Path:
    """Where prepared data lie on this machine, whether they are there or not."""
    return cache_folder() / "prepared" / name


def settle(run: Path, files: Files) -> None:
    """Write what came back into the run folder; each file whole, or not at all."""
    for name, content in files.items():
        path = run / name
        if path.parent.name != "environments" or not path.exists():
            write_atomically(path, content)


class Node:
    """One worker on a machine of a cluster: a local executor on a folder of its own.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        With CUDA, the one device that the engine lets this process see.
    fetch : callable
        From a token of a parcel to the files that it stands for.
    options : mapping
        More for the local executor.
    """

    def __init__(self, device: str, fetch: Callable[[Any], Files], options: Mapping[str, Any] | None = None):
        self._fetch = fetch
        _sweep()
        self._scratch = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-"))
        place = "cuda:0" if device == "cuda" else "cpu"
        self._local = LocalExecutor(devices=(place,), **(options or {}))
        self._waiting: dict[str, tuple[threading.Event, list[JobOutcome]]] = {}
        self._more = threading.Condition()
        self._kept: list[str] = []
        threading.Thread(target=self._collect, daemon=True).start()

    def where(self) -> dict[str, Any]:
        """``host``, the machine's name; ``slots``, how many jobs it does at a time; ``versions``."""
        return {"host": socket.gethostname(), "slots": self._local.slots, "versions": versions()}

    def do(self, parcel: Mapping[str, Any]) -> dict[str, Any]:
        """Do a job and wait for it.

        Parameters
        ----------
        parcel : mapping
            ``job``, its fields; ``data``, a name and a token; ``fits``, a token by key of each fit that is
            to be there.

        Returns
        -------
        dict
            ``outcome``, the fields of a `JobOutcome` without its job; ``files`` for the run folder.
        """
        given = Job(**parcel["job"])
        self._have_data(*parcel["data"])
        for key, token in parcel["fits"].items():
            if not (self._scratch / "fits" / key / "fit.json").exists():
                settle(self._scratch, self._fetch(token))
        outcome = self._await(dataclasses.replace(given, folder=str(self._scratch), data=None))
        files = self._made(given, outcome)
        self._forget(given)
        fields = {each.name: getattr(outcome, each.name) for each in dataclasses.fields(outcome)}
        return {"outcome": {**fields, "job": None}, "files": files}

    def close(self) -> None:
        """Stop at once, and leave nothing behind."""
        self._local.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _have_data(self, name: str, token: Any) -> None:
        place = place_of_data(name)
        if not (place / "data.json").exists():
            files = self._fetch(token)
            for each in sorted(files, key=lambda path: path == "data.json"):  # the last one vouches for all
                write_atomically(place / each, files[each])

    def _await(self, job: Job) -> JobOutcome:
        ended = threading.Event()
        found: list[JobOutcome] = []
        with self._more:
            self._waiting[job.id] = (ended, found)
            self._local.submit(job)
            self._more.notify()
        ended.wait()
        return found[0]

    def _collect(self) -> None:
        """Hand each outcome to the call that waits for it."""
        while True:
            with self._more:
                self._more.wait_for(lambda: bool(self._waiting))
            for outcome in self._local.results():
                with self._more:
                    ended, found = self._waiting.pop(outcome.job.id)
                found.append(outcome)
                ended.set()

    def _made(self, job: Job, outcome: JobOutcome) -> dict[str, bytes]:
        environment = f"environments/{outcome.environment}.json"
        files = {}
        if outcome.environment and (self._scratch / environment).exists():
            files[environment] = (self._scratch / environment).read_bytes()
        if job.kind == "train" and outcome.status == "ok":
            files |= files_of_fit(self._scratch, job.key)
        return files

    def _forget(self, job: Job) -> None:
        if job.kind == "train":
            self._kept.append(job.key)
            # A fit stays until it is measured here, or so many others came that it is measured elsewhere.
            gone: Iterable[str] = self._kept[: -FITS_KEPT_FOR_A_SLOT * self._local.slots]
        else:
            gone = [job.key, *job.siblings]
        for key in gone:
            shutil.rmtree(self._scratch / "fits" / key, ignore_errors=True)
        self._kept = [each for each in self._kept if each not in gone]


def _sweep() -> None:
    """Remove the scratch folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        pid = folder.name.removeprefix(SCRATCH).partition("-")[0]
        with suppress(OSError):
            if pid.isdigit() and not _alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
