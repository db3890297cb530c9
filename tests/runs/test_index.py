"""The index of a run folder: quick, never believed where the records say otherwise."""

from __future__ import annotations

import json
import os
import sqlite3

import pandas as pd
import pytest
from scale import made_run

import genbench
from genbench.base.files import cache_folder
from genbench.runs import standing
from genbench.runs.index import Index, signature
from genbench.runs.results import read_table
from genbench.runs.status import read_status
from genbench.runs.store import Folder

MEASURES = ["param_norm", "l2", "random", "seed_disagreement", "train_loss"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    made_run(tmp_path / "run", 3, 2, measures=MEASURES)
    return tmp_path / "run"


@pytest.fixture
def reads(monkeypatch):
    """Keys of the fits whose values were read from their records."""
    found = []
    measured = Folder.measured
    monkeypatch.setattr(
        Folder, "measured", lambda self, key, *rest: found.append(key) or measured(self, key, *rest)
    )
    return found


def index_file():
    (path,) = (cache_folder() / "indexes").glob("*.sqlite")
    return path


def table(path, told=None):
    return read_table(Folder(path, (lambda line: None) if told is None else told.append))


def test_the_second_reader_gets_the_same_table_and_reads_no_record(run, reads):
    first = table(run)
    assert len(reads) == 6
    second = table(run)
    assert len(reads) == 6
    pd.testing.assert_frame_equal(first.frame, second.frame)
    assert (first.measures, first.axes, first.seconds) == (second.measures, second.axes, second.seconds)
    assert [dict(each) for each in first.records] == [dict(each) for each in second.records]
    assert second.records[0]["history"]["epoch"][-1] == 30
    assert "test_history" not in second.records[0]


def test_what_changed_is_read_anew_and_nothing_else(run, reads):
    table(run)
    folder = Folder(run)
    key = folder.fit_keys()[1]
    value = next(iter(folder.passes(key)))["values"][0]
    del reads[:]
    folder.write_values(key, {"time": "9999", "values": [{**value, "value": 77.0}]})
    found = table(run).frame.set_index("key")
    assert reads == [key]
    assert found.loc[key, value["measure"]] == 77.0


def test_a_fit_that_is_gone_is_gone(run):
    table(run)
    key = Folder(run).fit_keys()[0]
    (run / "fits" / key / "fit.json").unlink()
    assert key not in set(table(run).frame["key"])


def test_a_damaged_record_is_told_every_time(run):
    key = Folder(run).fit_keys()[0]
    (path, *_) = (run / "fits" / key / "values").glob("*.json")
    path.write_bytes(path.read_bytes()[:-20])
    for _ in range(2):
        told = []
        table(run, told)
        assert [key in each and "damaged" in each for each in told] == [True]


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"no data base at all, and long enough to be looked at" * 40),
        lambda path: path.write_bytes(path.read_bytes()[:9000]),
        lambda path: path.write_bytes(b""),
    ],
    ids=["lost", "foreign", "cut", "empty"],
)
def test_a_lost_or_damaged_index_costs_time_alone(run, reads, harm):
    first = table(run).frame
    harm(index_file())
    pd.testing.assert_frame_equal(table(run).frame, first)
    del reads[:]
    pd.testing.assert_frame_equal(table(run).frame, first)
    assert not reads


def test_an_index_of_another_format_is_made_anew(run, reads):
    first = table(run).frame
    with sqlite3.connect(index_file()) as base:
        base.execute("PRAGMA user_version = 999")
    pd.testing.assert_frame_equal(table(run).frame, first)
    del reads[:]
    table(run)
    assert not reads


def test_without_a_cache_the_records_are_read(run, reads, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way of a folder")
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        assert len(table(run).frame) == 6
    assert len(reads) == 12


def test_an_index_that_another_command_holds_is_done_without(run, monkeypatch):
    first = table(run).frame
    monkeypatch.setattr("genbench.runs.index.PATIENCE_SECONDS", 0.01)
    holder = sqlite3.connect(index_file(), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    pd.testing.assert_frame_equal(table(run).frame, first)
    holder.close()


def test_indexes_of_runs_that_are_gone_are_swept(run, tmp_path):
    table(run)
    run.rename(tmp_path / "moved")
    table(tmp_path / "moved")
    assert len(list((cache_folder() / "indexes").glob("*.sqlite"))) == 1


def test_two_commands_may_add_at_once(run):
    rows = standing.read_standing(Folder(run)).rows
    one, other = Index(run), Index(run)
    value = {"measure": "new", "version": 1, "status": "ok"}
    for index in (one, other):
        index.meanings.place({**value, "reason": "one" if index is one else "other"})
        index.add([("signature", False, rows[0])])
    assert Index(run).meanings.known[-1]["reason"] == "one"


def test_the_status_checks_weights_once(run, monkeypatch):
    checked = []
    fit = Folder.fit
    monkeypatch.setattr(
        Folder, "fit", lambda self, key, *, check_weights=False: checked.append(check_weights)
        or fit(self, key, check_weights=check_weights)
    )  # fmt: skip
    table(run)
    first = read_status(run)
    assert read_status(run) == first
    assert checked == [False] * 6 + [True] * 6
    weights = run / "fits" / Folder(run).fit_keys()[0] / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert any("weights" in line for line in read_status(run)["damaged"])


def test_a_signature_is_of_what_is_there(tmp_path):
    assert signature(tmp_path / "nowhere") == ""
    assert signature(tmp_path) == ""
    file = tmp_path / "fit.json"
    file.write_text("a")
    first = signature(tmp_path)
    assert first
    assert signature(tmp_path) == first
    (tmp_path / ".hidden").write_text("")
    assert signature(tmp_path) == first
    os.utime(file, ns=(1, 1))
    assert signature(tmp_path) != first


def resumed(run, **options):
    return genbench.run(f"{run}.toml", out=run, workers=1, measures=MEASURES, **options).summary


def test_a_run_in_which_nothing_is_missing_reads_nothing_again(run, reads):
    first = resumed(run)
    assert (first.trained, first.measured, first.is_complete) == (0, 0, True)
    assert reads
    del reads[:]
    assert resumed(run) == first
    assert not reads


@pytest.mark.slow
def test_a_value_lost_after_a_complete_run_is_computed(run):
    resumed(run)
    key = Folder(run).fit_keys()[0]
    for path in (run / "fits" / key / "values").glob("*.json"):
        path.unlink()
    # The made-up weights fit no network, so that measuring fails; that it is tried is what counts.
    assert not resumed(run).is_complete


@pytest.mark.slow
def test_other_measures_are_missing_in_a_run_that_was_complete(run):
    resumed(run)
    found = genbench.run(f"{run}.toml", out=run, workers=1, measures=[*MEASURES, "log_sum_of_fro"], limit=1)
    assert not found.summary.is_complete


def test_json_of_the_status_is_plain(run):
    read_status(run)
    assert json.dumps(read_status(run), allow_nan=False)
