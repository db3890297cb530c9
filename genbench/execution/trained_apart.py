"""Where code of plugins has a part in training: a process that can change no record of others.

It reads what it likes, and writes elsewhere than into the run folder and the cache, where the system has the
means (`genbench.base.confinement`). What it trained lies in a folder of its own until it is taken over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench.base.errors import GenbenchError
from genbench.base.files import cache_folder, is_handed_over
from genbench.contract.jobs import Job
from genbench.execution.apart import Scratch
from genbench.planning.plan import Trial
from genbench.runs.records import unsealed
from genbench.runs.store import LARGEST_RECORD, Folder

__all__ = ["TrainingScratch", "scratch_of", "take_over"]

_PLACES = {"TMPDIR": "tmp", "TRITON_CACHE_DIR": "triton", "CUDA_CACHE_PATH": "cuda"}


class TrainingScratch(Scratch):
    """The folder of one process that trains with code of plugins; it is gone with it."""

    def _bounds_of(self, job: Job) -> dict[str, Any]:
        kept = [Path(job.folder)]
        with contextlib.suppress(GenbenchError):
            kept.append(cache_folder())
        places = {"readable": ["/"], "writable": ["/"], "kept": [str(each.resolve()) for each in kept]}
        return {**places, "network": True}

    @property
    def place(self) -> Path | None:
        """The command's: paths of its words are meant from there."""
        return None

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment with places for what is made and kept by the way."""
        own = {name: self.own / folder for name, folder in _PLACES.items()}
        for each in own.values():
            each.mkdir(exist_ok=True)
        return {**given, **{name: str(each) for name, each in own.items()}}

    def asked(self, job: Job) -> Job:
        """The job as it is sent: what comes of it is written here."""
        return dataclasses.replace(job, folder=str(self.own / "run"))

    def take_over(self, job: Job, environment: str) -> None:
        """Put the fit of a job that is done into the run folder, if it is whole; nothing of it stays here."""
        take_over(Folder(self.own / "run"), job, environment)


def take_over(here: Folder, job: Job, environment: str) -> None:
    """Put into the run folder what a job left elsewhere, so far as it is whole.

    Parameters
    ----------
    here : Folder
        Where it was done, by whoever it was. The fit of a training does not stay there.
    environment : str
        Hash of the description of what it was done with.
    """
    there = Folder(job.folder)
    described = here.path / "environments" / f"{environment}.json"
    if environment.isalnum() and is_handed_over(described, LARGEST_RECORD):
        content = here.environment(environment)
        if content is not None:
            there.add_environment(unsealed(content))
    if job.kind != "train":
        return
    found = here.handed_over(job.key)
    if found is not None:
        trial = Trial.from_dict(job.trial)  # whatever the record says of itself
        record = {**unsealed(found.record), "trial": trial.as_dict(), "seeds": trial.seeds()}
        there.take_fit(job.key, record, found.folder / "weights.safetensors")
    shutil.rmtree(here.fit_folder(job.key), ignore_errors=True)


def scratch_of(process: object) -> TrainingScratch | None:
    """Where a process writes that trains with code of plugins; None for one without."""
    found = getattr(process, "scratch", None)
    return found if isinstance(found, TrainingScratch) else None
