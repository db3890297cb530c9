"""The second table of a run: behind the ranking, with `rank --regularizers`, and in the report."""

import pytest
from running import TINY, command

from genbench.runs.regularizers import has_alternatives
from genbench.runs.results import read_table
from genbench.runs.store import Folder

pytestmark = pytest.mark.usefixtures("inline")

SUITE = TINY.replace(
    "seeds =", 'regularizers = [["none"], [{ name = "weight-decay", strength = [0.001, 0.1] }]]\nseeds ='
)
NAMES = {"none", "weight-decay[strength=0.001]", "weight-decay[strength=0.1]"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("regularizers")


@pytest.fixture
def run(folder, inline):
    (folder / "suite.toml").write_text(SUITE)
    if not (folder / "run").exists():
        ended = command("run", "--suite", folder / "suite.toml", "--out", folder / "run", "--workers", 1)
        assert ended.code == 0, ended.err
        assert "which regularizer helps?" in ended.out
        assert "weight-decay[strength=0.1]" in ended.out
    return folder / "run"


def test_each_level_of_a_hyperparameter_is_an_alternative_compared_with_none(run):
    found = command("rank", run, "--regularizers", "--json").json
    assert found["baseline"] == "none"
    assert {row["alternative"] for row in found["rows"]} == NAMES
    assert {row["target"] for row in found["rows"]} == {"test_error", "gap", "loss_gap"}
    frame = read_table(Folder(run)).frame
    errors = {
        (row["regularizers.weight-decay.strength"], row["protocol.learning_rate"], row["seed"]): row["gap"]
        for _, row in frame.iterrows()
    }
    pairs = [(rate, seed) for rate in (0.03, 0.1) for seed in (0, 1)]
    expected = sum(errors[0.1, *pair] - errors["-", *pair] for pair in pairs) / 4
    (row,) = (
        each
        for each in found["rows"]
        if each["alternative"] == "weight-decay[strength=0.1]" and each["target"] == "gap"
    )
    assert row["difference"] == pytest.approx(expected)
    assert row["pairs"] == 4


def test_run_in_json_has_both_tables(run, folder):
    ended = command("run", "--suite", folder / "suite.toml", "--out", run, "--workers", 1, "--json")
    assert {row["alternative"] for row in ended.json["regularizers"]["rows"]} == NAMES
    assert ended.json["rows"]


def test_the_report_has_it(run):
    (table,) = (t for t in command("report", run, "--json").json["tables"] if t["id"] == "regularizers")
    assert {row[0] for row in table["rows"]} == NAMES


@pytest.mark.parametrize("form", [[], ["--markdown"]])
def test_text_and_markdown(run, form):
    ended = command("rank", run, "--regularizers", *form)
    assert ended.code == 0
    assert all(name in ended.out for name in NAMES)


def test_a_run_with_one_alternative_has_none(finished):
    assert not has_alternatives(read_table(Folder(finished)))
    ended = command("rank", finished, "--regularizers")
    assert ended.code == 3
    assert "one alternative only" in ended.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [(("--csv",), "--regularizers has no csv form"), ((), "--regularizers is for run folders")],
)
def test_what_it_cannot_do_is_said(run, tmp_path, words, reason):
    source = run if words else tmp_path / "table.csv"
    ended = command("rank", source, "--regularizers", *words)
    assert ended.code == 2
    assert reason in ended.err
