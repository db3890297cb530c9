"""Where code of plugins measures: a process with a scratch folder of its own, which can open little else.

What it may see is handed to it in that folder (`genbench.fitting.handing`). The run folder, the cache, the
user's data and the network are out of its reach where the system has the means (`genbench.base.confinement`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from genbench.base.confinement import confine, is_off
from genbench.base.errors import GenbenchError
from genbench.base.files import cache_folder
from genbench.base.names import plugin_of
from genbench.contract.jobs import Job

try:
    import fcntl
except ImportError:  # Windows: no command measures there
    fcntl = None  # type: ignore[assignment]

__all__ = ["HandingFailed", "Scratch", "enter", "handing", "without_the_run"]

_PREFIX = "genbench-apart-"
_YOUNG_SECONDS = 60.0
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/opt", "/nix/store", "/sys", "/proc")
_DEVICES = ("null", "zero", "full", "random", "urandom", "nvidia*", "kfd", "dri", "dxg")
# Packages that bring test data of a built-in data set, and the files with them.
_DATA_IN_PACKAGES = {"sklearn": ("datasets/data/digits.csv.gz",)}
_UNSAID = ("GENBENCH_DATA", "PWD", "OLDPWD", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "TORCH_HOME")
_HOMES = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "GENBENCH_CACHE")


class Scratch:
    """The folder of one process that measures for plugins; it is gone with it.

    Attributes
    ----------
    handed : Path
        What it is given, which it can only read.
    own : Path
        Where it works: its home, its cache, its temporary files.
    """

    def __init__(self, job: Job):
        _sweep()
        self._path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        self._lock = (self._path / "lock").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.handed, self.own = self._path / "handed", self._path / "own"
        self.handed.mkdir()
        self.own.mkdir()
        self._bounds = self._bounds_of(job)

    def _bounds_of(self, job: Job) -> dict[str, Any]:
        code = (each for folder in job.code for each in _importable(Path(folder)))
        handed = Path(job.handed) if job.handed else self.handed
        return {
            "readable": [str(each) for each in (*_code(job.plugins), *code, handed)],
            "writable": [str(each) for each in (*_devices(), self.own)],
            "denied": [str(each) for each in _withheld(job)],
        }

    @property
    def place(self) -> Path | None:
        """The folder in which the process works; None where that is the command's."""
        return self.own

    @property
    def argument(self) -> str:
        """What the process is told of its bounds; see `enter`."""
        return "" if is_off() else json.dumps(self._bounds)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment without places of others, for a process that works in `own`."""
        path = [str(Path(each).resolve()) for each in given.get("PYTHONPATH", "").split(os.pathsep) if each]
        kept = {name: value for name, value in given.items() if name not in _UNSAID}
        return {**kept, **dict.fromkeys(_HOMES, str(self.own)), "PYTHONPATH": os.pathsep.join(path)}

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._path, ignore_errors=True)
        self._lock.close()


class HandingFailed(Exception):
    """What a process is to measure cannot be handed to it: `reason`, `detail`, and the whole event."""

    def __init__(self, event: Mapping[str, Any]):
        super().__init__(event["reason"])
        self.event = event
        self.reason, self.detail = event["reason"], event["detail"]


def handing(job: Job, scratch: Scratch) -> Job:
    """The job of reading what measuring starts from, with the data set's code and no other plugin's."""
    named = (job.trial["dataset"]["name"], job.trial["protocol"]["name"])
    needed = {plugin_of(name) for name in named} - {""}
    plugins = [
        each for each in job.plugins if each.get("distribution") == "genbench" or each["name"] in needed
    ]
    return dataclasses.replace(
        job, kind="hand", plugins=plugins, measures=(), skip={}, handed=str(scratch.handed)
    )


def without_the_run(job: Job, handed: Path) -> Job:
    """The job of measuring as it is sent to a process that is to know nothing of the run."""
    # It works elsewhere, where a path that begins here leads nowhere.
    plugins = [{**each, "file": each["file"] and str(Path(each["file"]).absolute())} for each in job.plugins]
    return dataclasses.replace(
        job, folder="", data=None, siblings=(), code=(), plugins=plugins, handed=str(handed)
    )


def enter(argument: str) -> dict[str, str]:
    """Go behind the bounds of a `Scratch` before anything else is done; returns what `confine` does."""
    if not argument:
        return {"files": "", "network": ""}
    bounds = json.loads(argument)
    network = bool(bounds.pop("network", False))
    return confine(
        **{name: [Path(each) for each in paths] for name, paths in bounds.items()}, network=network
    )


def _code(plugins: Sequence[Mapping[str, Any]]) -> Iterator[Path]:
    """Python, its libraries, and the plugins: nothing that lies beside them in a project's folder."""
    whole = {Path(each).resolve() for each in (*_SYSTEM, sys.prefix, sys.base_prefix, sys.exec_prefix)}
    yield from whole
    for entry in map(Path, filter(None, sys.path)):
        if entry.name in ("site-packages", "dist-packages") or entry.is_file():
            yield entry
        elif not any(entry.resolve().is_relative_to(each) for each in whole):
            yield from _importable(entry)
    for each in plugins:
        if each["file"]:  # what it may import from beside it
            yield from _importable(Path(each["file"]).absolute().parent)
    for name in {each["module"].partition(".")[0] for each in plugins if each["module"]}:
        with contextlib.suppress(ImportError, ValueError, AttributeError):
            spec = importlib.util.find_spec(name)
            if spec is not None:
                yield from map(Path, [*(spec.submodule_search_locations or []), spec.origin or os.devnull])
    for name, module in list(sys.modules.items()):  # packages that are installed in place
        if name.startswith("__editable__"):
            yield from map(Path, getattr(module, "MAPPING", {}).values())


def _importable(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            if each.suffix in (".py", ".so", ".dist-info", ".egg-info") or (each / "__init__.py").exists():
                yield each


def _devices() -> Iterator[Path]:
    for name in _DEVICES:
        yield from Path("/dev").glob(name)


def _withheld(job: Job) -> Iterator[Path]:
    """Where test data and records are, should a folder of code hold them."""
    for given in (job.folder, job.data, os.environ.get("GENBENCH_DATA")):
        if given:
            yield Path(given).expanduser()
    with contextlib.suppress(GenbenchError):
        yield cache_folder()
    for package, files in _DATA_IN_PACKAGES.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield from (Path(folder) / each for each in files)


@cache
def _sweep() -> None:
    """Remove what killed commands left: nobody holds the lock in there any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _YOUNG_SECONDS:
                # One without a lock was being removed while something was still written into it.
                with (folder / "lock").open("ab") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
