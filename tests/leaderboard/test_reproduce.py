"""Reruns: the same bits on the same class of machine, a stated tolerance elsewhere, a written attestation."""

from __future__ import annotations

import json

import pytest
from leaderboard.lines import edit
from running import command

from genbench.base.canonical import digest
from genbench.leaderboard.entry import read_entry
from genbench.leaderboard.reproduce import EXACT, LOOSE, chosen_fits

pytestmark = pytest.mark.usefixtures("inline")


def test_a_rerun_agrees_bit_for_bit_and_is_attested(entry):
    ended = command("leaderboard", "reproduce", entry, "--sample", 2, "--seed", 5, "--attester", "carol")
    assert ended.code == 0, ended.err
    assert "on the same class of machine: equal bits are expected" in ended.out
    assert "6 of 6 values of measures agree" in ended.out
    (path,) = entry.glob("attestation-*.json")
    written = json.loads(path.read_text())
    assert (written["attester"], written["agrees"], len(written["fits"])) == ("carol", True, 2)
    assert all(each["recorded"] == each["found"] for fit in written["fits"] for each in fit["outcome"])
    ended = command("leaderboard", "validate", entry)
    assert ended.code == 0, ended.err


def test_a_number_that_was_made_up_is_found(entry):
    def invented(line):
        if line["measure"] == "param_norm":
            line["value"] *= 1 + 1e-9

    edit(entry / "values.jsonl", invented)
    assert command("leaderboard", "validate", entry).code == 0  # nothing that can be seen without a rerun
    ended = command("leaderboard", "reproduce", entry, "--sample", 1, "--json")
    assert ended.code == 1
    differing = [each["name"] for each in ended.json["fits"][0]["values"] if not each["agrees"]]
    assert differing == ["param_norm"]


def test_another_machine_is_told_from_this_one_and_measured_with_tolerance(entry):
    hashes = {}

    def elsewhere(line):
        old = line["hash"]
        line["content"]["processor"] = "another processor"
        line["hash"] = hashes[old] = digest(line["content"])

    edit(entry / "environments.jsonl", elsewhere)
    edit(entry / "fits.jsonl", lambda line: line.update(environment=hashes[line["environment"]]))
    ended = command("leaderboard", "reproduce", entry, "--sample", 1, "--json")
    assert ended.code == 0, ended.err
    assert ended.json["same_machine_class"] is False
    assert ended.json["tolerance"] == {"error": 0.03, "relative": 0.25, "share_of_values": 0.9}


def test_an_entry_with_a_fault_is_not_rerun(entry):
    edit(entry / "fits.jsonl", lambda line: line.update(gap=0.5), which=0)
    ended = command("leaderboard", "reproduce", entry)
    assert ended.code == 3
    assert "gap: is 0.5" in ended.err
    assert not list(entry.glob("attestation-*"))


def test_which_fits_are_rerun_depends_on_the_seed_alone(packed):
    found = read_entry(packed)[0]
    assert found is not None
    assert chosen_fits(found, 2, 7) == chosen_fits(found, 2, 7)
    assert {tuple(chosen_fits(found, 1, seed)) for seed in range(40)} == {(key,) for key in found.fits}
    assert chosen_fits(found, 99, 0) == sorted(found.fits)


@pytest.mark.parametrize(
    ("tolerance", "name", "recorded", "found", "agrees"),
    [
        (EXACT, "test_error", 0.1, 0.1, True),
        (EXACT, "test_error", 0.1, 0.1 + 1e-12, False),
        (EXACT, "margin", float("nan"), float("nan"), True),
        (EXACT, "margin", float("inf"), float("inf"), True),
        (LOOSE, "test_error", 0.10, 0.129, True),
        (LOOSE, "test_error", 0.10, 0.131, False),
        (LOOSE, "margin", 4.0, 3.1, True),
        (LOOSE, "margin", 4.0, 2.9, False),
        (LOOSE, "margin", 4.0, float("nan"), False),
    ],
)
def test_tolerances_are_what_they_say(tolerance, name, recorded, found, agrees):
    assert tolerance.agrees(name, recorded, found) is agrees
