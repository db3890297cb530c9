"""Badges: what somebody else signed counts, as far as it goes; whatever else claims to is told why it does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from running import command

from genbench.base.files import as_json
from genbench.base.outcomes import RESULTS
from genbench.leaderboard.badges import Badge, badge
from genbench.leaderboard.draws import chosen_fits, drawn_seed, to_sign
from genbench.leaderboard.entry import Entry, read_entry
from genbench.leaderboard.signing import sign

Change = Callable[[dict[str, Any]], Any]
STATE = "0" * 32


def read(root: Path) -> Entry:
    found, problems = read_entry(root / "entries" / "tiny-alice")
    assert found is not None, problems
    return found


def attested(entry: Entry, sample: int, draw: str = "", **changed: Any) -> dict[str, Any]:
    """What a rerun of some fits that came out to the bit says."""
    seed = drawn_seed(entry.digest, STATE, draw)

    def same(name: str, number: float | None) -> dict[str, Any]:
        return {"name": name, "recorded": number, "found": number, "agrees": True}

    return {
        "format": 1, "records": entry.digest, "attester": "anybody", "state": STATE, "draw": draw, "seed": seed,
        "sample": sample, "same_machine_class": True, "tolerance": {"error": 0.0}, "environment": {},
        "left_out": [], "agrees": True,
        "fits": [
            {
                "key": key,
                "outcome": [same(name, entry.fits[key][name]) for name in RESULTS],
                "values": [same(name, each["value"]) for name, each in entry.values[key].items()],
            }
            for key in chosen_fits(entry.fits, sample, seed)
        ],
    } | changed  # fmt: skip


def attest(
    root: Path,
    key: Path | None,
    sample: int,
    change: Change = lambda content: None,
    *,
    drawn_by: Path | None = None,
) -> Badge:
    """Write an attestation into the entry, signed; the badge that the entry has then."""
    entry = read(root)
    drawn_by = drawn_by or key
    draw = sign(to_sign(entry.digest, STATE), drawn_by) if drawn_by else ""
    content = attested(entry, sample, draw)
    change(content)
    text = as_json(content)
    number = len(list((root / "entries" / "tiny-alice").glob("*.json")))
    path = root / "entries" / "tiny-alice" / f"attestation-{number:012}.json"
    path.write_bytes(text)
    if key is not None:
        path.with_name(f"{path.name}.sig").write_text(sign(text, key))
    return badge(read(root), root)


def unlike(content: dict[str, Any], what: str, number: int, by: float) -> None:
    pair = content["fits"][number][what][0]
    pair.update(found=pair["recorded"] + by, agrees=False)


def elsewhere(content: dict[str, Any]) -> None:
    """As a rerun on another class of machine finds it: nearly the same numbers."""
    content["same_machine_class"] = False
    for fit in content["fits"]:
        fit["outcome"][0].update(found=fit["outcome"][0]["recorded"] * 1.01)


def test_of_an_entry_that_nobody_reran_its_own_word_is_all(root):
    assert badge(read(root), root) == Badge("self-reported")


@pytest.mark.parametrize(("sample", "word"), [(3, "spot-checked"), (4, "reproduced"), (99, "reproduced")])
def test_what_somebody_else_signed_earns_a_badge(root, keys, sample, word):
    assert attest(root, keys["carol"], sample) == Badge(word, min(sample, 4), ("carol",))


def test_badge_number_and_name_stand_in_the_tables(root, keys):
    attest(root, keys["carol"], 3)
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    for file in ("README.md", "index.html"):
        head = (root / file).read_text().partition("How to read")[0]
        assert "spot-checked" in head
        assert "3 of 4 fits" in head
        assert "carol" in head


def test_several_reruns_add_up(root, keys):
    attest(root, keys["carol"], 3)
    assert attest(root, keys["dave"], 4) == Badge("reproduced", 4, ("carol", "dave"))


def test_a_rerun_that_came_out_otherwise_stays(root, keys):
    attest(root, keys["carol"], 4)
    found = attest(
        root,
        keys["dave"],
        4,
        lambda content: unlike(content, "outcome", 1, 1e-9) or content.update(agrees=False),
    )
    assert (found.word, found.fits, found.by) == ("not reproduced", 0, ("dave",))
    assert "signed by 'dave': what was rerun came out otherwise" in found.lines[0]


def says(word: str) -> Change:
    return lambda content: content.update({word: content[word] + 1})


def another_choice(content: dict[str, Any]) -> None:
    content["fits"] = content["fits"][:-1]


FORGED: Mapping[str, tuple[str | None, str | None, Change, str]] = {
    "unsigned": (None, None, lambda content: None, "it is not signed"),
    "unknown key": ("mallory", None, lambda content: None, "it is signed by no key of keys/allowed_signers"),
    "the submitter's key": ("alice", None, lambda content: None, "it is signed by the submitter"),
    "another's draw": ("carol", "dave", lambda content: None, "it has a draw that somebody else signed"),
    "a draw of nobody": ("carol", "mallory", lambda content: None, "it is signed by no key"),
    "no draw": ("carol", None, lambda content: content.update(draw=""), "says nothing of how its fits were drawn"),
    "another seed": ("carol", None, says("seed"), "it has another seed than its draw"),
    "another state": ("carol", None, lambda content: content.update(state="1" * 32), "is signed, but not as it stands here"),
    "fewer fits": ("carol", None, another_choice, "it is not of the fits that its seed draws"),
    "another sample": ("carol", None, says("sample"), "it is not of the fits that its seed draws"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGED)
def test_whoever_claims_a_badge_without_having_earned_it_is_told_why(root, keys, forgery):
    by, drawn_by, change, said = FORGED[forgery]
    found = attest(root, by and keys[by], 3, change, drawn_by=drawn_by and keys[drawn_by])
    assert (found.word, found.fits, found.by) == ("self-reported", 0, ())
    assert said in found.lines[0]


def test_the_tables_say_why_a_claim_counts_for_nothing(root):
    attest(root, None, 4)
    ended = command("leaderboard", "build", root, "--bootstrap", 100)
    assert "tiny-alice: attestation-000000000001.json counts for nothing: it is not signed" in ended.err
    for file in ("README.md", "index.html"):
        assert "counts for nothing: it is not signed" in (root / file).read_text()


def test_a_signed_attestation_that_was_changed_counts_for_nothing(root, keys):
    attest(root, keys["carol"], 4)
    (path,) = (root / "entries" / "tiny-alice").glob("attestation-*.json")
    path.write_text(path.read_text().replace("anybody", "nobody"))
    found = badge(read(root), root)
    assert found.word == "self-reported"
    assert "it is signed, but not as it stands here" in found.lines[0]


@pytest.mark.parametrize("lacking", ["the list", "the program", "the leaderboard"])
def test_where_nothing_can_be_verified_one_line_says_so(root, keys, tmp_path, monkeypatch, lacking):
    attest(root, keys["carol"], 4)
    if lacking == "the list":
        (root / "keys" / "allowed_signers").unlink()
    if lacking == "the program":
        monkeypatch.setenv("PATH", str(tmp_path))
    found = badge(read(root), None if lacking == "the leaderboard" else root)
    assert found.word == "self-reported"
    (line,) = found.lines
    assert "cannot be verified: " in line
    assert ("ssh-keygen is not installed" in line) == (lacking == "the program")


def without(measures: int) -> Change:
    def change(content: dict[str, Any]) -> None:
        for fit in content["fits"]:
            fit["values"] = [each for each in fit["values"] if each["name"] == "random"][:1] + [
                each for each in fit["values"] if each["name"] != "random"
            ][measures:]

    return change


def no_test_error(content: dict[str, Any]) -> None:
    content["fits"][0]["outcome"] = [
        each for each in content["fits"][0]["outcome"] if each["name"] != "test_error"
    ]


@pytest.mark.parametrize(
    ("sample", "change", "said"),
    [
        (2, lambda content: None, "it reran 2 fits, and must have rerun 3"),
        (4, without(2), "it compared 0 of 2 ranked measures of 'core', and must have compared nine tenths"),
        (4, without(1), "it compared 1 of 2 ranked measures of 'core'"),
        (4, no_test_error, "it did not compare test_error of all its fits"),
    ],
    ids=["too few fits", "random alone", "half of the measures", "without an outcome"],
)
def test_a_rerun_that_compared_too_little_earns_nothing(root, keys, sample, change, said):
    found = attest(root, keys["carol"], sample, change)
    assert found.word == "self-reported"
    assert f"signed by 'carol', earns no badge: {said}" in found.lines[0]


def test_another_class_of_machine_earns_a_badge_of_its_own(root, keys):
    assert attest(root, keys["carol"], 4, elsewhere) == Badge("loosely reproduced", 4, ("carol",))
    # Who gets the same bits has them, wherever he says that they are from.
    assert (
        attest(root, keys["dave"], 4, lambda content: content.update(same_machine_class=False)).word
        == "reproduced"
    )


def test_on_another_class_of_machine_a_few_fits_earn_nothing(root, keys, monkeypatch):
    monkeypatch.setattr("genbench.leaderboard.badges.FEWEST_LOOSELY", 4)
    found = attest(root, keys["carol"], 3, elsewhere)
    assert found.word == "self-reported"
    assert "it reran 3 fits, and must have rerun 4" in found.lines[0]


def test_the_same_class_of_machine_gives_the_same_bits_or_contradicts(root, keys):
    def nearly(content: dict[str, Any]) -> None:
        elsewhere(content)
        content["same_machine_class"] = True

    assert attest(root, keys["carol"], 4, nearly).word == "not reproduced"


def of_plugin(name: str, entry: Entry) -> Entry:
    measures = copy.deepcopy(dict(entry.measures))
    measures[f"{name}:norm"] = {**measures["param_norm"], "plugin": name}
    values = {key: {**each, f"{name}:norm": each["param_norm"]} for key, each in entry.values.items()}
    return Entry(**{**vars(entry), "measures": measures, "values": values})


def test_what_was_left_out_is_named_and_a_plugin_cannot_hide_behind_the_core(root, keys):
    attest(root, keys["carol"], 4)
    found = badge(of_plugin("mine", read(root)), root)
    assert found.word == "self-reported"
    assert "it compared 0 of 1 ranked measures of 'mine'" in found.lines[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.update(records="0" * 64), "an attestation is of other records than these"),
        (
            lambda content: content["fits"][0].update(key="0" * 32),
            "says of fit 00000000000000000000000000000000",
        ),
        (lambda content: content["fits"][0]["outcome"][0].update(recorded=0.5), "what the entry does not"),
        (lambda content: content["fits"][0]["values"][0].update(recorded=0.5), "what the entry does not"),
        (lambda content: content["fits"][0]["outcome"][0].update(agrees=False), "its comparisons do not"),
        (lambda content: content.update(fits=[]), "its comparisons do not"),
        (lambda content: content.update(agrees="yes"), "'agrees': should be a valid boolean"),
    ],
)
def test_an_attestation_that_does_not_fit_is_a_fault(root, change, said):
    entry = root / "entries" / "tiny-alice"
    content = attested(read(root), 4)
    change(content)
    (entry / "attestation-0123456789ab.json").write_text(json.dumps(content))
    ended = command("leaderboard", "validate", entry)
    assert ended.code == 3
    assert said in ended.err
