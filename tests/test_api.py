"""The suite from Python: run, table, rank, evaluate."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import TINY, fit_files

import genbench
from genbench.base.errors import InvalidInput, UsageError

pytestmark = pytest.mark.usefixtures("inline")


@pytest.fixture(scope="module")
def run(finished: Path) -> genbench.Run:
    return genbench.Run(finished)


def test_importing_genbench_imports_no_torch():
    code = "import sys, genbench; assert 'torch' not in sys.modules; assert genbench.run"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_public_names_are_there_and_an_unknown_one_is_an_attribute_error():
    for name in genbench.__all__:
        assert getattr(genbench, name) is not None
    with pytest.raises(AttributeError):
        genbench.runn  # type: ignore[attr-defined]


def test_run_does_what_the_command_does(tmp_path, tiny_suite, finished):
    run = genbench.run(str(tiny_suite), out=tmp_path / "run", workers=1)
    assert run.summary is not None
    assert (run.summary.trained, run.summary.measured, run.summary.is_complete) == (4, 4, True)
    assert run.table().equals(genbench.Run(finished).table())
    before = fit_files(tmp_path / "run")
    again = genbench.run(str(tiny_suite), out=tmp_path / "run")
    assert again.summary is not None
    assert again.summary.trained == again.summary.measured == 0
    assert fit_files(tmp_path / "run") == before


def test_the_default_folder_is_runs_and_the_name_of_the_suite(tmp_path, tiny_suite, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = genbench.run(str(tiny_suite), limit=1)
    assert run.folder.path == Path("runs/tiny")


def test_a_table_has_one_row_a_fit_with_axes_targets_and_measures(run):
    table = run.table()
    assert len(table) == 4
    assert list(table.columns[:3]) == ["key", "seed", "protocol.learning_rate"]
    assert {"gap", "test_error", "loss_gap", "stop_reason", "param_norm", "train_loss", "random"} <= set(
        table
    )
    assert table["gap"].to_list() == (table["test_error"] - table["train_error"]).to_list()
    assert table[["protocol.learning_rate", "seed"]].apply(tuple, axis=1).is_monotonic_increasing
    assert list(table.columns).count("train_loss") == 1


def test_a_run_ranks_its_measures(run):
    board = run.rank("gap", bootstrap=20)
    assert {row["measure"] for row in board.rows} == {"param_norm", "train_loss"}
    assert "random" in {row["measure"] for row in board.controls}
    assert board.target == "gap"
    by_error = run.rank("test_error", axes=["learning_rate"], bootstrap=20)
    assert list(by_error.axes) == ["protocol.learning_rate"]


def test_any_table_can_be_ranked(run):
    table = run.table()
    board = genbench.rank(
        table, measures=["param_norm"], target="gap", axes=["protocol.learning_rate"],
        directions={"param_norm": "-"}, bootstrap=20,
    )  # fmt: skip
    assert [row["measure"] for row in board.rows] == ["param_norm"]
    assert board["param_norm"]["direction"] == "-"


def test_a_table_warns_of_damaged_records_that_it_leaves_out(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    run = genbench.Run(tmp_path / "run")
    first = run.folder.fit_keys()[0]
    (tmp_path / "run" / "fits" / first / "fit.json").write_text("{")
    with pytest.warns(UserWarning, match="is damaged"):
        table = run.table()
    assert len(table) == 3


def test_wrong_input_raises_before_anything_trains(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'digits'"):
        genbench.run("digts", out=tmp_path / "run")
    (tmp_path / "bad.toml").write_text(TINY.replace("width = 8", "width = 0").replace("0.03", "-1"))
    with pytest.raises(InvalidInput) as caught:
        genbench.run(str(tmp_path / "bad.toml"), out=tmp_path / "run")
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "run").exists()
    with pytest.raises(InvalidInput, match="not a run folder"):
        genbench.Run(tmp_path).table()
