"""Running the command line in tests: in this process where that suffices, else as a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genbench.cli import main
from genbench.execution.apart import Scratch
from genbench.execution.worker import Worker
from genbench.runs.store import Folder

PATIENCE_SECONDS = 240.0
MARK = "GENBENCH_TEST_MARK"

TINY = """\
title = "Four small networks on a hundred digits"
version = 1
dataset = { name = "digits", train_size = 100 }
model = { name = "mlp", width = 8, depth = 1 }
protocol = { name = "interpolate", learning_rate = [0.03, 0.1], batch_size = 32, max_epochs = 3 }
seeds = 2
measures = ["param_norm", "train_loss", "random"]
targets = ["gap", "test_error"]
"""


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as strict JSON."""
        return strict_json(self.out)


def strict_json(text: str) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def command(*words: object) -> Ended:
    """``genbench WORDS`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(each) for each in words])
        except SystemExit as end:
            code = int(end.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def start(*words: object, mark: str = "", folder: Path | None = None) -> subprocess.Popen[str]:
    """``genbench WORDS`` as a process; it and its workers can be found by their mark."""
    # Whoever runs the tests in the background of a shell has SIGINT ignored, which a process hands on.
    begins = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"{begins}; from genbench.cli import main; main()", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, MARK: mark},
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return Ended(process.returncode, out, err)


def marked(mark: str) -> list[int]:
    """Processes that carry a mark in their environment, zombies left out."""
    found = []
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if each.name.isdigit() and f"{MARK}={mark}\0".encode() in (each / "environ").read_bytes():
                found.append(int(each.name))
    return found


def wait_until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited too long until {what}"
        time.sleep(0.02)


def fit_files(run: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of the record of each fit that is there."""
    return {
        path.parent.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted((run / "fits").glob("*/fit.json"))
    }


def values(run: Path) -> Iterator[Mapping[str, Any]]:
    """Every value that counts, of all fits."""
    folder = Folder(run)
    for key in folder.fit_keys():
        yield from folder.measured(key).values.values()


def results(run: Path, scratch: Path) -> dict[str, bytes]:
    """What is promised to be the same bytes however the run came about."""
    found = {}
    for form in ("csv", "json"):
        assert command("export", run, scratch / f"results.{form}").code == 0
        found[form] = (scratch / f"results.{form}").read_bytes()
    found["ranking"] = command("rank", run, "--no-cost", "--json").out.encode()
    return found


def processes_in(mark: Path) -> set[int]:
    """Those that wrote their numbers into a file, which are forgotten then."""
    found = set(map(int, mark.read_text().split()))
    mark.write_text("")
    return found


class InlineProcess:
    """Stands in for a worker process: does the job in this one, which starts at once."""

    alive = True
    how_it_ended = "it cannot end"
    last_words = ()
    # Jobs seed random streams that belong to the whole process.
    _alone = threading.Lock()

    def __init__(self, threads: int, scratch: Scratch | None = None):
        self.threads = threads
        self.scratch = scratch
        self._events: list[str] = []
        self._worker = Worker(lambda event: self._events.append(json.dumps(event)))

    def send(self, job: Mapping[str, Any]) -> None:
        with self._alone:
            self._worker.do(json.loads(json.dumps(job)))

    def receive(self, seconds: float) -> dict[str, Any]:
        return json.loads(self._events.pop(0))

    def kill(self) -> None:
        if self.scratch is not None:
            self.scratch.remove()
