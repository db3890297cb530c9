"""A full disk stops the run with one line; what is there is kept, and the same command goes on from there."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import TINY, Ended, command, fit_files
from safetensors import SafetensorError

from genbench.base.errors import DiskFull
from genbench.execution.locks import Locks
from genbench.runs import records

ADVICE = "what is there is whole: make room and run the same command again"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path / "tiny.toml"


def run(suite: Path, *words: object) -> Ended:
    return command("run", "--suite", suite, "--out", suite.parent / "run", "--workers", 1, *words)


def the_line(ended: Ended) -> str:
    """The one line that tells of the disk, which nothing follows but the end of the display."""
    (line,) = [each for each in ended.err.splitlines() if "disk" in each]
    assert ended.err.splitlines()[-1] == line
    assert line.endswith(ADVICE)
    return line


def failures(run: Path) -> list[Path]:
    return list(run.glob("fits/*/failures/*"))


@pytest.mark.parametrize(
    ("whole", "code", "what"),  # behind the suite and the environment: weights, record, values, weights ...
    [
        (2, errno.ENOSPC, "the disk is full"),
        (4, errno.EDQUOT, "the disk quota is used up"),
        (7, errno.ENOSPC, "the disk is full"),
    ],
)
def test_a_disk_that_fills_up_stops_the_run_and_the_same_command_goes_on(
    inline, suite, monkeypatch, whole, code, what
):
    write, written = records.write_atomically, []

    def filling(path: Path, content: bytes) -> None:
        if len(written) == whole:
            raise OSError(code, os.strerror(code), str(path))
        write(path, content)
        written.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(records, "write_atomically", filling)
        ended = run(suite)
    assert ended.code == 3
    line = the_line(ended)
    assert f"{suite.parent / 'run'}" in line
    assert f": {what} ({os.strerror(code)}); " in line
    assert failures(suite.parent / "run") == []
    before = fit_files(suite.parent / "run")
    again = run(suite)
    assert again.code == 0, again.err
    after = fit_files(suite.parent / "run")
    assert len(after) == 4
    assert {key: after[key] for key in before} == before


def test_a_measure_that_finds_no_room_for_its_own_files_stops_the_run(inline, suite, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import errno, os, pathlib\nimport genbench\n\n\n"
        "@genbench.measure(family='mine', direction='+')\ndef writes(model):\n"
        "    if pathlib.Path(__file__).with_name('full').exists():\n"
        "        raise OSError(errno.ENOSPC, 'No space left on device', '/scratch/x')\n"
        "    return 1.0\n"
    )
    (tmp_path / "full").touch()
    words = ("--plugin", tmp_path / "mine.py", "--measures", "mine:writes,param_norm")
    ended = run(suite, *words)
    assert ended.code == 3
    assert "'/scratch/x': the disk is full" in the_line(ended)
    assert failures(tmp_path / "run") == []
    (tmp_path / "full").unlink()
    again = run(suite, *words)
    assert again.code == 0, again.err
    assert ", 4 measured now" in again.err


def test_a_full_cache_is_told_before_anything_is_trained(inline, suite, monkeypatch, tmp_path):
    def full(*given: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr("genbench.fitting.prepared.save_file", full)
        ended = run(suite)
    assert ended.code == 3
    assert str(tmp_path / "cache" / "prepared") in the_line(ended)
    assert not (tmp_path / "run").exists()
    assert run(suite).code == 0


def test_a_download_for_which_there_is_no_room_is_told_as_such(tmp_path, monkeypatch, suite):
    def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("genbench.base.downloads.get", full)
    ended = run(suite, "--set", "dataset=mnist")
    assert ended.code == 3
    assert str(tmp_path / "cache" / "downloads") in the_line(ended)


def test_lists_need_no_room_for_what_they_would_keep(tmp_path, monkeypatch):
    from genbench.report import catalog_cache

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(catalog_cache, "written", lambda host, trees: "a list")
    catalog_cache._keep(tmp_path / "catalogue", None, ())
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_could_not_be_written_is_not_left_behind(tmp_path, monkeypatch):
    def full(owner: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    locks = Locks(tmp_path / "locks")
    try:
        with monkeypatch.context() as patch:
            patch.setattr("genbench.execution.locks.json.dumps", full)
            with pytest.raises(DiskFull, match="locks': the disk is full"):
                locks.take("trial")
        assert list((tmp_path / "locks").iterdir()) == []
        assert locks.take("trial")
    finally:
        locks.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 60 kilobytes, which `mount -o remount` makes larger."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow  # it starts workers twice, as a full disk of theirs is the point
def test_a_run_on_a_disk_that_is_really_full_stops_and_goes_on(small_disk, suite):
    words = ("run", "--suite", suite, "--out", small_disk / "run", "--workers", 2)
    ended = command(*words)
    assert ended.code == 3
    assert str(small_disk / "run") in the_line(ended)
    assert failures(small_disk / "run") == []
    before = fit_files(small_disk / "run")
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    again = command(*words)
    assert again.code == 0, again.err
    assert before.items() <= fit_files(small_disk / "run").items()
