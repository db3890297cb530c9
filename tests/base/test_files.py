"""Files are whole, whatever happens while they are written."""

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from genbench.base import files
from genbench.base.errors import DiskFull, InvalidInput
from genbench.base.files import (
    as_json,
    cache_folder,
    disk_full,
    passing_folder,
    read_text,
    write_atomically,
)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_writing_leaves_the_content_and_no_temporary_file(tmp_path):
    write_atomically(tmp_path / "a.json", b"first")
    write_atomically(tmp_path / "a.json", b"second")
    assert (tmp_path / "a.json").read_bytes() == b"second"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch, step, fault):
    def fail(*arguments):
        raise fault

    write_atomically(tmp_path / "a.json", b"old")
    monkeypatch.setattr(*((os, "fsync", fail) if step == "fsync" else (Path, "replace", fail)))
    with pytest.raises(type(fault)):
        write_atomically(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize(
    "fault",
    [
        OSError(28, "No space left on device"),
        OSError(122, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_told_with_the_path_and_what_to_do(tmp_path, monkeypatch, fault):
    def fail(*arguments):
        raise fault

    write_atomically(tmp_path / "a.json", b"old")
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(
        DiskFull, match=f"^'{tmp_path / 'a.json'}': the disk .*; what is there is whole: make room"
    ):
        write_atomically(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


def test_other_faults_are_no_full_disk():
    assert disk_full(OSError(13, "Permission denied")) is None
    assert disk_full(ValueError("(os error 13)")) is None


def test_the_content_is_on_the_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    events = []
    synchronize, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: (events.append("fsync"), synchronize(number))[1])
    monkeypatch.setattr(
        Path, "replace", lambda old, new: (events.append(old.read_bytes()), replace(old, new))[1]
    )
    write_atomically(tmp_path / "a.json", b"content")
    assert events == ["fsync", b"content"]


def test_json_is_strict_sorted_and_what_is_not_finite_is_null():
    text = as_json({"b": [math.inf, (math.nan, -1.5)], "a": {"z": -math.inf, "é": 1}}).decode()

    def refuse(word: str) -> None:
        raise AssertionError(word)

    assert json.loads(text, parse_constant=refuse) == {"a": {"z": None, "é": 1}, "b": [None, [None, -1.5]]}
    assert text.index('"a"') < text.index('"b"')
    assert text.endswith("}\n")
    assert "é" in text


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("GENBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert cache_folder() == tmp_path / "user" / "genbench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "genbench"


@pytest.mark.parametrize("home", ["", None])
def test_who_has_no_home_is_told_how_to_name_a_cache(monkeypatch, home):
    for name in ("GENBENCH_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr("pathlib.Path.expanduser", _homeless)
    with pytest.raises(
        InvalidInput, match=r"no home folder to keep the cache in; name a folder in \$GENBENCH_CACHE"
    ):
        cache_folder()


def _homeless(path):
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa = 1\r\nb = 2\r\n", b"a = 1\nb = 2\n", b"a = 1\rb = 2\r"])
def test_a_text_is_read_as_any_editor_saved_it(tmp_path, content):
    (tmp_path / "text").write_bytes(content)
    assert read_text(tmp_path / "text") == "a = 1\nb = 2\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [("a = 1".encode("utf-16"), "it is UTF-16"), (b"a = 1\nb = '\xe9'\n", r"it is not UTF-8 \(line 2\)")],
)
def test_a_text_of_another_encoding_is_refused_in_words(tmp_path, content, why):
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(ValueError, match=why):
        read_text(tmp_path / "text")


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    here = files._here()
    left = tmp_path / f".fit.json.{here}-{gone.pid}.{'0' * 12}.tmp"
    kept = [
        tmp_path / f".fit.json.{here}-{os.getpid()}.{'0' * 12}.tmp",
        tmp_path / f".fit.json.{'f' * 8}-{gone.pid}.{'0' * 12}.tmp",
        tmp_path / ".other.tmp",
        tmp_path / "fit.json",
    ]
    old = tmp_path / f".old.json.{'f' * 8}-1.{'0' * 12}.tmp"
    for path in (left, old, *kept):
        path.write_text("")
    os.utime(old, (1, 1))
    files.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    files.sweep(tmp_path / "nowhere")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is no plain file"):
        files.read_plain(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"text")
    assert files.read_plain(tmp_path / "file") == b"text"


def test_folders_of_processes_that_were_killed_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = (
        "import os; from genbench.base.files import passing_folder as made; f = made('test'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(tmp_path)}, check=True)
    (left,) = tmp_path.iterdir()
    (left / "file").write_text("text")
    with passing_folder("other"):
        assert left.exists()
    with passing_folder("test") as mine, passing_folder("test") as another:
        assert {each.name for each in tmp_path.iterdir()} == {Path(mine).name, Path(another).name}
    assert list(tmp_path.iterdir()) == []
