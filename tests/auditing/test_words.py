"""The tables that come with genbench, how they are written, and what commands print of them."""

import json

import pytest
from running import command

from genbench.auditing import stored
from genbench.auditing.networks import ARCHITECTURES, NETWORKS
from genbench.auditing.transformations import TRANSFORMATIONS
from genbench.auditing.words import change_in_words, repeatability_in_words


@pytest.mark.parametrize("audit", ["invariance", "repeatability", "cost"])
def test_a_table_comes_with_genbench_and_says_how_it_was_made(audit):
    table = stored.stored(audit)
    assert (table["audit"], table["format"]) == (audit, stored.FORMAT)
    assert {"genbench", "processor", "packages"} <= set(table["environment"])
    assert len(table["measures"]) > 20
    assert all(each["version"] >= 1 for each in table["measures"].values())


def test_the_table_of_invariances_has_every_network_and_change():
    table = stored.stored("invariance")
    assert set(table["networks"]) == {*NETWORKS, *ARCHITECTURES}
    assert set(table["changes"]) == set(TRANSFORMATIONS)


def test_a_table_is_one_line_for_each_measure(host):
    found = {"b": {"version": 1, "x": float("inf")}, "a": {"version": 2, "x": "é"}}
    text = stored.table_content("cost", {"network": "small"}, found, host).decode()
    assert json.loads(text)["measures"] == {"a": {"version": 2, "x": "é"}, "b": {"version": 1, "x": None}}
    assert text.splitlines()[-3:] == [
        ' "a": {"version": 2, "x": "é"},',
        ' "b": {"version": 1, "x": null}',
        "}}",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "–"),
        ({"verdict": "not applicable", "reason": "why"}, "–"),
        ({"verdict": "invariant"}, "invariant"),
        ({"verdict": "noise", "change": 0.2}, "within noise"),
        ({"verdict": "moves", "change": 0.352}, "+35 %"),
        ({"verdict": "moves", "change": -0.0123}, "-1.2 %"),
        ({"verdict": "moves", "change": 119.0}, "× 120"),
        ({"verdict": "moves", "reason": "no value behind it: why"}, "moves"),
    ],
)
def test_a_change_is_a_word(change, words):
    assert change_in_words(change) == words


def test_repeatability_is_a_line():
    found = {"suite": "digits", "fits": 8, "repeats": 3, "largest_ratio": 0.1, "ratio": 0.031, "icc": 0.999}
    where = "(digits, 8 fits, 3 seeds)"
    assert (
        repeatability_in_words(found) == f"spread across seeds 3.1 % of that across models {where}, ICC 0.999"
    )
    assert (
        repeatability_in_words({**found, "ratio": None}) == f"no spread across models to compare with {where}"
    )


def test_repeatability_of_a_run_is_printed_and_written(finished, tmp_path):
    ended = command("audit", "repeatability", finished, "--repeats", 2, "--measures", "random,train_loss")
    assert ended.code == 0
    assert "random" in ended.out
    assert "train_loss" not in ended.out
    out = tmp_path / "table.json"
    words = ["audit", "repeatability", finished, "--repeats", 2, "--measures", "random"]
    assert command(*words, "--out", out).code == 0
    assert json.loads(out.read_text()) == command(*words, "--json").json


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["invariance", "--measures", "parm_norm"], 3, "did you mean 'param_norm'?"),
        (["cost", "--out", "no/such/table.json"], 3, "there is no folder 'no/such'"),
        (["repeatability", "nowhere"], 3, "is not a run folder"),
        (["repeatability", "nowhere", "--measures", "param_norm"], 2, "none of these measures draws"),
        (["repeatability", "nowhere", "--repeats", "1"], 2, "--repeats"),
    ],
)
def test_what_cannot_be_audited_is_said_in_a_line(words, code, line):
    ended = command("audit", *words)
    assert ended.code == code
    assert line in ended.err
