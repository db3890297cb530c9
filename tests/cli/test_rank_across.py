"""``genbench rank`` of several runs and tables, its intervals, and what it tells about larger grids."""

import contextlib
import csv
import io
import shutil
from pathlib import Path

import pytest
from ranking.tables import planted
from running import command
from terminals import Terminal, plain

from genbench.cli import main

MADE = Path(__file__).parents[1] / "runs" / "made_by_0_1_0" / "run"


@pytest.fixture
def tables(tmp_path):
    paths = []
    for place, name in enumerate(("one", "two", "three")):
        table = planted(seed=place).rename(
            columns=lambda each: each.replace("a", "model.a", 1) if each[0] == "a" else each
        )
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        paths.append(tmp_path / f"{name}.csv")
    return paths


FEW = ("--statistics", "psi", "--bootstrap", 20, "--direction", "+")


def test_several_tables_are_summarized(tables):
    ended = command("rank", *tables, *FEW)
    assert ended.code == 0, ended.err
    assert "3 suites: which measure predicts the gap?" in ended.out
    assert "perfect" in ended.out
    assert "- Of " in ended.out


@pytest.mark.slow
def test_the_summary_has_forms_for_programs(tables):
    found = command("rank", *tables, *FEW, "--json").json
    assert found["suites"] == ["one", "two", "three"]
    assert found["rows"][0]["measure"] == "perfect"
    rows = list(csv.DictReader(io.StringIO(command("rank", *tables, *FEW, "--csv").out)))
    assert [row["measure"] for row in rows] == [row["measure"] for row in found["rows"]]
    assert "| perfect |" in command("rank", *tables, *FEW, "--markdown").out
    assert command("rank", *tables, *FEW, "--latex").code == 2


def test_runs_and_tables_mix_and_two_of_one_name_keep_their_paths(tables, tmp_path):
    run = shutil.copytree(MADE, tmp_path / "run")
    (tmp_path / "other").mkdir()
    again = shutil.copy(tables[0], tmp_path / "other" / "one.csv")
    ended = command("rank", run, tables[0], again, *FEW, "--json")
    assert ended.code == 0, ended.err
    assert any(name.startswith("one (") for name in ended.json["suites"])
    assert all(row["missing"] for row in ended.json["rows"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--why", "perfect"], "one run at a time"),
        (["--design"], "one run at a time"),
        (["--columns", "psi"], "one run at a time"),
    ],
)
def test_what_is_for_one_run_says_so(tables, words, says):
    ended = command("rank", *tables, *words)
    assert ended.code == 2
    assert says in ended.err


def test_a_terminal_gets_whole_numbers_as_far_as_there_is_room(tables, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with contextlib.redirect_stdout(Terminal()) as screen, pytest.raises(SystemExit):
        main(["rank", *map(str, tables), *map(str, FEW), "--top", "3"])
    lines = plain(screen.getvalue()).splitlines()
    assert max(map(len, lines)) <= 60
    header = next(line.split() for line in lines if line.split()[:1] == ["measure"])
    assert header[:3] == ["measure", "rank", "mean"]
    assert any(line.startswith(" perfect ") and "+1.000" in line for line in lines)
    assert "no room for: " in screen.getvalue()
    assert "and 3 more measures: --all shows them" in screen.getvalue()
    assert any(line.startswith("- Over 3 suites") for line in lines)


def test_the_same_run_twice_is_refused(tables):
    ended = command("rank", tables[0], tables[1], tables[0])
    assert ended.code == 2
    assert "is given twice" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_table_that_cannot_be_ranked_is_named(tables):
    words = tables[1].read_text().replace("gap", "gaps", 1)
    tables[1].write_text(words)
    ended = command("rank", *tables, *FEW)
    assert ended.code == 3
    assert ended.err.splitlines() == [
        f"genbench: {tables[1]}: the table has no target column 'gap' and no test_error and train_error to "
        "compute it from; did you mean 'gaps'?"
    ]


def test_an_interval_is_chosen_and_named(tables):
    text = command("rank", tables[0], *FEW).out
    assert "the same grid, trained again with new seeds" in text
    text = command("rank", tables[0], *FEW, "--interval", "configurations").out
    assert "other configurations, drawn like these, and new seeds" in text
    ended = command("rank", tables[0], *FEW, "--interval", "retrainin")
    assert ended.code != 0
    assert "did you mean 'retraining'" in ended.err


def test_without_intervals_nothing_is_said_to_be_told_apart(tables):
    found = command("rank", tables[0], "--bootstrap", 0, "--direction", "+", "--json").json
    assert found["summary"]["pairs"]["apart"] is None
    assert found["summary"]["interval"] is None


def test_a_design_says_what_would_help(tables):
    ended = command("rank", tables[0], *FEW, "--design")
    assert ended.code == 0, ended.err
    assert "twice the seeds" in ended.out
    assert "At twice the cost" in ended.out
    rows = command("rank", tables[0], *FEW, "--design", "--json").json
    assert rows[0]["design"] == "as it is"


def test_a_design_that_changes_nothing_says_so(tables):
    ended = command("rank", tables[0], *FEW, "--measures", "perfect,noise", "--design")
    assert "Of 1 pair of measures 1 are told apart" in ended.out
    assert "Nothing at twice the cost can be expected to tell more pairs apart." in ended.out


def test_a_plan_tells_what_an_earlier_run_lets_expect(tmp_path):
    run = shutil.copytree(MADE, tmp_path / "run")
    ended = command("plan", "--suite", run / "suite.toml", "--out", run)
    assert ended.code == 0, ended.err
    assert "this grid can be expected to tell" in ended.out
    wider = command("plan", "--suite", run / "suite.toml", "--out", tmp_path / "none", "--json")
    assert wider.json["expected_apart"] is None
