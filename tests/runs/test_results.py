"""A run folder read as a table: one row a fit, the same whatever made it."""

import math
from pathlib import Path

import pytest

from genbench.base.errors import InvalidInput
from genbench.runs.results import read_table, value_number
from genbench.runs.store import Folder

SUITE = '"name" = "own"\n"dataset" = "made"\n'


def trial(
    width: int = 8, *, seed: int = 0, model: str = "narrow", version: int = 1, rate: float = 0.1
) -> dict:
    settings = {"width": width} if model == "narrow" else {"depth": 2}
    return {
        "dataset": {"name": "made", "version": 1, "settings": {}, "source": ""},
        "splits": {"train_size": 20},
        "checksum": "sha256:0",
        "task": {"kind": "classification", "input_shape": [4], "outputs": 2},
        "model": {"name": model, "version": version, "settings": settings, "source": ""},
        "protocol": {"name": "plain", "version": 1, "settings": {"learning_rate": rate}, "source": ""},
        "regularizers": [],
        "seed": seed,
        "threads": 1,
    }


def outcome(**changes) -> dict:
    return {
        "stop_reason": "target",
        "epochs": 5,
        "steps": 50,
        "train_error": 0.1,
        "train_error_clean": 0.05,
        "train_loss": 0.25,
        "test_error": 0.4,
        "test_loss": 1.25,
        **changes,
    }


def value(measure: str, number: float | None, **changes) -> dict:
    return {
        "measure": measure,
        "key": f"key of {measure}",
        "value": number,
        "status": "ok",
        "reason": "",
        "seconds": 0.5,
        "version": 1,
        "plugin": "core",
        "family": "norm",
        "direction": "+",
        "cost_class": "B",
        "held_out": False,
        **changes,
    }


@pytest.fixture
def folder(tmp_path) -> Folder:
    (tmp_path / "suite.toml").write_text(SUITE)
    return Folder(tmp_path)


def add(folder: Folder, key: str, of: dict, *values: dict, **changes) -> str:
    key = key.ljust(32, "0")
    folder.write_fit(key, {"trial": of, **outcome(**changes)}, {})
    if values:
        folder.write_values(
            key, {"fit": key, "environment": "", "time": "1", "seconds": 1.0, "values": list(values)}
        )
    return key


def test_a_row_has_key_seed_axes_outcome_targets_and_measures(folder):
    first = add(folder, "b", trial(8), value("norm", 1.5))
    second = add(folder, "a", trial(16, seed=1), value("norm", 2.5), test_error=0.3)
    table = read_table(folder)
    assert table.axes == ("model.width",)
    assert list(table.frame.columns) == [
        "key", "seed", "model.width", "stop_reason", "epochs", "steps", "train_error", "train_error_clean",
        "train_loss", "test_error", "test_loss", "gap", "loss_gap", "normalized_train_loss",
        "normalized_test_loss", "output_normalized_train_loss", "output_normalized_test_loss", "norm",
    ]  # fmt: skip
    assert list(table.frame["key"]) == [first, second]
    assert list(table.frame["seed"]) == [0, 1]
    assert list(table.frame["model.width"]) == [8, 16]
    assert list(table.frame["norm"]) == [1.5, 2.5]
    assert list(table.frame["gap"]) == [0.4 - 0.1, 0.3 - 0.1]
    assert list(table.frame["loss_gap"]) == [1.0, 1.0]
    assert table.notes == ()


def test_rows_are_sorted_by_axes_and_seed_numbers_before_texts_and_what_is_absent_first(folder):
    order = [trial(model="deep"), trial(8), trial(8, seed=1), trial(16), trial(100)]
    for name, each in zip("cadbe", order, strict=True):
        add(folder, name, each)
    frame = read_table(folder).frame
    assert [(row["model.name"], row["model.width"], row["seed"]) for _, row in frame.iterrows()] == [
        ("deep", "-", 0),
        ("narrow", 8, 0),
        ("narrow", 8, 1),
        ("narrow", 16, 0),
        ("narrow", 100, 0),
    ]


def test_two_folders_with_the_same_fits_give_the_same_table(tmp_path):
    folders = []
    for name, order in (("one", "abc"), ("two", "cba")):
        path = tmp_path / name
        path.mkdir()
        (path / "suite.toml").write_text(SUITE)
        folders.append(Folder(path))
        for each in order:
            add(folders[-1], each, trial(ord(each)), value("norm", 1.0), value("margin", 2.0))
    first, second = (read_table(each).frame.to_csv() for each in folders)
    assert first == second


def test_fits_that_diverged_or_missed_the_target_are_rows_too(folder):
    add(folder, "a", trial(8), stop_reason="diverged", train_loss=None, test_loss=math.inf)
    add(folder, "b", trial(16), stop_reason="max_epochs")
    frame = read_table(folder).frame
    assert list(frame["stop_reason"]) == ["diverged", "max_epochs"]
    assert math.isnan(frame["loss_gap"][0])


def test_trials_without_a_fit_are_noted(folder):
    add(folder, "a", trial(8))
    folder.write_failure(
        "b" * 32, {"trial": trial(16), "reason": "crashed", "status": "crashed", "time": "1"}
    )
    assert read_table(folder).notes == ("1 trial without a fit: training failed",)
    assert len(read_table(folder).frame) == 1


def test_of_fits_of_several_versions_the_newest_counts_and_the_others_are_noted(folder):
    add(folder, "a", trial(8, version=2), train_error=0.2)
    add(folder, "b", trial(8, version=10), train_error=0.3)
    add(folder, "c", trial(8, version=1), train_error=0.4)
    table = read_table(folder)
    assert list(table.frame["train_error"]) == [0.3]
    assert table.notes == ("without 2 fits of older versions of their components",)


def test_values_of_an_older_version_than_other_fits_have_are_left_out_and_noted(folder):
    add(folder, "a", trial(8), value("norm", 1.0, version=1))
    add(folder, "b", trial(16), value("norm", 2.0, version=2))
    table = read_table(folder)
    assert [math.isnan(each) for each in table.frame["norm"]] == [True, False]
    (note,) = table.notes
    assert note.startswith("norm: values of an older version on 1 fit are left out")


def test_a_missing_value_is_nan_and_an_infinite_one_infinite(folder):
    add(
        folder,
        "a",
        trial(8),
        value("norm", None, infinite=-1),
        value("margin", None, status="not_applicable"),
    )
    add(folder, "b", trial(16), value("norm", 1.0))
    frame = read_table(folder).frame
    assert list(frame["norm"]) == [-math.inf, 1.0]
    assert all(math.isnan(each) for each in frame["margin"])


def test_measures_are_described_by_their_records_alone(folder):
    described = {"family": "mine", "direction": "-", "cost_class": "D", "plugin": "papers", "held_out": True}
    for name, seconds in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        add(folder, name, trial(ord(name)), value("papers:norm[order=2]", 1.0, seconds=seconds, **described))
    add(
        folder,
        "d",
        trial(1),
        value("papers:norm[order=2]", None, status="crashed", seconds=99.0, **described),
    )
    info = read_table(folder).measures["papers:norm[order=2]"]
    assert (info.family, info.direction, info.cost_class, info.plugin, info.held_out) == tuple(
        described.values()
    )
    assert info.seconds == 2.0
    assert info.statuses == {"ok": 3, "crashed": 1}


@pytest.mark.parametrize(
    ("word", "column"),
    [
        ("size", "norm"),
        ("size[order=2]", "norm[order=2]"),
        ("size[order=3]", "size[order=3]"),
        ("norm", "norm"),
        ("spread", "spread"),
    ],
)
def test_an_alias_means_the_column_of_the_measure(folder, word, column):
    spelled = [value(name, 1.0, aliases=["size"]) for name in ("norm", "norm[order=2]")]
    add(folder, "a", trial(), *spelled, value("margin", 1.0))
    assert read_table(folder).column(word) == column


def test_costs_stand_apart_from_results(folder):
    add(folder, "a", trial(8), value("norm", 1.0, seconds=0.25))
    add(folder, "b", trial(16))
    table = read_table(folder)
    assert not any("seconds" in column for column in table.frame.columns)
    costs = table.with_costs()["seconds of norm"]
    assert costs[0] == 0.25
    assert math.isnan(costs[1])


def test_an_empty_run_is_an_empty_table(folder):
    table = read_table(folder)
    assert len(table.frame) == 0
    assert "gap" in table.frame.columns
    assert (table.axes, dict(table.measures)) == ((), {})


def test_what_is_no_run_folder_is_invalid_input(tmp_path):
    with pytest.raises(InvalidInput, match="is not a run folder"):
        read_table(Folder(tmp_path / "absent"))


def test_a_damaged_fit_is_no_row(folder):
    key = add(folder, "a", trial(8))
    add(folder, "b", trial(16))
    (folder.fit_folder(key) / "fit.json").write_text("{}")
    assert len(read_table(Folder(folder.path)).frame) == 1


@pytest.mark.parametrize(
    ("record", "number"),
    [
        ({"value": 1.5}, 1.5),
        ({"value": 0}, 0.0),
        ({"value": None, "infinite": 1}, math.inf),
        ({"value": None, "infinite": -1}, -math.inf),
    ],
)
def test_a_record_says_its_number(record, number):
    assert value_number(record) == number


def test_reading_a_run_needs_no_torch(folder):
    import subprocess
    import sys

    add(folder, "a", trial(8), value("norm", 1.0))
    code = (
        "import sys; from genbench.runs.results import read_table; from genbench.runs.store import Folder; "
        f"assert len(read_table(Folder({str(folder.path)!r})).frame) == 1; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
