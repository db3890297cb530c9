"""``genbench merge``: the union of run folders, checked before anything is written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from running import TINY, Ended, command, results

from genbench.base.files import as_json
from genbench.runs import merging, records
from genbench.runs.store import Folder


@pytest.fixture
def whole(inline, tmp_path) -> Path:
    """A run with a measure that compares seeds."""
    (tmp_path / "tiny.toml").write_text(TINY.replace('"random"]', '"seed_disagreement"]'))
    ended = command("run", "--suite", tmp_path / "tiny.toml", "--out", tmp_path / "whole", "--workers", 1)
    assert ended.code == 0, ended.err
    return tmp_path / "whole"


@pytest.fixture
def halves(finished: Path, tmp_path: Path) -> list[Path]:
    """Two runs that share one of the four fits: three in the first, two in the second."""
    keys = Folder(finished).fit_keys()
    made = []
    for name, chosen in (("one", keys[:3]), ("two", keys[2:])):
        made.append(shutil.copytree(finished, tmp_path / name))
        for key in set(keys) - set(chosen):
            shutil.rmtree(made[-1] / "fits" / key)
    return made


def merge(*words: object) -> Ended:
    return command("merge", *words)


def change(file: Path, how: Callable[[dict], object]) -> None:
    """Change a record so that its checksum holds."""
    content = json.loads(file.read_bytes())
    how(content)
    content["sha256"] = records.seal(content)
    file.unlink()  # it may be linked to another run
    file.write_bytes(as_json(content))


def test_two_runs_become_what_one_would_have_been(halves, finished, tmp_path):
    ended = merge(*halves, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "4 fits, 4 passes of measuring" in ended.err
    assert results(tmp_path / "out", tmp_path) == results(finished, tmp_path)


def test_files_are_linked_where_that_can_be_and_the_runs_stay_as_they_are(halves, tmp_path):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert merge(*halves, "--out", tmp_path / "out", "--json").json["copied"] == 0
    for path in (tmp_path / "out").rglob("*.*"):
        assert path.stat().st_nlink > 1, path
    assert {path: path.read_bytes() for path in before} == before


def test_files_are_copied_where_nothing_can_be_linked(halves, finished, tmp_path, monkeypatch):
    def refuse(*given: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert merge(*halves, "--out", tmp_path / "out", "--json").json["linked"] == 0
    assert results(tmp_path / "out", tmp_path) == results(finished, tmp_path)


def test_merging_again_does_nothing_and_into_one_of_the_runs_adds_the_others(halves, finished, tmp_path):
    one, two = halves
    assert merge(one, two, "--out", one, "--json").json["fits"] == 4
    again = merge(one, two, "--out", one, "--json").json
    assert (again["linked"], again["copied"]) == (0, 0)
    assert merge(two, "--out", one, "--json").json["fits"] == 4
    assert results(one, tmp_path) == results(finished, tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_run_goes_on_in_the_merged_folder(halves, finished, tiny_suite, tmp_path, inline):
    merge(halves[1], "--out", tmp_path / "out")
    ended = command("run", "--suite", tiny_suite, "--out", tmp_path / "out", "--workers", 1)
    assert "2 trained now" in ended.err
    assert results(tmp_path / "out", tmp_path) == results(finished, tmp_path)


@pytest.mark.slow
def test_what_compares_seeds_is_computed_when_the_shards_are_together(whole, tmp_path):
    suite, shards = whole / "suite.toml", [tmp_path / "1", tmp_path / "2"]
    for number, shard in enumerate(shards, start=1):
        command("run", "--suite", suite, "--out", shard, "--shard", f"{number}/2", "--workers", 1)
    merge(*shards, "--out", tmp_path / "out")
    assert command("measure", tmp_path / "out", "--workers", 1).code == 0
    assert results(tmp_path / "out", tmp_path) == results(whole, tmp_path)


def test_runs_of_different_suites_are_refused_and_the_difference_is_named(halves, tmp_path):
    one, two = halves
    (two / "suite.toml").write_text((two / "suite.toml").read_text().replace('"seeds" = 2', '"seeds" = 3'))
    ended = merge(one, two, "--out", tmp_path / "out")
    assert ended.code == 3
    assert f"'{two}' holds a run of suite 'tiny', '{one}' one of 'tiny'; they differ in seeds" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_run_and_a_run_named_twice_are_refused(halves, tmp_path):
    (tmp_path / "empty").mkdir()
    ended = merge(halves[0], tmp_path / "empty", "--out", tmp_path / "out")
    assert (ended.code, "is not a run folder" in ended.err) == (3, True)
    assert merge(halves[0], halves[0], "--out", tmp_path / "out").code == 2
    assert merge("--out", tmp_path / "out").code == 2
    (tmp_path / "file").write_text("")
    assert merge(*halves, "--out", tmp_path / "file").code == 3


def shared_fit(halves: list[Path]) -> str:
    (key,) = set(Folder(halves[0]).fit_keys()) & set(Folder(halves[1]).fit_keys())
    return key


def test_fits_that_disagree_end_the_merge_before_anything_is_written(halves, finished, tmp_path):
    key = shared_fit(halves)
    change(halves[1] / "fits" / key / "fit.json", lambda record: record.update(test_error=0.999))
    ended = merge(*halves, "--out", tmp_path / "out")
    assert ended.code == 3
    assert f"fit {key} of '{halves[1]}' is not that of '{halves[0]}': test_error" in ended.err
    assert "--keep-first" in ended.err
    assert not (tmp_path / "out").exists()
    kept = merge(*halves, "--out", tmp_path / "out", "--keep-first")
    assert kept.code == 1, "a result is left out"
    assert results(tmp_path / "out", tmp_path) == results(finished, tmp_path)


def test_values_that_disagree_end_the_merge_before_anything_is_written(halves, finished, tmp_path):
    key = shared_fit(halves)
    (file,) = (halves[1] / "fits" / key / "values").glob("*.json")
    change(file, lambda content: content["values"][0].update(value=-1.0))
    file.rename(file.with_name("other.json"))
    ended = merge(*halves, "--out", tmp_path / "out")
    assert ended.code == 3
    assert f"the value of '{halves[1]}' is not that of '{halves[0]}'" in ended.err
    assert merge(*halves, "--out", tmp_path / "out", "--keep-first").code == 1
    assert results(tmp_path / "out", tmp_path) == results(finished, tmp_path)


def test_a_fit_under_the_key_of_another_trial_is_refused(halves, tmp_path):
    key = Folder(halves[0]).fit_keys()[0]
    change(halves[0] / "fits" / key / "fit.json", lambda record: record["trial"].update(seed=77))
    ended = merge(*halves, "--out", tmp_path / "out")
    assert (ended.code, f"fit {key}: its key is not that of its trial" in ended.err) == (3, True)


def test_a_damaged_fit_is_left_out_unless_another_run_has_it_whole(halves, finished, tmp_path):
    key = shared_fit(halves)
    weights = halves[0] / "fits" / key / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    ended = merge(*halves, "--out", tmp_path / "out")
    assert ended.code == 1
    assert "weights.safetensors is damaged" in ended.err
    assert results(tmp_path / "out", tmp_path) == results(finished, tmp_path)


def test_failures_come_along_where_no_run_has_the_fit(halves, tmp_path):
    key = shared_fit(halves)
    Folder(halves[1]).write_failure(key, {"status": "error", "reason": "torn", "time": "2026"})
    Folder(halves[1]).write_failure("0" * 32, {"status": "error", "reason": "worn", "time": "2026"})
    assert merge(*halves, "--out", tmp_path / "out").code == 0
    assert Folder(tmp_path / "out").failure(key) is None
    assert Folder(tmp_path / "out").failure("0" * 32)["reason"] == "worn"


def test_a_merge_that_was_killed_is_taken_up_again(halves, finished, tmp_path, monkeypatch):
    real, calls = merging._bring, []

    def dies(*given: object) -> object:
        calls.append(given)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(merging, "_bring", dies)
    assert merge(*halves, "--out", tmp_path / "out").code == 130
    assert merge(*halves, "--out", tmp_path / "out").code == 0
    assert results(tmp_path / "out", tmp_path) == results(finished, tmp_path)
