"""Reruns: the same bits on the same class of machine, a stated tolerance elsewhere, a written attestation."""

from __future__ import annotations

import itertools
import json
import shutil

import pytest
from leaderboard.lines import edit
from running import command

from genbench.base.canonical import digest
from genbench.leaderboard.agreement import EXACT, LOOSE
from genbench.leaderboard.build import read_leaderboard
from genbench.leaderboard.draws import chosen_fits, drawn_seed, leaderboard_of, leaderboard_state
from genbench.leaderboard.entry import read_entry

pytestmark = pytest.mark.usefixtures("inline")


def test_a_rerun_agrees_bit_for_bit_and_is_attested_and_signed(root, keys):
    entry = root / "entries" / "tiny-alice"
    ended = command(
        "leaderboard", "reproduce", entry, "--sample", 3, "--key", keys["carol"], "--attester", "Carol"
    )
    assert ended.code == 0, ended.err
    assert "on the same class of machine: equal bits are expected" in ended.out
    assert "9 of 9 values of measures agree" in ended.out
    assert ended.out.endswith("with this alone the entry is spot-checked\n")
    (path,) = entry.glob("attestation-*.json")
    written = json.loads(path.read_text())
    assert f"seed {written['seed']}, of the entry's records {written['records'][:12]}" in ended.out
    assert (written["attester"], written["agrees"], len(written["fits"])) == ("Carol", True, 3)
    assert all(each["recorded"] == each["found"] for fit in written["fits"] for each in fit["outcome"])
    assert written["seed"] == drawn_seed(written["records"], written["state"], written["draw"])
    assert command("leaderboard", "validate", entry).code == 0
    (described,) = read_leaderboard(root, bootstrap=0)["tables"][0]["entries"]
    assert (described["badge"], described["rerun"], described["attesters"]) == ("spot-checked", 3, ["carol"])


def test_a_rerun_that_nobody_signs_says_so(entry):
    ended = command("leaderboard", "reproduce", entry, "--sample", 4)
    assert ended.code == 0, ended.err
    assert "counts for nothing: it is not signed" in ended.err
    assert ended.out.endswith("with this alone the entry is self-reported\n")


@pytest.mark.parametrize("kind", ["no file", "no key", "no program"])
def test_a_key_that_cannot_sign_is_told_before_anything_is_trained(entry, keys, tmp_path, monkeypatch, kind):
    key = {"no file": tmp_path / "nowhere", "no key": entry / "suite.toml"}.get(kind, keys["carol"])
    if kind == "no program":
        monkeypatch.setenv("PATH", str(tmp_path))
    ended = command("leaderboard", "reproduce", entry, "--key", key)
    assert ended.code == 3
    assert ended.err.startswith(f"genbench: --key {key}: ")
    assert len(ended.err.splitlines()) == 1
    assert not list(entry.glob("attestation-*"))


def test_a_number_that_was_made_up_is_found(entry):
    def invented(line):
        if line["measure"] == "param_norm":
            line["value"] *= 1 + 1e-9

    edit(entry / "values.jsonl", invented)
    assert command("leaderboard", "validate", entry).code == 0  # nothing that can be seen without a rerun
    ended = command("leaderboard", "reproduce", entry, "--sample", 1, "--json")
    assert ended.code == 1
    assert ended.json["badge"] == "self-reported"  # nobody signed it
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
    assert chosen_fits(found.fits, 2, 7) == chosen_fits(found.fits, 2, 7)
    assert {tuple(chosen_fits(found.fits, 1, seed)) for seed in range(40)} == {(key,) for key in found.fits}
    assert chosen_fits(found.fits, 99, 0) == sorted(found.fits)


def test_the_seed_depends_on_the_entry_on_the_others_and_on_who_draws(root, packed):
    entry = root / "entries" / "tiny-alice"
    alone = leaderboard_state(root, entry)
    assert leaderboard_state(None, entry) == alone  # nothing beside it either
    shutil.copytree(packed, root / "entries" / "tiny-bob")
    beside = leaderboard_state(root, entry)
    (root / "entries" / "no-entry").mkdir()
    assert leaderboard_state(root, entry) == beside != alone
    assert leaderboard_of(entry) == root
    assert leaderboard_of(packed) is None
    seeds = {drawn_seed(*each) for each in itertools.product(["a", "b"], [alone, beside], ["", "signature"])}
    assert len(seeds) == 8


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
