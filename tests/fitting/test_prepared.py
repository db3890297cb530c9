import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import genbench
from genbench.datasets.digits import digits
from genbench.datasets.mnist import mnist
from genbench.fitting.prepared import data_folder, prepare, read_split
from genbench.host.signatures import describe

TASK = genbench.Task("classification", (4,), 3)


def toy(calls: list[int], data: object = None, checksum: str | None = "toy"):
    """A data set of 12 vectors that counts how often it is made."""
    targets = torch.arange(12) % 3
    split = genbench.Split(torch.arange(48.0).reshape(12, 4), targets)
    made = data or genbench.Data(split, split, TASK, "toy")

    @genbench.dataset(name="toy", checksum=checksum, task=TASK)
    def component(root, *, scale: float = 1.0):
        calls.append(1)
        return made

    return describe(component, "core")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one test alone."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GENBENCH_CACHE", str(folder))
    return folder


def test_function_is_called_once():
    calls: list[int] = []
    first = prepare(toy(calls), {}, None)
    again = prepare(toy(calls), {"scale": 1.0}, None)
    assert calls == [1]
    assert first == again
    assert first.settings == {"scale": 1.0}
    assert first.examples == {"train": 12, "test": 12}
    assert torch.equal(read_split(again, "train").inputs, torch.arange(48.0).reshape(12, 4))


def test_settings_versions_and_checksums_have_folders_of_their_own():
    calls: list[int] = []
    folders = {
        prepare(toy(calls), {}, None).folder,
        prepare(toy(calls), {"scale": 2.0}, None).folder,
        prepare(replace(toy(calls), declared=replace(toy(calls).declared, version=2)), {}, None).folder,
    }
    assert len(folders) == 3


def test_undeclared_checksum_is_learned_once_and_then_given():
    calls: list[int] = []
    undeclared = toy(calls, checksum=None)
    prepared = prepare(undeclared, {}, None)
    assert prepared.checksum == "toy"
    assert prepare(undeclared, {}, None, checksum="toy") == prepared
    assert len(calls) == 1
    with pytest.raises(genbench.InvalidInput, match="not those that were planned with"):
        prepare(undeclared, {}, None, checksum="other")


def test_wrong_declared_checksum_is_refused():
    with pytest.raises(genbench.InvalidInput, match=r"dataset 'toy'.*checksum toy, expected declared"):
        prepare(toy([], checksum="declared"), {}, None)


def test_task_must_be_the_declared_one():
    @genbench.dataset(checksum="toy", task=lambda scale: genbench.Task("classification", (4,), int(scale)))
    def toy(root, *, scale: float = 3.0):
        split = genbench.Split(torch.zeros(12, 4), torch.arange(12) % 3)
        return genbench.Data(split, split, TASK, "toy")

    assert prepare(describe(toy, "core"), {}, None).task == TASK
    with pytest.raises(genbench.InvalidInput, match=r"declares Task\(.*outputs=5\), its data are for"):
        prepare(describe(toy, "core"), {"scale": 5.0}, None)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "record", "half a record"])
def test_damaged_cache_is_made_anew(split, damage):
    calls: list[int] = []
    prepared = prepare(toy(calls), {}, None)
    path, record = prepared.path(split), prepared.folder / "data.json"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    match damage:
        case "truncate":
            path.write_bytes(content[:-5])
        case "flip":
            path.write_bytes(content)
        case "remove":
            path.unlink()
        case "record":
            record.write_text(json.dumps({"format": 1}))
        case "half a record":
            record.write_text(record.read_text()[:30])
    assert prepare(toy(calls), {}, None) == prepared
    assert len(calls) == 2
    assert torch.equal(read_split(prepared, split).targets, torch.arange(12) % 3)


def test_test_split_is_not_opened_when_only_training_is_asked_for():
    calls: list[int] = []
    prepared = prepare(toy(calls), {}, None)
    path = prepared.path("test")
    path.write_bytes(bytes(path.stat().st_size))
    assert prepare(toy(calls), {}, None, splits=("train",)) == prepared
    assert read_split(prepared, "train").targets.shape == (12,)
    assert len(calls) == 1
    prepare(toy(calls), {}, None)
    assert len(calls) == 2


def test_unreadable_split_is_named():
    prepared = prepare(toy([]), {}, None)
    prepared.path("test").write_bytes(b"torn")
    with pytest.raises(genbench.InvalidInput, match=r"test\.safetensors cannot be read"):
        read_split(prepared, "test")


def test_unwritable_cache_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(genbench.InvalidInput, match=r"cannot write prepared data .*GENBENCH_CACHE"):
        prepare(toy([]), {}, None)


@pytest.mark.slow
def test_processes_prepare_the_same_data_at_once(cache):
    script = (
        "from genbench.host.signatures import describe; from genbench.datasets.polynomial import polynomial;"
        "from genbench.fitting.prepared import prepare, read_split;"
        "p = prepare(describe(polynomial, 'core'), {}, None);"
        "print(p.folder, read_split(p, 'test').inputs.sum())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = {process.communicate(timeout=120)[0] for process in running}
    assert len(said) == 1
    assert said.pop().startswith(str(cache))
    assert sorted(path.name for path in next((cache / "prepared").iterdir()).iterdir()) == [
        "data.json", "test.safetensors", "train.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"inputs": torch.zeros(12, 5)}, r"inputs of shape \(5,\), the task says \(4,\)"),
        ({"inputs": torch.zeros(11, 4)}, "11 inputs and 12 targets"),
        ({"inputs": torch.zeros(12, 4, dtype=torch.int32)}, "inputs are torch.int32"),
        ({"inputs": torch.full((12, 4), float("nan"))}, "inputs that are infinite or not a number"),
        ({"targets": torch.arange(12)}, "labels 0 to 11, the task has 3 classes"),
        ({"targets": torch.zeros(12)}, "targets are torch.float32"),
        ({"inputs": torch.zeros(0, 4), "targets": torch.zeros(0).long()}, "0 inputs"),
    ],
)
def test_what_a_data_set_returns_is_checked(change, complaint):
    good = genbench.Split(torch.zeros(12, 4), torch.arange(12) % 3)
    data = genbench.Data(replace(good, **change), good, TASK, "toy")
    with pytest.raises(genbench.InvalidInput, match=f"dataset 'toy', train split: {complaint}"):
        prepare(toy([], data), {}, None)
    with pytest.raises(genbench.InvalidInput, match=r"returned str, not genbench\.Data"):
        prepare(toy([], "nothing"), {}, None)


def test_data_folder_is_the_one_given_or_that_of_the_environment(tmp_path, monkeypatch):
    assert data_folder(None) is None
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path))
    assert data_folder(None) == tmp_path
    assert data_folder(Path.home()) == Path.home()
    with pytest.raises(genbench.InvalidInput, match="does not exist"):
        data_folder(tmp_path / "nothing")


def test_digits_and_real_mnist(shared_data):
    assert prepare(describe(digits, "core"), {"test_fraction": 0.25}, None).examples["test"] == 450
    component = describe(mnist, "core")
    prepared = prepare(component, {}, shared_data)
    assert prepared.examples == {"train": 60_000, "test": 10_000}
    # The second time needs no files.
    assert prepare(component, {}, None) == prepared
