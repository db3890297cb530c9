"""A new measure over published fits: measured on the entry, packed alone, in the table of the suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from leaderboard.forging import forged
from leaderboard.lines import edit, read
from running import InlineProcess, command, fit_files

from genbench.executors.local import LocalExecutor
from genbench.leaderboard.build import read_leaderboard
from genbench.leaderboard.entry import read_entry
from genbench.leaderboard.joining import rival_faults

BASE, MINE = "tiny-alice", "tiny-mine"

PLUGIN = """\
import genbench


@genbench.measure(direction="+", family="norms", cost="A")
def widest(layers):
    \"\"\"The largest number of rows of a layer's matrix.\"\"\"
    return float(max(each.matrix.shape[0] for each in layers)) + float(layers[0].matrix.abs().sum())
"""


@pytest.fixture(scope="module")
def joined(finished, tmp_path_factory) -> Path:
    """A leaderboard of an entry and one of a new measure on its fits, by way of the archive; not to be changed."""
    folder = tmp_path_factory.mktemp("joined")
    entries = folder / "leaderboard" / "entries"
    plugin = folder / "mine.py"
    plugin.write_text(PLUGIN)
    ended = command(
        "leaderboard", "pack", finished, "--out", entries / BASE, "--submitter", "alice", "--weights"
    )
    assert ended.code == 0, ended.err
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(LocalExecutor, "worker", InlineProcess)
        ended = command(
            "measure", entries / BASE, "--measures", "mine:widest", "--plugin", plugin, "--workers", 1
        )
    assert ended.code == 0, ended.err
    assert f"its 4 fits are in 'runs/{BASE}'" in ended.err
    ended = command(
        "leaderboard", "pack", folder / "runs" / BASE, "--out", entries / MINE, "--submitter", "me",
        "--joins", entries / BASE, "--plugin", plugin,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    return folder / "leaderboard"


@pytest.fixture
def root(joined, tmp_path) -> Path:
    """The same to be changed."""
    return Path(shutil.copytree(joined, tmp_path / "leaderboard"))


def test_an_entry_that_joins_has_the_new_measure_and_the_same_fits(joined):
    entries = joined / "entries"
    assert {each["measure"] for each in read(entries / MINE / "measures.jsonl")} == {"mine:widest"}
    assert len(read(entries / MINE / "values.jsonl")) == 4
    assert (entries / MINE / "fits.jsonl").read_bytes() == (entries / BASE / "fits.jsonl").read_bytes()
    ended = command("leaderboard", "validate", entries / MINE)
    assert ended.code == 0, ended.err
    assert "sound and complete" in ended.out


def test_the_new_measure_stands_in_the_table_beside_the_others(joined):
    (table,) = read_leaderboard(joined, bootstrap=0)["tables"]
    assert [each["name"] for each in table["entries"]] == [BASE, MINE]
    assert table["entries"][1]["joins"] == BASE
    assert table["below"] == []
    rows = {row["measure"]: row for row in table["targets"]["gap"]["rows"]}
    assert {"mine:widest", "param_norm", "train_loss"} <= rows.keys()
    assert rows["mine:widest"]["n"] == rows["param_norm"]["n"] == 4
    assert table["measures"]["mine:widest"]["entries"] == [MINE]
    assert table["measures"]["param_norm"]["entries"] == [BASE]


def test_the_others_rank_as_they_did_without_it(joined, root):
    shutil.rmtree(root / "entries" / MINE)
    (alone,) = read_leaderboard(root, bootstrap=0)["tables"]
    (both,) = read_leaderboard(joined, bootstrap=0)["tables"]
    assert alone["data"] == both["data"]
    scores = [
        {row["measure"]: row["score"] for row in each["targets"]["gap"]["rows"] if row["group"] != "control"}
        for each in (alone, both)
    ]
    assert scores[0].items() <= scores[1].items()


@pytest.mark.usefixtures("inline")
def test_a_suite_run_where_its_fits_were_fetched_trains_nothing_and_ranks_the_new_beside_the_old(
    joined, tiny_suite, tmp_path
):
    (tmp_path / "mine.py").write_text(PLUGIN)
    run = tmp_path / "run"
    assert command("leaderboard", "fetch", joined / "entries" / BASE, "--out", run).code == 0
    before = fit_files(run)
    ended = command(
        "run", "--suite", tiny_suite, "--out", run, "--measures", "mine:widest",
        "--plugin", tmp_path / "mine.py", "--workers", 1, "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert fit_files(run) == before
    ranked = command("rank", run, "--bootstrap", 0, "--json").json["rows"]
    assert {row["measure"]: row["n"] for row in ranked} == {
        "mine:widest": 4, "param_norm": 4, "train_loss": 4,
    }  # fmt: skip


def refused(root: Path) -> list[str]:
    ended = command("leaderboard", "build", root, "--bootstrap", 100)
    assert ended.code == 3, ended.out
    return [line.removeprefix("genbench: ") for line in ended.err.splitlines()]


def test_fits_of_another_outcome_are_refused_by_name(root):
    key = read(root / "entries" / MINE / "fits.jsonl")[0]["key"]

    def otherwise(line):
        line["test_error"] += 1 / line["test_examples"]
        line["gap"] = line["test_error"] - line["train_error"]

    edit(root / "entries" / MINE / "fits.jsonl", otherwise, 0)
    (line,) = refused(root)
    assert line.startswith(f"{MINE}: fits.jsonl: {key}: test_error is ")
    ended = command("leaderboard", "validate", root / "entries" / MINE)
    assert ended.code == 3
    assert "in entry 'tiny-alice' it is" in ended.err


def test_fewer_fits_are_refused(root):
    key = read(root / "entries" / MINE / "fits.jsonl")[0]["key"]
    edit(root / "entries" / MINE / "fits.jsonl", lambda line: False, 0)
    edit(root / "entries" / MINE / "values.jsonl", lambda line: line["fit"] != key)
    (line,) = refused(root)
    assert line == f"{MINE}: fits.jsonl: 1 fits are not in both this and entry 'tiny-alice': {key} ..."


def test_an_entry_that_is_joined_must_be_there(root, tmp_path):
    alone = shutil.move(root / "entries" / MINE, tmp_path / MINE)
    ended = command("leaderboard", "validate", alone)
    assert ended.code == 3
    assert ended.err == "genbench: entry.json: joins entry 'tiny-alice', which is not there or not sound\n"
    assert command("leaderboard", "validate", alone, "--entries", root / "entries").code == 0


def test_a_value_that_contradicts_is_refused_by_name(root, tmp_path):
    shutil.copytree(root / "entries" / BASE, root / "entries" / "tiny-bob")
    entry = root / "entries" / "tiny-bob" / "entry.json"
    entry.write_text(entry.read_text().replace('"genbench":', '"joins": "tiny-alice",\n "genbench":', 1))

    def invented(line):
        if line["measure"] == "param_norm":
            line["value"] += 1

    edit(root / "entries" / "tiny-bob" / "values.jsonl", invented)
    (line,) = refused(root)
    assert line.startswith("tiny-bob: values.jsonl: 'param_norm' of ")


def test_two_measures_of_one_name_and_version_are_refused_by_name(root):
    shutil.copytree(root / "entries" / MINE, root / "entries" / "tiny-other")

    def another(forgery):
        forgery.measures[0]["identity"]["measure"]["source"] = "0" * 16
        forgery.measures[0]["source"] = "0" * 16

    forged(root / "entries" / "tiny-other", another)
    (line,) = refused(root)
    assert line == (
        "tiny-other: measures.jsonl: 'mine:widest': entry 'tiny-mine' has another measure of this name in "
        "version 1; rename it, or raise its version"
    )


def test_who_joins_an_entry_that_joins_is_told_to_join_the_first(root, finished, tmp_path):
    ended = command(
        "leaderboard", "pack", finished, "--out", tmp_path / "e", "--joins", root / "entries" / MINE
    )
    assert ended.code == 3
    assert ended.err == "genbench: entry 'tiny-mine' itself joins 'tiny-alice'; join that one\n"


def test_nothing_new_is_nothing_to_join_with(root, finished, tmp_path):
    ended = command(
        "leaderboard", "pack", finished, "--out", tmp_path / "e", "--joins", root / "entries" / BASE
    )
    assert ended.code == 3
    assert "has every measure of this run" in ended.err
    assert not (tmp_path / "e").exists()


def test_an_entry_stands_below_the_line_with_the_incomplete_one_that_it_joins(root):
    edit(root / "entries" / BASE / "values.jsonl", lambda line: line["measure"] != "train_loss")
    (table,) = read_leaderboard(root, bootstrap=0)["tables"]
    assert table["entries"] == []
    reasons = {each["name"]: each["reasons"] for each in table["below"]}
    assert reasons[MINE] == ["entry 'tiny-alice', which it joins, is incomplete"]


def test_entries_that_join_nothing_have_no_rivals(packed):
    entry, _ = read_entry(packed)
    assert rival_faults([entry, entry]) == {}
