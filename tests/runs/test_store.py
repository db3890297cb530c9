"""The run folder: whole records, read with suspicion, merged by copying."""

import json
import math
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from genbench.base import files
from genbench.base.errors import GenbenchError, InvalidInput
from genbench.host import Host
from genbench.host.plugin import PluginSource
from genbench.planning.suite import load_suite
from genbench.runs import records
from genbench.runs.results import value_number
from genbench.runs.status import read_status
from genbench.runs.store import Folder

KEY = "0123456789abcdef0123456789abcdef"
RECORD = {
    "trial": {
        "dataset": {"name": "made", "version": 1, "settings": {}, "source": ""},
        "splits": {"train_size": 20},
        "checksum": "sha256:0",
        "task": {"kind": "classification", "input_shape": [4], "outputs": 2},
        "model": {"name": "narrow", "version": 1, "settings": {"width": 8}, "source": ""},
        "protocol": {"name": "plain", "version": 1, "settings": {}, "source": ""},
        "regularizers": [],
        "seed": 0,
        "threads": 1,
    },
    "history": {"train_loss": [2.0, 0.1]},
    "stop_reason": "target",
    "train_error": 0.0,
    "test_error": 0.25,
}

PLUGIN = """
import genbench

@genbench.dataset
def made(root): ...

@genbench.model
def narrow(task, *, width: int = 8): ...

@genbench.protocol
class Interpolate(genbench.Protocol): ...
"""


def states() -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: {
            "linear.weight": torch.randn(3, 4, generator=generator),
            "norm.num_batches_tracked": torch.tensor(7),
            "half": torch.randn(2, generator=generator).bfloat16(),
        }
        for name in ("initial", "final", "milestone-0.1")
    }


def same(left: dict, right: dict) -> bool:
    return left.keys() == right.keys() and all(
        left[name].keys() == right[name].keys()
        and all(torch.equal(left[name][each], right[name][each]) for each in left[name])
        and all(left[name][each].dtype == right[name][each].dtype for each in left[name])
        for name in left
    )


def value(measure: str = "norm", number: float | None = 1.5, **changes) -> dict:
    return {
        "measure": measure,
        "key": f"key of {measure}",
        "value": number,
        "status": "ok",
        "reason": "",
        "seconds": 0.5,
        "version": 1,
        "plugin": "core",
        "family": "norm",
        "direction": "+",
        "cost_class": "A",
        "held_out": False,
        **changes,
    }


def measured(*values: dict, time: str = "2020-01-01") -> dict:
    return {"fit": KEY, "environment": "", "time": time, "seconds": 1.0, "values": list(values)}


class Run:
    """A run folder with the lines that it warned with."""

    def __init__(self, path: Path):
        self.warnings: list[str] = []
        self.folder = Folder(path, self.warnings.append)
        self.path = path

    def fresh(self) -> "Run":
        return Run(self.path)


@pytest.fixture
def run(tmp_path) -> Run:
    made = Run(tmp_path / "run")
    made.folder.write_fit(KEY, RECORD, states())
    return made


def every_file(path: Path) -> list[str]:
    return sorted(str(each.relative_to(path)) for each in path.rglob("*") if each.is_file())


# Fits


def test_a_fit_is_a_record_and_its_weights_and_nothing_else(run):
    assert every_file(run.path) == [f"fits/{KEY}/fit.json", f"fits/{KEY}/weights.safetensors"]


def test_record_and_weights_come_back_as_they_were(run):
    stored = run.folder.fit(KEY, check_weights=True)
    assert {name: stored.record[name] for name in RECORD} == RECORD
    assert same(stored.load_states(), states())
    assert run.warnings == []


def test_weights_that_share_memory_come_back_whole(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    given = {
        "initial": {
            "a": whole,
            "tied": whole,
            "view": whole[1:],
            "transposed": whole.t(),
            "empty": torch.zeros(0),
        },
        "final": {"a": whole, "overlapping": whole.flatten()[2:7], "empty": torch.zeros(0)},
    }
    tied = nn.Linear(4, 4)
    given["tied"] = nn.ModuleDict({"first": tied, "second": tied}).state_dict()
    folder = Folder(tmp_path)
    folder.write_fit(KEY, RECORD, given)
    assert same(folder.fit(KEY).load_states(), given)


def test_what_is_not_kept_is_not_there(tmp_path):
    folder = Folder(tmp_path)
    folder.write_fit(KEY, RECORD, {})
    assert folder.fit(KEY, check_weights=True).load_states() == {}
    folder.write_fit(KEY, RECORD, {"final": {}})
    assert folder.fit(KEY).load_states() == {"final": {}}


def test_there_is_no_fit_where_none_was_written(run):
    assert run.folder.fit("f" * 32) is None
    assert Folder(run.path / "absent").fit_keys() == []
    assert run.warnings == []


def test_no_record_holds_a_pickle(run):
    for name in every_file(run.path):
        content = (run.path / name).read_bytes()
        assert not content.startswith((b"\x80", b"PK"))


def test_a_fit_begins_to_exist_with_its_record_which_is_written_last(run, tmp_path, monkeypatch):
    written = []
    atomically = files.write_atomically
    monkeypatch.setattr(
        "genbench.runs.records.write_atomically",
        lambda path, content: (written.append(path.name), atomically(path, content)),
    )
    Folder(tmp_path / "other").write_fit(KEY, RECORD, states())
    assert written == ["weights.safetensors", "fit.json"]


def test_a_full_disk_is_said_and_leaves_what_is_there_whole(run, monkeypatch):
    def full(number):
        raise OSError(28, "No space left on device")

    before = every_file(run.path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GenbenchError, match=r"the disk is full \(No space left on device\)"):
        run.folder.write_fit("f" * 32, RECORD, states())
    with pytest.raises(GenbenchError, match=r"the disk is full \(No space left on device\)"):
        run.folder.write_fit(KEY, {**RECORD, "test_error": 0.5}, states())
    assert every_file(run.path) == before
    assert run.fresh().folder.fit(KEY, check_weights=True).record["test_error"] == 0.25


# Damage


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    changed = {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "flipped": content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
        "no text": b"\xff\xfe" + content,
        "other json": b"[1, 2]",
        "not a number": content.replace(b"0.25", b"NaN"),
        "changed": content.replace(b"0.25", b"0.05"),
    }[how]
    assert changed != content
    path.write_bytes(changed)


@pytest.mark.parametrize(
    "how", ["truncated", "empty", "flipped", "no text", "other json", "not a number", "changed"]
)
def test_a_damaged_record_counts_as_none_and_is_said_once(run, how):
    damage(run.path / "fits" / KEY / "fit.json", how)
    assert run.folder.fit(KEY) is None
    assert run.folder.fit(KEY) is None
    (line,) = run.warnings
    assert line.startswith(f"fits/{KEY}/fit.json is damaged (")
    assert line.endswith("; it will be made again")


def test_a_record_is_looked_through_again_where_it_changed_alone(run, monkeypatch):
    looked: list[object] = []
    monkeypatch.setattr(records, "misshapen", lambda path, content: looked.append(path) or "")
    for _ in range(3):
        assert run.folder.fit(KEY).record["test_error"] == 0.25
    assert len(looked) == 1
    damage(run.path / "fits" / KEY / "fit.json", "changed")
    assert run.folder.fit(KEY) is None


@pytest.mark.parametrize(
    ("how", "needs_reading"), [("truncated", False), ("empty", False), ("flipped", True)]
)
def test_damaged_weights_count_as_no_fit(run, how, needs_reading):
    damage(run.path / "fits" / KEY / "weights.safetensors", how)
    assert (run.folder.fit(KEY) is None) is not needs_reading
    assert run.folder.fit(KEY, check_weights=True) is None
    (line,) = run.warnings
    assert line.startswith(f"fits/{KEY}/weights.safetensors is damaged (")


def test_missing_weights_count_as_no_fit(run):
    (run.path / "fits" / KEY / "weights.safetensors").unlink()
    assert run.folder.fit(KEY) is None
    assert len(run.warnings) == 1


def test_a_record_copied_under_another_key_counts_as_none(run):
    shutil.copytree(run.path / "fits" / KEY, run.path / "fits" / ("f" * 32))
    assert run.folder.fit("f" * 32) is None
    assert "it is the record of another trial" in run.warnings[0]


def test_what_is_damaged_is_made_again_by_writing_it(run):
    damage(run.path / "fits" / KEY / "fit.json", "truncated")
    run.folder.write_fit(KEY, RECORD, states())
    assert same(run.fresh().folder.fit(KEY, check_weights=True).load_states(), states())


def test_a_damaged_pass_of_values_is_said_and_the_others_count(run):
    run.folder.write_values(KEY, measured(value("norm")))
    (path,) = (run.path / "fits" / KEY / "values").iterdir()
    damage(path, "truncated")
    run.folder.write_values(KEY, measured(value("margin")))
    assert set(run.folder.measured(KEY).values) == {"margin"}
    assert len(run.warnings) == 1


# Values


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ({"value": 0.1 + 0.2}, 0.1 + 0.2),
        ({"value": None, "infinite": 1}, math.inf),
        ({"value": None, "infinite": -1}, -math.inf),
        ({"value": None, "status": "nan", "reason": "is NaN"}, math.nan),
        ({"value": math.nan, "status": "nan"}, math.nan),
        ({"value": 5e-324}, 5e-324),
    ],
)
def test_numbers_infinities_and_nan_survive_strict_json(run, given, number):
    run.folder.write_values(KEY, measured(value(**given)))
    (path,) = (run.path / "fits" / KEY / "values").iterdir()

    def refuse(word: str) -> None:
        raise AssertionError(word)

    json.loads(path.read_text(), parse_constant=refuse)
    found = value_number(run.folder.measured(KEY).values["norm"])
    assert found == number or (math.isnan(found) and math.isnan(number))


def test_passes_are_united(run):
    run.folder.write_values(KEY, measured(value("norm")))
    run.folder.write_values(KEY, measured(value("margin"), time="2020-01-02"))
    assert set(run.folder.measured(KEY).values) == {"norm", "margin"}
    assert [each["time"] for each in run.folder.passes(KEY)] == ["2020-01-01", "2020-01-02"]


@pytest.mark.parametrize("status", ["error", "crashed", "timeout", "skipped"])
@pytest.mark.parametrize("first", ["fault", "good"])
def test_a_value_that_was_computed_counts_before_one_that_is_missing_for_a_fault(run, status, first):
    fault, good = value(number=None, status=status), value(number=2.0)
    passes = (fault, good) if first == "fault" else (good, fault)
    for day, each in enumerate(passes, start=1):
        run.folder.write_values(KEY, measured(each, time=f"2020-01-0{day}"))
    assert run.folder.measured(KEY).values["norm"]["value"] == 2.0
    assert run.folder.measured(KEY).conflicts == ()


def test_of_two_faults_the_later_one_counts(run):
    for day, reason in ((2, "later"), (1, "earlier")):
        fault = value(number=None, status="error", reason=reason)
        run.folder.write_values(KEY, measured(fault, time=f"2020-01-0{day}"))
    assert run.folder.measured(KEY).values["norm"]["reason"] == "later"


def test_values_of_other_keys_are_passed_over_when_a_key_is_wanted(run):
    run.folder.write_values(KEY, measured(value(key="old", number=1.0)))
    assert run.folder.measured(KEY, {"norm": "new"}).values == {}
    run.folder.write_values(KEY, measured(value(key="new", number=2.0, version=2), time="2020-01-02"))
    assert run.folder.measured(KEY, {"norm": "new"}).values["norm"]["value"] == 2.0
    assert run.folder.measured(KEY, {"norm": "old"}).values["norm"]["value"] == 1.0
    assert run.folder.measured(KEY).values["norm"]["value"] == 2.0


def test_the_same_key_twice_with_one_result_is_no_conflict(run):
    run.folder.write_values(KEY, measured(value(seconds=0.1)))
    run.folder.write_values(KEY, measured(value(seconds=0.9), time="2020-01-02"))
    assert run.folder.measured(KEY).conflicts == ()


@pytest.mark.parametrize(
    "other", [{"value": 1.6}, {"value": None, "infinite": 1}, {"value": None, "status": "not_applicable"}]
)
def test_the_same_key_twice_with_two_results_is_a_conflict_that_status_reports(run, other):
    run.folder.open_for(suite_of(run.path.parent))
    run.folder.write_values(KEY, measured(value()))
    run.folder.write_values(KEY, measured(value(**other), time="2020-01-02"))
    (conflict,) = run.folder.measured(KEY).conflicts
    assert f"fit {KEY}: norm: 1.5 (ok) and " in conflict
    assert read_status(run.path)["conflicts"] == [conflict]


# Failures


def test_a_failure_is_kept_until_it_is_forgotten(run):
    key = "e" * 32
    assert run.folder.failure(key) is None
    for day in (2, 1):
        run.folder.write_failure(key, {"reason": f"day {day}", "time": f"2020-01-0{day}"})
    assert run.folder.failure(key)["reason"] == "day 2"
    run.folder.forget_failures(key)
    assert run.folder.failure(key) is None


# Environments


def test_an_environment_is_stored_once_under_its_hash(run):
    first = run.folder.add_environment({"torch": "2.6", "plugins": []})
    assert run.folder.add_environment({"plugins": [], "torch": "2.6"}) == first
    second = run.folder.add_environment({"torch": "2.7", "plugins": []})
    assert {name: each["torch"] for name, each in run.folder.environments().items()} == {
        first: "2.6",
        second: "2.7",
    }


# Merging


def test_merging_is_copying_folders(tmp_path):
    first, second, merged = (Folder(tmp_path / name) for name in ("first", "second", "merged"))
    other = "f" * 32
    first.write_fit(KEY, RECORD, states())
    first.write_values(KEY, measured(value("norm")))
    second.write_fit(KEY, RECORD, states())
    second.write_values(KEY, measured(value("margin", 3.0), value("norm")))
    second.write_fit(other, RECORD, states())
    for each in (first, second):
        each.add_environment({"machine": each.path.name})
        shutil.copytree(each.path, merged.path, dirs_exist_ok=True)
    assert merged.fit_keys() == sorted([KEY, other])
    found = merged.measured(KEY)
    assert {name: each["value"] for name, each in found.values.items()} == {"norm": 1.5, "margin": 3.0}
    assert found.conflicts == ()
    assert len(merged.environments()) == 2
    assert same(merged.fit(KEY, check_weights=True).load_states(), states())


# The suite of a folder


def suite_of(folder: Path, text: str = "", name: str = "own"):
    path = folder / f"{name}.toml"
    path.write_text('dataset = "made"\nmodel = "narrow"\n' + text)
    return load_suite(
        path, Host.of([PluginSource("room", file="room.py", text=PLUGIN, distribution="genbench")])
    )


def test_the_suite_is_frozen_in_its_folder(tmp_path):
    folder = Folder(tmp_path / "run")
    folder.open_for(
        suite_of(tmp_path, "seeds = 2\nprotocol = { name = 'interpolate', learning_rate = [0.1, 1.0] }")
    )
    assert folder.suite_content() == {
        "name": "own",
        "dataset": "made",
        "model": "narrow",
        "seeds": 2,
        "protocol": {"name": "interpolate", "learning_rate": [0.1, 1.0]},
    }
    assert every_file(folder.path) == ["suite.toml"]


def test_a_folder_opens_again_for_the_same_suite_whatever_its_wording(tmp_path):
    folder = Folder(tmp_path / "run")
    folder.open_for(suite_of(tmp_path, 'title = "a"\n'))
    folder.open_for(suite_of(tmp_path, 'title = "b"\nnotes = "c"\npredicted_gpu_hours = 2\n'))
    assert folder.suite_content()["title"] == "a"


@pytest.mark.parametrize("text", ["seeds = 2", "version = 2", 'measures = ["x"]'])
def test_a_folder_of_another_suite_is_refused_and_left_alone(tmp_path, text):
    folder = Folder(tmp_path / "run")
    folder.open_for(suite_of(tmp_path))
    path = tmp_path / "own.toml"
    path.write_text('dataset = "made"\nmodel = "narrow"\n' + text)
    host = Host.of([PluginSource("room", file="room.py", text=PLUGIN, distribution="genbench")])
    other = load_suite(path, host, check_measures=False)
    before = (folder.path / "suite.toml").read_bytes()
    with pytest.raises(
        InvalidInput, match=r"holds a run of another version of suite 'own' with other content"
    ):
        folder.open_for(other)
    with pytest.raises(
        InvalidInput, match=r"holds a run of suite 'own' with other content; choose another --out"
    ):
        folder.open_for(suite_of(tmp_path, text if "measures" not in text else "seeds = 3", name="renamed"))
    assert (folder.path / "suite.toml").read_bytes() == before


def test_a_folder_that_does_not_exist_is_said_with_the_one_that_was_meant(tmp_path):
    (tmp_path / "digits-quick").mkdir()
    with pytest.raises(InvalidInput, match=r"it does not exist; did you mean 'digits-quick'\?"):
        Folder(tmp_path / "digits-quik").suite_content()
    with pytest.raises(InvalidInput, match=r"it does not exist$"):
        Folder(tmp_path / "absent" / "run").suite_content()


def test_a_folder_that_is_no_run_folder_is_said(tmp_path):
    with pytest.raises(InvalidInput, match=r"is not a run folder: it has no suite.toml"):
        Folder(tmp_path).suite_content()
    for text, why in (("dataset = ", "Invalid value"), ("", "it is empty")):
        (tmp_path / "suite.toml").write_text(text)
        with pytest.raises(InvalidInput, match=rf"suite.toml: is damaged: {why}"):
            Folder(tmp_path).suite_content()


def test_a_file_in_place_of_the_fits_is_said(tmp_path):
    folder = Folder(tmp_path / "run")
    folder.open_for(suite_of(tmp_path))
    (folder.path / "fits").rmdir()
    (folder.path / "fits").write_text("in the way")
    for ask in (folder.suite_content, lambda: folder.open_for(suite_of(tmp_path))):
        with pytest.raises(
            InvalidInput, match=r"is not a run folder: 'fits' is a file, where fits are to lie"
        ):
            ask()


def test_a_file_in_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "run").write_text("in the way")
    for path in (tmp_path / "run", tmp_path / "run" / "deeper"):
        with pytest.raises(InvalidInput, match=r"output folder '.*': (is a file|cannot be written)"):
            Folder(path).open_for(suite_of(tmp_path))
