"""Checking entries: sound ones pass, each kind of tampering is one clear line and exit code 3."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest
from leaderboard.lines import edit, read, write
from running import command

from genbench.base.canonical import digest
from genbench.base.toml import as_toml
from genbench.host import Host
from genbench.leaderboard.entry import Entry
from genbench.leaderboard.validate import check_entry, suite_faults
from genbench.planning.claims import with_inherited

FITS, VALUES, MEASURES = "fits.jsonl", "values.jsonl", "measures.jsonl"


def refused(entry) -> list[str]:
    ended = command("leaderboard", "validate", entry)
    assert ended.code == 3
    assert ended.out == ""
    assert "Traceback" not in ended.err
    return [line.removeprefix("genbench: ") for line in ended.err.splitlines()]


def test_a_sound_entry_passes(packed):
    ended = command("leaderboard", "validate", packed)
    assert ended.code == 0
    assert ended.out == f"{packed}: sound and complete; suite tiny 1, 4 fits, 3 measures\n"
    assert "suite 'tiny' is the submitter's own" in ended.err
    found = command("leaderboard", "validate", packed, "--json").json
    assert (found["fits"], found["measures"], found["missing"]) == (4, 3, [])


def test_a_setting_of_splits_that_came_later_may_be_missing(entry):
    edit(entry / FITS, lambda line: line["trial"]["splits"].pop("subset_seed"))
    assert command("leaderboard", "validate", entry).code == 0


def test_checking_loads_neither_torch_nor_plugins(packed):
    program = (
        "import sys; from pathlib import Path; from genbench.leaderboard.validate import check_entry\n"
        f"assert check_entry(Path({str(packed)!r})).faults == []\n"
        "assert not {'torch', 'genbench.measures', 'genbench.models'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def settings(line, part="model"):
    return line["trial"][part]["settings"]


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (FITS, lambda line: line.update(key="0" * 32), "the key is not that of its trial"),
        (FITS, lambda line: line["trial"].update(seed=7), "the key is not that of its trial"),
        (FITS, lambda line: settings(line).update(width=9), "is no point of the suite's grid"),
        (FITS, lambda line: line["seeds"].update(order=5), "seeds that do not follow the rule: order"),
        (FITS, lambda line: line["seeds"].pop("order"), "seeds that do not follow the rule: order"),
        (FITS, lambda line: line.update(gap=line["gap"] + 1e-6), "which is not test_error − train_error"),
        (FITS, lambda line: line.update(loss_gap=None), "which is not test_loss − train_loss"),
        (FITS, lambda line: line.update(test_error=1.5, gap=1.5 - line["train_error"]), "test_error: is 1.5"),
        (FITS, lambda line: line.update(train_error=-0.5), "train_error: is -0.5; it is from 0 to 1"),
        (FITS, lambda line: line.update(train_loss=-1.0), "train_loss: is -1; it is never below 0"),
        (FITS, lambda line: line.update(test_error=0.12345), "is no whole number of 898 examples"),
        (FITS, lambda line: line.update(test_error=None, gap=None), "though training did not diverge"),
        (FITS, lambda line: line.update(environment="0" * 32), "its environment is not in environments.jsonl"),
        (FITS, lambda line: line["trial"].update(threads=8), "8 threads, 1 in the suite"),
        (FITS, lambda line: line["trial"]["model"].update(version=9), "has another version than in entry.json"),
        (FITS, lambda line: line["trial"]["splits"].pop("normalize"), "trial.splits must have"),
        (FITS, lambda line: settings(line, "protocol").pop("batch_size"), "has no batch_size"),
        (FITS, lambda line: line.pop("steps"), "key 'steps' is missing"),
        (FITS, lambda line: line.update(weights="x"), "unknown key 'weights'"),
        (FITS, lambda line: line.update(stop_reason="bored"), "'stop_reason': should be 'target'"),
        (FITS, lambda line: line.update(test_error="0.1"), "'test_error': should be a valid number, not '0.1'"),
        (VALUES, lambda line: line.update(key="1" * 32), "the key is not that of this fit and measure"),
        (VALUES, lambda line: line.update(fit="1" * 32), "there is no such fit"),
        (VALUES, lambda line: line.update(measure="unheard_of"), "there is no such measure"),
        (VALUES, lambda line: line.update(value=None), "status ok with no number"),
        (VALUES, lambda line: line.update(infinite=1), "a finite number that is infinite too"),
        (VALUES, lambda line: line.update(status="error"), "a number, though its status is error"),
        (VALUES, lambda line: line.update(status="error", value=None), "status error without a reason"),
        (VALUES, lambda line: line.update(seconds=-1.0), "'seconds': should be greater than or equal to 0"),
        (MEASURES, lambda line: line.update(version=2), "is version 2, 1 in its identity"),
        (MEASURES, lambda line: line["identity"]["measure"].update(version=2), "is version 1, 2 in its identity"),
        (MEASURES, lambda line: line["identity"]["probes"].clear(), "the key is not that of this fit and measure"),
        (MEASURES, lambda line: line.update(plugin="other"), "is of plugin 'other', of 'core' by its name"),
        (MEASURES, lambda line: line.update(measure="a[b"), "is not spelled name[key=value,...]"),
        ("environments.jsonl", lambda line: line["content"].update(cores=99), "the hash is not that of its content"),
    ],
)  # fmt: skip
def test_tampering_is_found(entry, file, change, said):
    edit(entry / file, change, which=0)
    assert any(said in line for line in refused(entry))


def test_every_fault_is_named_at_once(entry):
    edit(entry / FITS, lambda line: line.update(gap=0.5, test_loss=-1.0), which=0)
    edit(entry / VALUES, lambda line: line.update(key="1" * 32), which=2)
    lines = refused(entry)
    for said in ("gap: is 0.5", "loss_gap", "test_loss: is -1", "values.jsonl: 'train_loss' of"):
        assert sum(said in line for line in lines) >= 1
    assert all(line.startswith(("fits.jsonl: ", "values.jsonl: ")) for line in lines)


@pytest.mark.parametrize("file", [FITS, VALUES, MEASURES])
def test_the_same_line_twice_is_refused(entry, file):
    lines = read(entry / file)
    write(entry / file, [*lines, lines[0]])
    assert any("is there already" in line for line in refused(entry))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (FITS, "incomplete: 1 of 4 points of the grid have neither a fit nor a reason"),
        (VALUES, "incomplete: 1 value without a number and a reason, of 'param_norm'"),
        (MEASURES, "incomplete: measures that the suite names are not there: 'param_norm'"),
    ],
)
def test_what_is_missing_is_said_and_may_pass(entry, file, said):
    gone = read(entry / file)[0]
    edit(entry / file, lambda line: False, which=0)
    same = {FITS: lambda line: line["fit"] != gone.get("key"),
            MEASURES: lambda line: line["measure"] != gone["measure"]}  # fmt: skip
    if file in same:
        edit(entry / VALUES, same[file])
    assert said in refused(entry)
    ended = command("leaderboard", "validate", entry, "--allow-incomplete")
    assert ended.code == 0
    assert "sound and incomplete" in ended.out
    assert said in ended.err


def test_a_failed_trial_with_its_reason_is_complete(entry):
    gone = read(entry / FITS)[0]
    edit(entry / FITS, lambda line: False, which=0)
    edit(entry / VALUES, lambda line: line["fit"] != gone["key"])
    failure = {"key": gone["key"], "trial": gone["trial"], "status": "error", "reason": "out of memory"}
    write(entry / "failures.jsonl", [failure])
    ended = command("leaderboard", "validate", entry)
    assert ended.code == 0
    assert "1 trial without a fit, each with its reason" in ended.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("seeds\" = 2", "seeds\" = 3"), "incomplete: 2 of 6 points of the grid"),
        (lambda text: text.replace("\"version\" = 1", "\"version\" = 2"), "entry.json: names suite 'tiny' 1"),
        (lambda text: text.replace("0.1]", "1e999]"), "suite.toml: is no suite"),
        (lambda text: text + "seeds = 1979-05-27\n", "suite.toml: is no suite"),
        (lambda text: text.replace("\"mlp\"", "\"resnet\""), "model 'resnet': entry.json does not declare it"),
        (lambda text: text.replace("\"width\" = 8", "\"width\" = 16"), "is no point of the suite's grid"),
    ],
)  # fmt: skip
def test_a_changed_suite_is_found(entry, change, said):
    path = entry / "suite.toml"
    changed = change(path.read_text())
    assert changed != path.read_text()
    path.write_text(changed)
    assert any(said in line for line in refused(entry))


def test_the_frozen_copy_of_every_built_in_suite_is_that_suite():
    suites = Host.load(rooms={"suites"}).suites()
    assert len(suites) > 50
    for name, path in suites.items():
        content = with_inherited(tomllib.loads(path.read_text(encoding="utf-8")), suites, str(path))
        frozen = tomllib.loads(as_toml({"name": name, **content}))
        header = {"suite": {"name": name, "version": content.get("version", 1)}}
        entry = Entry(name, header, frozen, {}, {}, {}, {}, {})
        assert list(suite_faults(entry)) == []


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (2, "suite.toml: is not version 2 of suite 'digits': it differs in"),
        (99, "suite.toml: is version 99 of suite 'digits'; installed is version 2"),
    ],
)
def test_an_entry_that_goes_by_another_suites_name_is_refused(entry, version, said):
    for file, old, new in (
        ("suite.toml", '"version" = 1', f'"version" = {version}'),
        ("suite.toml", '"name" = "tiny"', '"name" = "digits"'),
        ("entry.json", '"name": "tiny",\n  "version": 1', f'"name": "digits",\n  "version": {version}'),
    ):
        text = (entry / file).read_text()
        assert old in text, old
        (entry / file).write_text(text.replace(old, new))
    assert any(line.startswith(said) for line in refused(entry))


def test_the_trainers_version_is_part_of_the_keys(entry):
    header = json.loads((entry / "entry.json").read_text())
    (entry / "entry.json").write_text(json.dumps({**header, "trainer": header["trainer"] + 1}))
    assert {line.partition(": the key")[2][:19] for line in refused(entry)} == {" is not that of its"}


def test_a_wrong_format_is_one_line(entry):
    text = (entry / "entry.json").read_text()
    (entry / "entry.json").write_text(text.replace('"format": 1', '"format": 9'))
    assert refused(entry) == ["entry.json: has format 9; this version of genbench reads 1"]


def test_forged_values_whose_keys_were_made_to_fit_are_still_of_their_fit(entry):
    """Whoever forges a key as well needs the identity; a value moved to another fit does not fit there."""
    values = read(entry / VALUES)
    values[0]["key"], values[3]["key"] = values[3]["key"], values[0]["key"]
    write(entry / VALUES, values)
    assert sum("the key is not that of this fit" in line for line in refused(entry)) == 2
    assert digest(values[0]) != digest(values[3])


def test_faults_beyond_a_hundred_are_counted(entry):
    line = read(entry / VALUES)[0]
    write(entry / VALUES, [{**line, "measure": f"m{number}"} for number in range(150)])
    checked = check_entry(entry)
    assert checked.entry is None
    assert checked.faults[-1] == "... and 50 faults more"
