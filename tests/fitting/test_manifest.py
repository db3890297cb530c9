"""Manifests of folders of checkpoints: what is read, and every fault at once."""

import json

import pytest

from genbench.base.errors import InvalidInput, UsageError
from genbench.fitting.manifest import read_manifest


@pytest.fixture
def folder(tmp_path):
    for name in ("a.pt", "b.pt", "c.safetensors"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder, text):
    (folder / "manifest.csv").write_text(text)


def test_files_axes_seeds_and_outcomes(folder):
    write(
        folder,
        "file,initial,width,Learning rate,optimizer,model.depth,seed,test_accuracy,train_error\n"
        "a.pt,c.safetensors,8,0.1,sgd,2,3,0.9,0.02\n"
        "b.pt,,16,0.10,adam,2,3,,\n",
    )
    found = read_manifest(folder)
    assert found.axes == ("width", "learning_rate", "optimizer", "model.depth")
    first, second = found.networks
    assert (first.file, first.initial) == (folder / "a.pt", folder / "c.safetensors")
    assert second.initial is None
    assert dict(first.axes) == {"width": 8, "learning_rate": 0.1, "optimizer": "sgd", "model.depth": 2}
    assert isinstance(first.axes["width"], int)
    assert (first.seed, second.seed) == (3, 3)
    assert first.outcomes == pytest.approx({"test_error": 0.1, "train_error": 0.02})
    assert second.outcomes == {}


def test_a_gap_beside_one_error_tells_the_other(folder):
    write(folder, "file,width,train_error,gap\na.pt,1,0.25,0.5\nb.pt,2,0,0.1\n")
    assert [each.outcomes["test_error"] for each in read_manifest(folder).networks] == [0.75, 0.1]


def test_axes_can_be_named(folder):
    write(folder, "file,width,note\na.pt,1,x\nb.pt,2,\n")
    assert read_manifest(folder, axes=["width"]).axes == ("width",)
    other = folder / "other.csv"
    (folder / "manifest.csv").rename(other)
    assert len(read_manifest(folder, other, ["width"]).networks) == 2
    with pytest.raises(UsageError, match=r"there is no such manifest; --manifest .*other\.csv names another"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("fil,width\na.pt,1\n", ["has no column 'file'; did you mean 'fil'?"]),
        ("file,width\n", ["has no row"]),
        ("file,width\na.pt,1\na.pt,2\n", ["lines 2 and 3: the same file '{folder}/a.pt'"]),
        ("file,width\na.pt,1\nb.pt,1\n", ["lines 2 and 3: the same settings and seed; a column 'seed' tells repeats apart"]),
        ("file,width,seed\na.pt,1,0\nb.pt,1,0\n", ["lines 2 and 3: the same settings and seed"]),
        ("file,width\na.pt,1\nc.safetensor,2\n", ["there is no file '{folder}/c.safetensor'; did you mean 'c.safetensors'?"]),
        ("file,width\na.pt,\n,2\n", ["line 2: column 'width' is empty; an axis has a value on every row", "line 3: column 'file' is empty"]),
        ("file,width,seed\na.pt,1,x\n", ["line 2: seed must be a whole number from 0, not 'x'"]),
        ("file,width,test_accuracy\na.pt,1,93.5\n", ["line 2: column 'test_accuracy' holds 93.5; shares are from 0 to 1"]),
        ("file,width,test_error\na.pt,1,high\n", ["line 2: column 'test_error' holds 'high', which is no number"]),
        ("file,Some width,some_width\na.pt,1,2\n", ["columns ['Some width', 'some_width'] mean the same setting 'some_width'"]),
    ],
)  # fmt: skip
def test_faults_are_told_with_their_places(folder, text, lines):
    write(folder, text)
    with pytest.raises(InvalidInput) as refused:
        read_manifest(folder)
    expected = [f"{folder / 'manifest.csv'}: {line.format(folder=folder)}" for line in lines]
    assert refused.value.problems == expected


def test_what_is_no_table_and_unknown_axes(folder):
    write(folder, "file,width,width\na.pt,1,2\n")
    with pytest.raises(InvalidInput, match="width"):
        read_manifest(folder)
    write(folder, "file,width\na.pt,1\n")
    with pytest.raises(InvalidInput, match="has no column 'wdth'; did you mean 'width'"):
        read_manifest(folder, axes=["wdth"])
    with pytest.raises(UsageError, match="there is no such folder"):
        read_manifest(folder / "nowhere")


def test_folders_of_the_pgdl_competition(tmp_path):
    configs = {
        str(number): {
            "hparams": {"width": {"possible_values": [8, 16], "current_value": width}},
            "metrics": {"train_acc": 1.0, "test_acc": 0.75, "train_loss": 0.1},
        }
        for number, width in ((3, 8), (11, 16))
    }
    (tmp_path / "model_configs.json").write_text(json.dumps(configs))
    for number in configs:
        (tmp_path / f"model_{number}").mkdir()
        (tmp_path / f"model_{number}" / "weights.pt").touch()
        (tmp_path / f"model_{number}" / "weights_init.safetensors").touch()
    first, second = read_manifest(tmp_path).networks
    assert first.file == tmp_path / "model_3" / "weights.pt"
    assert second.initial == tmp_path / "model_11" / "weights_init.safetensors"
    assert second.axes == {"width": 16}
    assert first.outcomes == {"train_error": 0.0, "test_error": 0.25, "train_loss": 0.1}
    (tmp_path / "model_3" / "weights.pt").rename(tmp_path / "model_3" / "weights.hdf5")
    with pytest.raises(InvalidInput, match="Keras weights are not read; save them beside it as weights"):
        read_manifest(tmp_path)
    (tmp_path / "model_3" / "weights.hdf5").unlink()
    with pytest.raises(InvalidInput, match="there is no file"):
        read_manifest(tmp_path)
    (tmp_path / "model_configs.json").write_text('{"1": {"hparams": []}}')
    with pytest.raises(InvalidInput, match="is not as in PGDL"):
        read_manifest(tmp_path)
