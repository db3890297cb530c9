"""`genbench claims` on a run, and the test history that some claims are about."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from running import TINY, command

from genbench.claims.evidence import history_columns, read_evidence
from genbench.runs.results import read_table
from genbench.runs.store import Folder

pytestmark = pytest.mark.usefixtures("inline")

CLAIMS = """
[[claim]]
id = "small-steps"
text = "Small steps generalize better."
paper = "Nobody 2020"
place = "Table 1"
statistic = "difference"
column = "test_error"
arm = { learning_rate = 0.03 }
against = { learning_rate = 0.1 }
expect = "lower"
seeds = 2

[[claim]]
id = "too-few"
text = "Networks learn something."
paper = "Nobody 2020"
place = "section 2"
statistic = "fraction"
column = "best_test_error"
below = 0.89
expect = "higher"
"""
SUITE = TINY.replace("targets =", 'keep = ["initial", "final", "test_history"]\ntargets =')


@pytest.fixture(scope="module")
def folder(cache, tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("claims")


@pytest.fixture
def run(folder, cache, inline) -> Path:
    """A run of a suite with claims that keeps the test history; trained once."""
    (folder / "suite.toml").write_text(SUITE + CLAIMS)
    if not (folder / "run").exists():
        ended = command("run", "--suite", folder / "suite.toml", "--out", folder / "run", "--workers", 1)
        assert ended.code == 0, ended.err
        assert "has the verdicts on 2 claims" in ended.err
    return folder / "run"


def test_the_verdicts_of_a_run(run):
    found = {each["id"]: each for each in command("claims", run, "--json").json["claims"]}
    assert found["small-steps"]["seeds"] == 2
    assert found["small-steps"]["verdict"] in ("reproduced", "not reproduced")
    assert found["small-steps"]["best"] is not None
    assert found["too-few"]["verdict"] == "not tested here"
    assert found["too-few"]["reason"] == "2 of at least 5 seeds have a value"


def test_the_same_verdicts_in_markdown_and_on_a_terminal(run):
    for form in ([], ["--markdown"]):
        ended = command("claims", run, *form)
        assert ended.code == 0
        assert "small-steps" in ended.out
        assert "2 claims: " in ended.out


def test_claims_may_be_those_of_another_suite_file(run, tmp_path):
    (tmp_path / "newer.toml").write_text(SUITE + CLAIMS.replace('"small-steps"', '"newer"'))
    ended = command("claims", run, "--suite", tmp_path / "newer.toml", "--json")
    assert [each["id"] for each in ended.json["claims"]] == ["newer", "too-few"]


def test_a_run_without_claims_has_none(finished):
    assert command("claims", finished).out.strip().endswith("no claims")


def test_damaged_claims_of_a_run_are_said(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    text = (copy / "suite.toml").read_text()
    (copy / "suite.toml").write_text(text.replace('"difference"', '"differnce"'))
    ended = command("claims", copy)
    assert ended.code == 3
    assert "did you mean 'difference'" in ended.err


def test_the_report_has_the_verdicts(run, tmp_path):
    ended = command("report", run, "--json")
    (table,) = (each for each in ended.json["tables"] if each["id"] == "claims")
    assert [row[0] for row in table["rows"]] == ["small-steps", "too-few"]


def test_the_test_history_stands_apart_and_training_is_the_same_without(run, finished):
    """The suite of `finished` is this one without the test history: fits have the same keys and bits."""
    there, here = Folder(finished), Folder(run)
    assert here.fit_keys() == there.fit_keys()
    for key in here.fit_keys():
        one, other = here.fit(key).record, there.fit(key).record
        assert one["history"] == other["history"]
        assert (one["test_error"], one["train_loss"]) == (other["test_error"], other["train_loss"])
        assert "test_history" not in other
        columns = one["test_history"]
        assert columns["epoch"] == one["history"]["epoch"]
        assert (columns["test_error"][-1], columns["test_loss"][-1]) == (one["test_error"], one["test_loss"])


def test_columns_of_the_test_history(run):
    found = read_evidence(read_table(Folder(run)))
    for row, key in enumerate(sorted(Folder(run).fit_keys())):
        record = Folder(run).fit(key).record
        best = min(record["test_history"]["test_loss"][1:])
        assert best in found.columns["best_test_loss"], row
    assert (found.columns["test_loss_rise"] >= 0).all()


def test_the_untrained_network_is_no_epoch_and_lost_rows_do_not_count():
    history = {"test_error": [0.1, 0.6, None, 0.4, 0.5], "test_loss": [0.0, 3.0, None, 1.0, 2.0]}
    found = history_columns({"test_history": history, "test_error": 0.5, "test_loss": 2.0})
    assert found == pytest.approx(
        {"best_test_error": 0.4, "test_error_rise": 0.1, "best_test_loss": 1.0, "test_loss_rise": 1.0}
    )
    assert history_columns({"test_error": 0.5, "test_loss": 2.0}) == {}


def test_a_fit_that_diverged_has_no_value(run, tmp_path):
    shutil.copy(run / "suite.toml", tmp_path)
    for number, key in enumerate(Folder(run).fit_keys()):
        record = Folder(run).fit(key).record
        ended = {"stop_reason": "diverged"} if number == 0 else {}
        Folder(tmp_path).write_fit(key, {**record, **ended}, {})
    found = read_evidence(read_table(Folder(tmp_path)))
    assert found.diverged.sum() == 1
    assert np.isnan(found.columns["test_error"]).tolist() == found.diverged.tolist()
    assert np.isnan(found.columns["best_test_loss"]).tolist() == found.diverged.tolist()
