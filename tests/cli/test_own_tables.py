"""``genbench rank`` on tables of one's own: an export is the run's ranking, nothing is assumed in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from running import command

import genbench.ranking as ranking
from genbench.ranking.files import read_file
from genbench.ranking.recognition import looks_like_a_result
from genbench.ranking.sidecar import beside

RANK = ("--axes", "lr,decay", "--target", "generalization_gap", "--bootstrap", 0)


def own_table(rows: int = 18) -> pd.DataFrame:
    """Networks of somebody else's grid: an identifier, results of other names, a clock, two measures."""
    random = np.random.default_rng(0)
    place = np.arange(rows)
    gap = 0.1 + 0.02 * (place % 3) - 0.01 * (place // 6) + 0.01 * random.normal(size=rows)
    return pd.DataFrame(
        {
            "run_id": random.permutation(rows) + 100,
            "lr": place % 3,
            "decay": place // 6,
            "generalization_gap": gap,
            "test_acc": 0.9 - gap,
            "clock": 12.5 * place + random.uniform(size=rows),
            "path_norm": gap + 0.01 * random.normal(size=rows),
            "my_norm": -gap + 0.01 * random.normal(size=rows),
        }
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    own_table().to_csv(tmp_path / "own.csv", index=False)
    return tmp_path / "own.csv"


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_an_export_ranks_as_the_run_does_to_the_byte(finished, tmp_path, ending):
    file = tmp_path / f"table.{ending}"
    assert command("export", finished, file).code == 0
    for form in ("--json", "--csv"):
        found = [command("rank", each, form, "--no-cost") for each in (finished, file)]
        assert found[0].out == found[1].out
        assert found[1].code == 0


def test_an_export_with_costs_ranks_with_them(finished, tmp_path):
    command("export", finished, tmp_path / "table.csv", "--costs")
    boards = [command("rank", each, "--json").json for each in (finished, tmp_path / "table.csv")]
    rows = [board["rows"] for board in boards]
    assert boards[0]["notes"] == boards[1]["notes"]
    assert [row["cost_seconds"] for row in rows[0]] == pytest.approx([row["cost_seconds"] for row in rows[1]])


def test_a_sidecar_speaks_only_of_the_columns_that_are_left(finished, tmp_path):
    file = tmp_path / "table.csv"
    command("export", finished, file)
    pd.read_csv(file).drop(columns="param_norm").to_csv(file, index=False)
    assert read_file(file).attrs["measures"] == ["train_loss"]


def test_a_column_that_is_added_to_an_export_is_ranked_with_the_others(finished, tmp_path):
    file = tmp_path / "table.csv"
    command("export", finished, file)
    table = pd.read_csv(file)
    table["mine"] = table["gap"] ** 2
    table.to_csv(file, index=False)
    ended = command("rank", file)
    assert (ended.code, "no direction is known of mine:" in ended.err) == (2, True)
    board = command("rank", file, "--direction", "mine=+", "--json").json
    assert {row["measure"] for row in board["rows"]} == {"param_norm", "train_loss", "mine"}
    assert not [each for each in board["notes"] if each.startswith("Columns not taken")]


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1}', '{"format": 2}'])
def test_a_sidecar_that_cannot_be_read_is_one_line(table, content):
    beside(table).write_text(content)
    ended = command("rank", table, *RANK)
    assert ended.code == 3
    assert "own.csv.about.json" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_directions_that_nobody_said_are_asked_for(table):
    ended = command("rank", table, *RANK)
    assert ended.code == 2
    assert "no direction is known of my_norm:" in ended.err
    assert "--direction NAME=-" in ended.err
    assert not ended.out


@pytest.mark.parametrize("words", [("--direction", "my_norm=-"), ("--directions", "signs.csv")])
def test_directions_that_are_said_count(table, words):
    (table.parent / "signs.csv").write_text("measure,direction\nmy_norm,-\n\nanother_norm, +\n")
    words = [table.parent / each if each.endswith(".csv") else each for each in words]
    board = command("rank", table, *RANK, *words, "--json")
    rows = {row["measure"]: row for row in board.json["rows"]}
    assert {name: row["direction"] for name, row in rows.items()} == {"my_norm": "-", "path_norm": "+"}
    assert rows["path_norm"]["family"] == "path"
    assert rows["my_norm"]["rank_low"] is not None
    said = "Known by their names, with direction and family ('genbench show'): path_norm."
    assert said in board.json["notes"]


def test_a_sign_alone_is_for_all_others_and_is_said(table):
    board = command("rank", table, *RANK, "--direction", "?", "--direction", "path_norm=?", "--json").json
    assert [row["rank_low"] for row in board["rows"]] == [None, None]
    sizes = [abs(row["psi"]) for row in board["rows"]]
    assert sizes == sorted(sizes, reverse=True)
    assert "No direction given, so no rank, ordered by the size of the score: my_norm." in board["notes"]
    text = command("rank", table, *RANK, "--direction", "?", "--direction", "path_norm=?").out
    assert "the largest scores for the generalization_gap, whatever their sign, are those of " in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--direction", "my_nrom=-"), "did you mean 'my_norm'"),
        (("--direction", "my_norm"), "--direction my_norm: it is NAME=+"),
        (("--direction", "=-"), "--direction =-: it is NAME=+"),
        (("--directions", "absent.csv"), "absent.csv: cannot be read"),
        (("--directions", "own.csv"), "own.csv: line 1: a measure and +, - or ? are expected"),
    ],
)
def test_wrong_directions_are_one_line(table, monkeypatch, words, said):
    monkeypatch.chdir(table.parent)
    ended = command("rank", table, *RANK, *words)
    assert ended.code in (2, 3)
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_run_has_directions_of_its_own(finished):
    ended = command("rank", finished, "--direction", "param_norm=-")
    assert ended.code == 2
    assert "the measures of a run have theirs" in ended.err


def test_what_is_no_measure_is_named_with_the_reason(table):
    board = command("rank", table, *RANK, "--direction", "my_norm=-", "--json").json
    (note,) = [each for each in board["notes"] if each.startswith("Columns not taken")]
    for part in ("run_id (an identifier", "test_acc (a result", "clock (it grows from row to row"):
        assert part in note
    assert {row["measure"] for row in board["rows"]} == {"my_norm", "path_norm"}


def test_what_is_named_is_ranked_whatever_it_looks_like(table):
    named = command(
        "rank", table, *RANK, "--measures", "clock,run_id,my_norm", "--direction", "+", "--json"
    ).json  # fmt: skip
    assert {row["measure"] for row in named["rows"]} == {"clock", "run_id", "my_norm"}
    said = ("--direction", "clock=+", "--direction", "my_norm=-")
    rows = command("rank", table, *RANK, *said, "--json").json["rows"]
    assert {row["measure"] for row in rows} == {"clock", "my_norm", "path_norm"}


def test_a_table_sorted_by_its_target_loses_no_measure_that_grows_with_it():
    table = own_table().sort_values("generalization_gap", ignore_index=True)
    table["monotone"] = np.exp(table["generalization_gap"])
    board = ranking.rank(table, target="generalization_gap", axes=["lr", "decay"], bootstrap=0)
    assert {row["measure"] for row in board.rows} >= {"monotone", "my_norm", "path_norm"}


def test_a_target_that_is_absent_is_answered_with_the_results_that_are_there(table):
    ended = command("rank", table, "--axes", "lr,decay")
    assert ended.code == 3
    assert "'generalization_gap', 'test_acc'" in ended.err


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("generalization_gap", True), ("test acc", True), ("valLoss", True), ("train-error", True),
        ("accuracy", True), ("gap", True), ("test_acc_top1", True), ("best_val_accuracy", True),
        ("final_loss", False), ("path_norm", False), ("margin_gap", False), ("loss_curvature", False),
        ("trained", False), ("training", True), ("top", False), ("", False),
    ],
)  # fmt: skip
def test_results_are_told_by_their_words(name, is_one):
    assert looks_like_a_result(name) is is_one


@pytest.mark.slow
def test_measures_that_are_called_as_columns_are_do_not_shadow_them(tmp_path, tiny_suite, inline):
    """`width` beside the axis ``model.width``, `train_error` beside the outcome, `random` beside the control."""
    text = tiny_suite.read_text().replace("width = 8", "width = [8, 12]").replace("0.1]", "0.05]")
    measures = '["width", "train_error", "random", "param_norm"]'
    text = text.replace('["param_norm", "train_loss", "random"]', measures)
    (tmp_path / "suite.toml").write_text(text)
    assert (
        command("run", "--suite", tmp_path / "suite.toml", "--out", tmp_path / "run", "--workers", 1).code
        == 0
    )
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    command("export", tmp_path / "run", tmp_path / "table.csv")
    words = ("--axes", "model.width,protocol.learning_rate", "--bootstrap", 0, "--json", "--no-cost")
    boards = [command("rank", tmp_path / each, *words).json for each in ("run", "table.csv")]
    assert boards[0] == boards[1]
    rows = {row["measure"]: row for row in boards[0]["rows"]}
    assert set(rows) == {"width", "train_error", "param_norm"}
    assert rows["width"]["direction"] == "?"
    assert list(boards[0]["axes"]) == ["model.width", "protocol.learning_rate"]
    assert [row["measure"] for row in boards[0]["controls"]].count("random") == 1
    table = pd.read_csv(tmp_path / "table.csv")
    assert (table["width"] == table["model.width"]).all()
    about = json.loads(beside(tmp_path / "table.csv").read_text())
    assert "random" not in about["measures"]
