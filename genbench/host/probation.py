"""Whether a plugin can be imported at all, tried in a process that may die of it, and what it declares.

The process tells what the plugin declares in plain data. It may hang, end, or eat its memory; the verdict is
kept under the hash of the plugin's files, with the states of all other files that it read.
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
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from genbench.base.canonical import digest
from genbench.base.children import child_environment, kill_group
from genbench.base.errors import GenbenchError, printable
from genbench.base.files import cache_folder, file_hash, passing_folder, write_atomically
from genbench.base.machine import cores
from genbench.host.description import FORMAT, LONGEST_DESCRIPTION, state_of
from genbench.host.plugin import PluginSource

__all__ = ["PASSED", "Tried", "fatal", "tried"]

PATIENCE_SECONDS = 60.0
FAULT_IS_KEPT_SECONDS = 3600.0
MOST_FILES = 5000
PASSED = "passed"
"""What the process says first that has imported the plugin, on the descriptor that it is given, unless that
leaves something behind: then it says what. Behind this line is the plugin's description."""


@dataclasses.dataclass(frozen=True)
class Tried:
    """What came of importing a plugin elsewhere: why it must not be imported, or else its description."""

    verdict: str
    description: str = ""


def fatal(sources: Iterable[PluginSource]) -> dict[str, str]:
    """Plugins whose import the process does not outlive, by name, with what becomes of it."""
    return {name: found.verdict for name, found in tried(sources).items() if found.verdict}


def tried(sources: Iterable[PluginSource], kept: Sequence[Path] = ()) -> dict[str, Tried]:
    """What comes of importing each plugin, by name.

    Parameters
    ----------
    kept : sequence of Path
        What they must not write meanwhile, beside the cache.
    """
    kept = [*kept, *_cache()]
    found: dict[str, Tried] = {}
    waiting: list[tuple[PluginSource, Path | None]] = []
    for source in sources:
        record = _record(source)
        known = _known(record)
        if known is None:
            waiting.append((source, record))
        else:
            found[source.name] = known
    at_once = max(2, cores())
    for first in range(0, len(waiting), at_once):
        turn = [(*each, _Trial(each[0], kept)) for each in waiting[first : first + at_once]]
        deadline = time.monotonic() + PATIENCE_SECONDS
        for source, record, trial in turn:
            found[source.name] = outcome = trial.outcome(deadline)
            _keep(record, outcome)
    return found


class _Trial:
    """One plugin being imported in a process of its own."""

    def __init__(self, source: PluginSource, kept: Sequence[Path]):
        places = json.dumps([str(each.absolute()) for each in kept])
        # A file, since who does not outlive the import may have children that hold a pipe open.
        self._told = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `_end`)
        self._folder = passing_folder("trial")
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-m", "genbench.host.importing", str(self._told.fileno()), places),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(TMPDIR=self._folder.name),
            pass_fds=(self._told.fileno(),),
            start_new_session=True,
        )
        assert self._process.stdin is not None
        with contextlib.suppress(OSError), self._process.stdin as stream:
            stream.write(json.dumps(dataclasses.asdict(source)).encode())

    def outcome(self, deadline: float) -> Tried:
        """What came of it, once the process has ended or the time is over."""
        try:
            code = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return self._end(f"importing it takes more than {PATIENCE_SECONDS:g} s")
        if code < 0:
            with contextlib.suppress(ValueError):
                return self._end(f"importing it kills the process ({signal.Signals(-code).name})")
        said = os.pread(self._told.fileno(), LONGEST_DESCRIPTION + 1, 0) if code == 0 else b""
        if len(said) > LONGEST_DESCRIPTION:
            return self._end("it declares more than anybody could read")
        line, end, description = said.decode("utf-8", "replace").partition("\n")
        if not end:
            return self._end(f"importing it ends the process with code {code}")
        if line != PASSED:
            return self._end(f"importing it {printable(line[:100])}")
        return self._end("", description)

    def _end(self, verdict: str, description: str = "") -> Tried:
        kill_group(self._process)
        self._told.close()
        self._folder.cleanup()
        return Tried(verdict, description)


def _cache() -> list[Path]:
    try:
        return [cache_folder()]
    except GenbenchError:
        return []


def _record(source: PluginSource) -> Path | None:
    """Where the verdict on a plugin's files is kept; None where they cannot be told."""
    files = dict(_files(source))
    if not (files or source.text) or len(files) > MOST_FILES:
        return None
    what = {**dataclasses.asdict(source), "files": files, "python": sys.version, "format": FORMAT}
    what["installed"] = sorted({(each.name, each.version) for each in importlib.metadata.distributions()})
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


def _known(record: Path | None) -> Tried | None:
    if record is None:
        return None
    try:
        kept = json.loads(record.read_bytes())
        found = Tried(str(kept["verdict"]), str(kept["description"]))
        old = time.time() - record.stat().st_mtime > FAULT_IS_KEPT_SECONDS
        # The machine may have been at fault, or what the plugin needs may be there by now.
        return None if old and found.verdict else found if found.verdict or _is_fresh(found) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_fresh(found: Tried) -> bool:
    """Whether the files that it read are as they were, and it had no fault that may be over by now."""
    content = json.loads(found.description)
    return not content["problems"] and all(state_of(Path(each[0])) == each for each in content["files"])


def _keep(record: Path | None, found: Tried) -> None:
    if record is not None:
        with contextlib.suppress(OSError, GenbenchError):
            write_atomically(record, json.dumps(dataclasses.asdict(found)).encode())
