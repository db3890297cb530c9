import numpy as np
import pytest
import torchvision.datasets
from scipy.io import savemat

import genbench
from genbench.base.files import file_hash
from genbench.datasets import svhn
from genbench.datasets.remote import Publication, RemoteFile


def test_files_are_those_of_torchvision():
    lists = torchvision.datasets.SVHN.split_list
    assert [[file.name, file.md5] for file in svhn.SVHN.files] == [lists["train"][1:], lists["test"][1:]]


@pytest.fixture
def files(tmp_path, monkeypatch):
    for name, count in (("train_32x32.mat", 20), ("test_32x32.mat", 10)):
        pixels = np.random.default_rng(count).integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        savemat(tmp_path / name, {"X": pixels, "y": 1 + np.arange(count)[:, None] % 10})
    remote = tuple(
        RemoteFile(file.name, file_hash(tmp_path / file.name, "md5"), ()) for file in svhn.SVHN.files
    )
    monkeypatch.setattr(svhn, "SVHN", Publication("svhn", remote, (".",)))
    return tmp_path


def test_reads_pixels_and_calls_the_digit_zero_class_zero(files):
    data = svhn.svhn(files)
    assert data.train.inputs.shape == (20, 3, 32, 32)
    assert data.test.targets.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    pixels = np.random.default_rng(10).integers(0, 256, (32, 32, 3, 10), dtype=np.uint8)
    assert np.array_equal(data.test.inputs[3], pixels[:, :, :, 3].transpose(2, 0, 1))


def test_file_of_another_kind_is_named(files, monkeypatch):
    (files / "test_32x32.mat").write_bytes(b"not MATLAB" * 20)
    remote = tuple(RemoteFile(file.name, file_hash(files / file.name, "md5"), ()) for file in svhn.SVHN.files)
    monkeypatch.setattr(svhn, "SVHN", Publication("svhn", remote, (".",)))
    with pytest.raises(genbench.InvalidInput, match=r"cannot read .*test_32x32\.mat"):
        svhn.svhn(files)


def test_missing_without_network(tmp_path):
    with pytest.raises(
        genbench.InvalidInput, match=r"put train_32x32\.mat, test_32x32\.mat from https://ufldl"
    ):
        svhn.svhn(tmp_path)
