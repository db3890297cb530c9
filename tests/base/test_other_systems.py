"""What other systems lack is taken away here: what is left must do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.base import machine
from genbench.base.children import kill_group
from genbench.base.errors import InvalidInput, UsageError
from genbench.base.names import is_path
from genbench.base.toml import parse_toml
from genbench.execution import places
from genbench.host.plugin import PluginSource
from genbench.leaderboard import files
from genbench.ranking import jit


def test_without_affinity_all_cores_count(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # macOS and Windows
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.cores() == 6
    assert jit.in_threads(lambda each: each + 1, [1, 2, 3], 10_000_000) == [2, 3, 4]


def test_without_sysconf_the_memory_is_not_known(monkeypatch):
    monkeypatch.delattr(os, "sysconf")  # Windows
    assert machine.memory() is None


def test_on_windows_nobody_is_ended_by_asking_whether_they_run(monkeypatch):
    asked = []
    monkeypatch.setattr(os, "kill", lambda *given: asked.append(given))  # which would end them there
    monkeypatch.setattr(machine.sys, "platform", "win32")
    assert machine.is_running(4711)
    assert not machine.is_running(0)
    assert asked == []


def test_without_process_groups_the_process_alone_is_ended(monkeypatch):
    monkeypatch.delattr(os, "killpg")  # Windows
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        kill_group(process)
    assert process.returncode != 0


def test_a_command_on_windows_that_would_train_says_so(monkeypatch):
    monkeypatch.setattr(places.sys, "platform", "win32")
    with pytest.raises(UsageError, match=r"^training and measuring need WSL on Windows"):
        places.devices("cpu", 1)


def test_paths_of_windows_are_paths_and_their_backslashes_are_explained():
    assert all(map(is_path, (r"C:\plugins\mine", r"suites\mine", "suites/mine")))
    assert not is_path("mine:norm")
    for text in (r'root = "C:\data"', r'root = "C:\Users\me"'):
        with pytest.raises(ValueError, match="a path with backslashes stands in single quotes"):
            parse_toml(text)
    assert parse_toml(r"root = 'C:\data'") == {"root": "C:\\data"}


def test_plugins_by_a_path_with_backslashes_are_files():
    with pytest.raises(UsageError, match="cannot be read"):
        PluginSource.from_argument(r"C:\plugins\mine.py")


def test_entries_are_read_where_folders_cannot_be_opened(monkeypatch, tmp_path):
    for name in files.LIMITS:
        (tmp_path / name).write_bytes(b"{}\n")
    there = files.read_files(tmp_path)
    monkeypatch.setattr(os, "supports_dir_fd", set())  # Windows
    assert files.read_files(tmp_path) == there
    (tmp_path / "entry.json").unlink()
    (tmp_path / "entry.json").symlink_to(tmp_path / "suite.toml")
    with pytest.raises(InvalidInput, match=r"entry\.json: is a link"):
        files.read_files(tmp_path)
    with pytest.raises(InvalidInput, match="is no folder"):
        files.read_files(tmp_path / "suite.toml")


def test_nothing_forks():
    """Workers are programs of their own, as on systems that have no fork, or forbid it beside threads."""
    texts = [path.read_text(encoding="utf-8") for path in Path(machine.__file__).parents[1].rglob("*.py")]
    assert len(texts) > 300
    for word in ("os.fork(", "multiprocessing"):
        assert not [text for text in texts if word in text], word
