"""Whether a plugin can be imported at all, tried in a process that may die of it.

What raises while it is imported is told where it is loaded. Here it is found out whether it hangs, ends the
process, or eats its memory; the verdict is kept under the hash of the plugin's files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from genbench.base.canonical import digest
from genbench.base.children import child_environment, kill_group
from genbench.base.errors import GenbenchError
from genbench.base.files import cache_folder, file_hash, write_atomically
from genbench.base.machine import cores
from genbench.host.plugin import PluginSource

__all__ = ["PASSED", "fatal"]

PATIENCE_SECONDS = 60.0
FAULT_IS_KEPT_SECONDS = 3600.0
MOST_FILES = 5000
PASSED = b"passed"
"""What the process says that has imported the plugin, on the descriptor that it is given, unless that leaves
something behind: then it says what."""


def fatal(sources: Iterable[PluginSource]) -> dict[str, str]:
    """Plugins whose import the process does not outlive, by name, with what becomes of it."""
    found: dict[str, str] = {}
    waiting: list[tuple[PluginSource, Path | None]] = []
    for source in sources:
        record = _record(source)
        verdict = _known(record)
        if verdict is None:
            waiting.append((source, record))
        elif verdict:
            found[source.name] = verdict
    at_once = max(2, cores())
    for first in range(0, len(waiting), at_once):
        turn = [(*each, _Trial(each[0])) for each in waiting[first : first + at_once]]
        deadline = time.monotonic() + PATIENCE_SECONDS
        for source, record, trial in turn:
            verdict = trial.verdict(deadline)
            if verdict:
                found[source.name] = verdict
            _keep(record, verdict)
    return found


class _Trial:
    """One plugin being imported in a process of its own."""

    def __init__(self, source: PluginSource):
        heard, spoken = os.pipe()
        self._heard = heard
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-m", "genbench.host.importing", str(spoken)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            pass_fds=(spoken,),
            start_new_session=True,
        )
        os.close(spoken)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError), self._process.stdin as stream:
            stream.write(json.dumps(dataclasses.asdict(source)).encode())

    def verdict(self, deadline: float) -> str:
        """What was wrong, once the process has ended or the time is over."""
        try:
            code = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return self._end(f"importing it takes more than {PATIENCE_SECONDS:g} s")
        if code < 0:
            with contextlib.suppress(ValueError):
                return self._end(f"importing it kills the process ({signal.Signals(-code).name})")
        os.set_blocking(self._heard, False)
        with contextlib.suppress(BlockingIOError):  # children of its hold the other end
            said = os.read(self._heard, 100) if code == 0 else b""
            if said:
                return self._end("" if said == PASSED else f"importing it {said.decode(errors='replace')}")
        return self._end(f"importing it ends the process with code {code}")

    def _end(self, verdict: str) -> str:
        kill_group(self._process)
        os.close(self._heard)
        return verdict


def _record(source: PluginSource) -> Path | None:
    """Where the verdict on a plugin's files is kept; None where they cannot be told."""
    files = dict(_files(source))
    if not (files or source.text) or len(files) > MOST_FILES:
        return None
    what = {**dataclasses.asdict(source), "files": files, "python": sys.version}
    what["genbench"] = importlib.metadata.version("genbench")
    try:
        return cache_folder() / "plugins" / f"{digest(what)}.json"
    except GenbenchError:
        return None


def _files(source: PluginSource) -> Iterator[tuple[str, str]]:
    if not source.module:
        return
    try:
        spec = importlib.util.find_spec(source.module.partition(".")[0])
    except (ImportError, ValueError, AttributeError):
        return
    if spec is None:
        return
    folders = [Path(each) for each in spec.submodule_search_locations or []]
    paths = [each for folder in folders for each in sorted(folder.rglob("*.py"))] or (
        [Path(spec.origin)] if spec.origin else []
    )
    with contextlib.suppress(OSError):
        yield from ((str(each), file_hash(each, "sha256")) for each in paths[: MOST_FILES + 1])


def _known(record: Path | None) -> str | None:
    if record is None:
        return None
    try:
        found = json.loads(record.read_bytes())
        verdict = found["verdict"]
        old = time.time() - record.stat().st_mtime > FAULT_IS_KEPT_SECONDS
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # The machine may have been at fault, or what the plugin needs may be there by now.
    return None if not isinstance(verdict, str) or (verdict and old) else verdict


def _keep(record: Path | None, verdict: str) -> None:
    if record is not None:
        with contextlib.suppress(OSError, GenbenchError):
            write_atomically(record, json.dumps({"verdict": verdict}).encode())
