import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

import genbench
from genbench.base.files import file_hash
from genbench.datasets import cifar
from genbench.datasets.remote import Publication, RemoteFile


def test_archives_are_those_of_torchvision():
    for publication, reader in (
        (cifar.CIFAR10, torchvision.datasets.CIFAR10),
        (cifar.CIFAR100, torchvision.datasets.CIFAR100),
    ):
        (file,) = publication.files
        assert (file.name, file.md5, file.urls) == (reader.filename, reader.tgz_md5, (reader.url,))


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the layout of torchvision with ten made-up images a batch, and checksums to match."""
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    reader = torchvision.datasets.CIFAR10
    hashes = {}
    for index, name in enumerate([*(name for name, _ in reader.train_list), "test_batch"]):
        pixels = np.random.default_rng(index).integers(0, 256, (10, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": list(range(10))}))
        hashes[name] = file_hash(folder / name, "md5")
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    monkeypatch.setattr(reader, "train_list", [[name, hashes[name]] for name, _ in reader.train_list])
    monkeypatch.setattr(reader, "test_list", [["test_batch", hashes["test_batch"]]])
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": file_hash(folder / "batches.meta", "md5")})
    return folder


def check(data: genbench.Data) -> None:
    assert data.train.inputs.shape == (50, 3, 32, 32)
    assert data.test.targets.tolist() == list(range(10))
    first = np.random.default_rng(0).integers(0, 256, (10, 3072), dtype=np.uint8)[0]
    assert np.array_equal(data.train.inputs[0].flatten(), first)
    assert data.task == genbench.Task("classification", (3, 32, 32), 10)


@pytest.mark.parametrize("below", [".", "cifar10"])
def test_reads_the_folder_of_torchvision(batches, tmp_path, below, listing):
    place = tmp_path / "root" / below
    place.mkdir(parents=True)
    batches.rename(place / batches.name)
    before = listing(place)
    check(cifar.cifar10(tmp_path / "root"))
    assert listing(place) == before


def test_unpacks_the_archive_into_the_cache_only(batches, tmp_path, monkeypatch, cache):
    root = tmp_path / "root"
    root.mkdir()
    archive = root / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(batches, batches.name)
    file = RemoteFile(archive.name, file_hash(archive, "md5"), ())
    monkeypatch.setattr(cifar, "CIFAR10", Publication("cifar10", (file,), (".", "cifar10")))
    check(cifar.cifar10(root))
    assert list(root.iterdir()) == [archive]
    assert not list((cache / "scratch").iterdir())


def test_archive_that_reaches_outside_is_refused(tmp_path, monkeypatch):
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("../../escaped")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    file = RemoteFile(archive.name, file_hash(archive, "md5"), ())
    monkeypatch.setattr(cifar, "CIFAR10", Publication("cifar10", (file,), (".",)))
    with pytest.raises(genbench.InvalidInput, match="cannot unpack"):
        cifar.cifar10(tmp_path)


def test_damaged_batch_is_refused_before_it_is_read(batches):
    (batches / "data_batch_3").write_bytes(b"torn")
    with pytest.raises(genbench.InvalidInput, match="cifar-10-batches-py is incomplete or damaged"):
        cifar.cifar10(batches.parent)


@pytest.mark.parametrize("component", [cifar.cifar10, cifar.cifar100])
def test_missing_without_network(component):
    with pytest.raises(
        genbench.InvalidInput, match=r"put cifar-100?-python.tar.gz from https://www.cs.toronto"
    ):
        component(None)
