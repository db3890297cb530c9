"""The process of a command ends with its code, all that it printed and all that was to be done at its end."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGINS = """
import atexit, sys, tempfile, threading, time, weakref
from genbench.cli.ending import ending_at_once

class Slow:
    def __del__(self):
        print("taken apart")

kept = Slow()
with ending_at_once():
    atexit.register(print, "at the exit")
    folder = tempfile.TemporaryDirectory()
    print(folder.name)
    threading.Thread(target=lambda: (time.sleep(0.2), print("a thread"))).start()
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", 0),
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("sys.exit()", 0),
        ("sys.exit('why')", 1),
        ("1 / 0", 1),
    ],
)
def test_all_is_done_but_taking_apart(end, code, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", f"{BEGINS}    {end}\n"],
        capture_output=True, text=True, check=False, env={"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    folder, *others = ended.stdout.splitlines()
    assert (ended.returncode, others) == (code, ["a thread", "at the exit"])
    assert folder.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert ended.stderr.splitlines()[-1:] == {
        "1 / 0": ["ZeroDivisionError: division by zero"], "sys.exit('why')": ["why"],
    }.get(end, [])  # fmt: skip


@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["rnk"], 2), (["status", "nowhere"], 3)])
def test_a_command_ends_with_its_code(words, code):
    program = [sys.executable, "-m", "genbench", *words]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert ended.stdout + ended.stderr
