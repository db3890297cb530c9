"""A run folder's stand-in for an executor of a plugin, from which is taken over what comes of its jobs."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

from genbench.base.errors import GenbenchError
from genbench.base.files import cache_folder, copy_atomically, passing_folder, unwritable
from genbench.contract.jobs import Job, JobOutcome
from genbench.execution.trained_apart import take_over
from genbench.runs.store import Folder

__all__ = ["Mirror"]

FIT_FILES = ("weights.safetensors", "fit.json")  # in this order: the record vouches for the weights
CHECKED = ("prepared", "plugins")
"""Folders of the cache that others believe."""


class Mirror:
    """A folder that looks like the run to whoever does its jobs; gone when it is closed.

    Parameters
    ----------
    run : Path
        The run folder, which is made empty where it is not there, so that it can be kept from changes; it
        goes again if nothing else comes of the run.

    Attributes
    ----------
    kept : list of Path
        What the executor's process need not write, and is not to.
    """

    def __init__(self, run: Path):
        self._run, self._made = run.absolute(), not run.exists()
        self.kept = [self._run]
        with contextlib.suppress(GenbenchError):
            self.kept += [cache_folder().absolute() / each for each in CHECKED]
        self._passing = passing_folder("engine")
        self._folder = Folder(Path(self._passing.name).resolve() / "run")
        self._used: collections.Counter[str] = collections.Counter()
        with contextlib.suppress(OSError):  # who needs to write there says so
            for each in self.kept:
                each.mkdir(parents=True, exist_ok=True)

    def environment(self) -> Mapping[str, str]:
        """Places for what is made by the way, as environment variables."""
        return {"TMPDIR": self._passing.name}

    def asked(self, job: Job) -> Job:
        """The job as it is to be done here; a fit that is to be measured lies here, with its siblings."""
        for key in _needed(job):
            self._used[key] += 1
            there, here = Path(job.folder) / "fits" / key, self._folder.fit_folder(key)
            try:
                for name in FIT_FILES:
                    if (there / name).is_file() and not (here / name).exists():
                        copy_atomically(there / name, here / name)
            except OSError as fault:
                raise unwritable(here, fault) from None
        return dataclasses.replace(job, folder=str(self._folder.path))

    def settle(self, job: Job, outcome: JobOutcome) -> None:
        """Take over what came of a job, and let go of what it needed."""
        if job.kind != "train" or outcome.status == "ok":
            take_over(self._folder, job, outcome.environment)
        for key in _needed(job):
            self._used[key] -= 1
            if not self._used[key]:
                del self._used[key]
                shutil.rmtree(self._folder.fit_folder(key), ignore_errors=True)

    def close(self) -> None:
        """Leave nothing behind."""
        self._passing.cleanup()
        if self._made:
            with contextlib.suppress(OSError):  # it is empty, or is a run by now
                self._run.rmdir()


def _needed(job: Job) -> list[str]:
    return [] if job.kind == "train" else [job.key, *job.siblings]
