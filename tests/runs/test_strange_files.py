"""What other programs, or other fits, left in a run folder: told, passed over, never waited for."""

from __future__ import annotations

import os
import shutil

from genbench.runs.store import Folder


def test_a_pipe_in_the_place_of_a_record_is_told_and_not_waited_for(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    key = Folder(run).fit_keys()[0]
    os.mkfifo(run / "fits" / key / "values" / "pipe.json")
    (run / "fits" / key / "fit.json").unlink()
    os.mkfifo(run / "fits" / key / "fit.json")
    lines: list[str] = []
    folder = Folder(run, lines.append)
    assert folder.fit(key) is None
    assert folder.measured(key).values
    assert all("is no plain file" in each for each in lines)
    assert len(lines) == 2


def test_values_of_another_fit_are_not_taken_for_this_ones(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    first, second = Folder(run).fit_keys()[:2]
    expected = dict(Folder(run).measured(first).values)
    for each in (run / "fits" / second / "values").iterdir():
        shutil.copy(each, run / "fits" / first / "values" / f"0{each.name}")
    lines: list[str] = []
    assert dict(Folder(run, lines.append).measured(first).values) == expected
    assert lines
    assert all("it holds values of another fit" in each for each in lines)


def test_what_killed_writers_left_is_swept(tmp_path):
    folder = Folder(tmp_path)
    for place in (
        tmp_path,
        tmp_path / "environments",
        tmp_path / "fits" / "k",
        tmp_path / "fits" / "k" / "values",
    ):
        place.mkdir(parents=True, exist_ok=True)
        left = place / f".a.json.{8 * 'f'}-1.{12 * '0'}.tmp"
        left.write_text("")
        os.utime(left, (1, 1))
    folder.sweep()
    assert list(tmp_path.rglob("*.tmp")) == []
