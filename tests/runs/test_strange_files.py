"""What other programs, or other fits, left in a run folder: told, passed over, never waited for."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from genbench.runs.records import seal
from genbench.runs.status import read_status
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


@pytest.mark.parametrize(
    ("place", "change", "said"),
    [
        ("fit.json", lambda fit: fit.update(trial=[fit["trial"]]), "its trial is none"),
        ("fit.json", lambda fit: fit.update(test_error={"a": 0.1}), "its test_error is none"),
        ("fit.json", lambda fit: fit["trial"]["model"].pop("settings"), "its trial.model.settings is none"),
        ("fit.json", lambda fit: fit.update(stop_reason="lunch"), "its stop_reason is none"),
        ("values/*.json", lambda found: found["values"][0].pop("value"), "its values.value is none"),
        (
            "values/*.json",
            lambda found: found["values"][0].update(status="fine"),
            "its values.status is none",
        ),
        ("values/*.json", lambda found: found.update(time=3), "its time is none"),
        ("../../environments/*.json", lambda found: found.update(plugins=[1]), "its plugins is none"),
    ],
)
def test_a_record_of_another_shape_is_damaged_though_its_seal_is_whole(
    finished, tmp_path, place, change, said
):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    path = next((run / "fits" / Folder(run).fit_keys()[0]).glob(place)).resolve()
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps({**content, "sha256": seal(content)}))
    lines: list[str] = []
    folder = Folder(run, lines.append)
    folder.environments()
    for key in folder.fit_keys():
        folder.fit(key)
        folder.measured(key)
    read_status(run)
    assert any(f"({said})" in each for each in lines)
    assert any(("same machine" in each) == ("environments" in place) for each in lines)


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
