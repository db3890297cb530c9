"""Rounds of kills: drivers of one run die at random moments, and nothing may be lost, done twice or left behind.

Drivers are forked from a process that has imported all they need, and do their jobs inline, so that a round takes
seconds; every tenth round has real workers, one of which is killed alone. ``python -m torture.killing SECONDS``
(with ``PYTHONPATH=tests``) runs rounds for as long and prints the figures.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from running import TINY, InlineProcess, command, marked, results, start, values

from genbench.executors.local import LocalExecutor

MEASURES = 3
FITS = 4
NOBODY = 65534
TRACE = "Traceback"


@dataclasses.dataclass
class Figures:
    """What became of rounds of kills.

    Attributes
    ----------
    lost : int
        Records that were there whole when their writer died, and were gone or different at the end.
    twice : int
        Values of one measure of one fit in more than one file; fits that were trained although they were there.
    leftovers : int
        Temporary files and locks that were there at the end.
    unlike : int
        Runs whose tables were not the same bytes as those of a run that nobody disturbed.
    faults : list of str
        Anything else that must not be: a traceback, a wrong exit code.
    """

    rounds: int = 0
    kills: int = 0
    lost: int = 0
    twice: int = 0
    leftovers: int = 0
    unlike: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not (self.lost or self.twice or self.leftovers or self.unlike or self.faults)


# --- what happens to a driver ------------------------------------------------------------------------------


def killed_at(number: int) -> Callable[[], None]:
    """Dies by SIGKILL before the file operation of this number: an fsync, a rename, a removal, a lock."""

    def prepare() -> None:
        left = [number]

        def counted(does: Callable[..., Any]) -> Callable[..., Any]:
            def perhaps(*given: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    os.killpg(os.getpid(), signal.SIGKILL)
                return does(*given, **named)

            return perhaps

        os.fsync = counted(os.fsync)
        for name in ("replace", "unlink", "write_bytes", "open"):
            setattr(Path, name, counted(getattr(Path, name)))

    return prepare


def full_disk_after(number: int) -> Callable[[], None]:
    """Every file beyond the first few finds no room."""

    def prepare() -> None:
        left, write = [number], Path.write_bytes

        def filling(path: Path, content: bytes) -> int:
            left[0] -= 1
            if left[0] < 0:
                write(path, content[: len(content) // 2])
                raise OSError(28, os.strerror(28), str(path))
            return write(path, content)

        Path.write_bytes = filling  # type: ignore[method-assign]

    return prepare


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def clock_set_back() -> None:
    now = time.time
    time.time = lambda: now() - 7200.0  # type: ignore[assignment]


def nobody() -> None:
    """May read the folder and not write it."""
    os.environ["HOME"] = "/nonexistent"
    os.seteuid(NOBODY)


# --- drivers -----------------------------------------------------------------------------------------------


def driver(words: list[object], prepare: Callable[[], None], said: Path) -> int:
    """Fork a driver in a group of its own; its number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    code = 70
    try:
        LocalExecutor.worker = InlineProcess  # type: ignore[assignment]
        stream = said.open("w")
        prepare()
        ended = command(*words)
        code = ended.code
        stream.write(ended.err)
        stream.flush()
    except BaseException:
        traceback.print_exc(file=stream)
        stream.flush()
    finally:
        os._exit(code)


def outcome(child: int) -> int:
    """The exit code of a driver; negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def records(run: Path) -> dict[Path, tuple[int, int]]:
    """Records by their place: inode and time of what is there whole, as only a rename makes it."""
    found = {}
    for path in run.glob("fits/*/**/*"):
        # Weights without a record are of a fit that was not finished, and is trained again.
        unfinished = path.name == "weights.safetensors" and not path.with_name("fit.json").exists()
        if path.is_file() and path.name[0] != "." and not unfinished:
            state = path.stat()
            found[path] = (state.st_ino, state.st_mtime_ns)
    return found


def leftovers(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.name[0] == "." or path.suffix in (".tmp", ".lock") or path.name == "locks"
    ]


class Torture:
    """Rounds on one suite, each compared with a run that nobody disturbed."""

    def __init__(self, scratch: Path, seed: int = 0):
        self.scratch = scratch
        self.random = random.Random(seed)
        self.figures = Figures()
        (scratch / "tiny.toml").write_text(TINY)
        self.one = scratch / "undisturbed"
        assert outcome(self._driver(self.one)) == 0, self._said()
        self.expected = results(self.one, scratch)

    def _driver(self, run: Path, prepare: Callable[[], None] = lambda: None, *words: object) -> int:
        given = ["run", "--suite", self.scratch / "tiny.toml", "--out", run, "--workers", 2, *words]
        return driver(given, prepare, self.scratch / "said")

    def _said(self) -> str:
        return (self.scratch / "said").read_text()

    def round(self, number: int) -> None:
        """Disturb a run in one of several ways, bring it to its end, count what went wrong."""
        run = self.scratch / f"run-{number}"
        whole: dict[Path, tuple[int, int]] = {}
        parts = [run]
        if number % 10 == 7:
            parts = [self._part(number, part) for part in (1, 2)]
            self._expect([command("merge", *parts, "--out", run).code], {0})
        else:
            for again in range(self.random.randint(1, 3)):
                self._disturb(run, number, again)
                self._lost(whole)
                whole |= records(run)
        code = outcome(self._driver(run))
        if (
            number % 10 == 9 and code == 1
        ):  # a trial whose training was killed is told, and tried again when asked
            code = command("retry", run).code
        self._expect([code], {0})
        self._lost(whole)
        self._count(run, parts)
        self.figures.rounds += 1
        for folder in {run, *parts}:
            shutil.rmtree(folder, ignore_errors=True)

    def _part(self, number: int, part: int) -> Path:
        """Half of the suite in a folder of its own, whose driver is killed once."""
        folder = self.scratch / f"part-{number}-{part}"
        whole: dict[Path, tuple[int, int]] = {}
        for prepare in (killed_at(self.random.randint(1, 60)), lambda: None):
            code = outcome(self._driver(folder, prepare, "--shard", f"{part}/2"))
            self.figures.kills += code == -signal.SIGKILL
            self._lost(whole)
            whole |= records(folder)
        self._expect([code], {0})
        return folder

    def _lost(self, whole: dict[Path, tuple[int, int]]) -> None:
        for path, before in list(whole.items()):
            state = path.stat() if path.exists() else None
            # A record of a failure is replaced by that of the fit; nothing else ever is.
            if (state is None and path.parent.name != "failures") or (
                state is not None and (state.st_ino, state.st_mtime_ns) != before
            ):
                self.figures.lost += state is None
                self.figures.twice += state is not None
                self.figures.faults.append(
                    f"{path.relative_to(self.scratch)} is {'another' if state else 'gone'}"
                )
                del whole[path]

    def _disturb(self, run: Path, number: int, again: int) -> None:
        if number % 10 == 9:
            self._kill_a_worker(run, f"{os.getpid()}-{number}-{again}")
        elif number % 10 == 8:
            trouble = [full_disk_after(self.random.randint(0, 12)), few_files, clock_set_back, nobody]
            self._trouble(run, trouble[number // 10 % 4])
        else:
            company = self.random.randint(1, 2)  # sometimes two drivers on one folder
            children = [self._driver(run, killed_at(self.random.randint(1, 80))) for _ in range(company)]
            if self.random.random() < 0.3:
                time.sleep(self.random.uniform(0, 1))
                for child in children:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child, signal.SIGKILL)
            codes = [outcome(child) for child in children]
            self.figures.kills += codes.count(-signal.SIGKILL)
            self._expect(codes, {0, -signal.SIGKILL})

    def _trouble(self, run: Path, prepare: Callable[[], None]) -> None:
        code = outcome(self._driver(run, prepare))
        said = self._said()
        refused = {1, 2, 3, 74}
        if prepare in (few_files, clock_set_back):
            allowed = {0}
        else:  # a disk that would be full later is large enough for what was left to write
            allowed = refused if prepare is nobody else refused | {0}
        self._expect([code], allowed)
        if TRACE in said:
            self.figures.faults.append(f"{getattr(prepare, '__name__', prepare)}: {said.splitlines()[-1]}")

    def _kill_a_worker(self, run: Path, mark: str) -> None:
        """A driver with real workers: one of them, or the driver alone, is killed."""
        suite = self.scratch / "tiny.toml"
        process = start("run", "--suite", suite, "--out", run, "--workers", 2, mark=mark)
        time.sleep(self.random.uniform(3, 12))
        chosen = [each for each in marked(mark) if each != process.pid] or [process.pid]
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.random.choice([*chosen, process.pid]), signal.SIGKILL)
            self.figures.kills += 1
        process.communicate(timeout=240)
        for _ in range(1000):  # workers notice that their driver is gone
            if not marked(mark):
                return
            time.sleep(0.05)
        self.figures.faults.append("workers outlive their driver")

    def _expect(self, codes: list[int], allowed: set[int]) -> None:
        self.figures.faults += [
            f"exit code {code}: {self._said()[-300:]}" for code in codes if code not in allowed
        ]

    def _count(self, run: Path, parts: list[Path]) -> None:
        found = [(each["key"], each["status"]) for each in values(run)]
        if len(found) != FITS * MEASURES or {status for _, status in found} != {"ok"}:
            self.figures.lost += FITS * MEASURES - len(found)
            self.figures.faults.append(f"values: {found}")
        recorded = collections.Counter(
            value["key"]
            for file in run.glob("fits/*/values/*.json")
            for value in json.loads(file.read_bytes())["values"]
        )
        self.figures.twice += sum(count - 1 for count in recorded.values())
        left = [each for folder in {run, *parts} for each in leftovers(folder)]
        self.figures.leftovers += len(left)
        self.figures.faults += [f"left behind: {each.relative_to(self.scratch)}" for each in left]
        if results(run, self.scratch) != self.expected:
            self.figures.unlike += 1


@contextlib.contextmanager
def torture(scratch: Path, seed: int = 0) -> Iterator[Torture]:
    """A place for rounds, whose drivers do their jobs inline."""
    yield Torture(scratch, seed)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["GENBENCH_CACHE"] = f"{scratch}/cache"
        Path(scratch).chmod(0o755)
        place = Torture(Path(scratch), given.seed)
        until = time.monotonic() + given.seconds
        number = 0
        while time.monotonic() < until:
            place.round(number)
            number += 1
            if number % 10 == 0:
                sys.stdout.write(f"{place.figures}\n")
        sys.stdout.write(f"{place.figures}\n")
    sys.exit(not place.figures.sound)


if __name__ == "__main__":
    main()
