import gzip
import hashlib
import shutil

import numpy as np
import pytest
import torch
import torchvision.datasets

import genbench
from genbench.datasets import cifar, mnist, svhn
from genbench.datasets.remote import RemoteFile


def test_files_are_those_of_torchvision():
    for publication, reader in (
        (mnist.MNIST, torchvision.datasets.MNIST),
        (mnist.FASHION_MNIST, torchvision.datasets.FashionMNIST),
    ):
        assert [(file.name, file.md5) for file in publication.files] == reader.resources
    first = next(each for each in torchvision.datasets.MNIST.mirrors if each.startswith("https://"))
    assert mnist.MNIST.files[0].urls[0].startswith(first)


def test_published_files_come_over_https_and_are_known_by_sha256():
    for publication in (mnist.MNIST, mnist.FASHION_MNIST, cifar.CIFAR10, cifar.CIFAR100, svhn.SVHN):
        for file in publication.files:
            assert all(url.startswith("https://") for url in file.urls)
            assert len(file.sha256) == 64


@pytest.mark.parametrize("below", ["", "mnist", "mnist/MNIST/raw"])
def test_real_files_are_read_in_every_layout_and_left_alone(shared_data, listing, offline, cache, below):
    before = listing(shared_data / "mnist")
    data = mnist.mnist(shared_data / below)
    assert data.train.inputs.shape == (60_000, 1, 28, 28)
    assert data.train.targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test.targets[:5].tolist() == [7, 2, 1, 0, 4]
    assert abs(data.train.inputs.float().mean() / 255 - 0.1307) < 1e-4
    assert listing(shared_data / "mnist") == before
    assert not offline
    assert not cache.exists()


def test_unpacked_files_are_read_too_and_checked(shared_data, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in (shared_data / "mnist" / "MNIST" / "raw").glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    assert len(mnist.mnist(tmp_path).test) == 10_000
    images = raw / "t10k-images-idx3-ubyte"
    content = bytearray(images.read_bytes())
    content[5000] ^= 1
    images.write_bytes(content)
    with pytest.raises(genbench.InvalidInput, match=r"files in .*MNIST/raw do not hold the MNIST digits"):
        mnist.mnist(tmp_path)
    images.write_bytes(content[:-1])
    with pytest.raises(genbench.InvalidInput, match=r"t10k-images-idx3-ubyte is damaged"):
        mnist.mnist(tmp_path)


def test_damaged_file_is_named(shared_data, tmp_path):
    shutil.copytree(shared_data / "mnist", tmp_path, dirs_exist_ok=True)
    labels = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    labels.chmod(0o644)
    labels.write_bytes(labels.read_bytes()[:-10])
    with pytest.raises(genbench.InvalidInput, match=r"train-labels-idx1-ubyte\.gz is damaged"):
        mnist.mnist(tmp_path)


def test_missing_files_without_network_say_what_to_put_where(tmp_path, offline, capsys):
    with pytest.raises(genbench.InvalidInput) as caught:
        mnist.mnist(tmp_path)
    (problem,) = caught.value.problems
    assert "\n" not in problem
    for part in ("train-images-idx3-ubyte.gz", "https://ossci-datasets", str(tmp_path / "MNIST/raw")):
        assert part in problem
    assert caught.value.exit_code == 3
    assert len(offline) == 2
    assert "downloading https://ossci-datasets" in capsys.readouterr().err


def test_fashion_mnist_of_made_up_pixels(tmp_path, monkeypatch):
    """The real files are not at hand; balanced ones of the right shape pass, and unbalanced ones do not."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.zeros((60_000, 28, 28), dtype=np.uint8)

    def pack(name, magic, values):
        header = np.array([magic, *values.shape], dtype=">u4").tobytes()
        content = gzip.compress(header + values.tobytes(), 1)
        (raw / name).write_bytes(content)
        return RemoteFile(name, hashlib.md5(content, usedforsecurity=False).hexdigest(), ())

    def publish(labels):
        files = (
            pack("train-images-idx3-ubyte.gz", 2051, pixels),
            pack("train-labels-idx1-ubyte.gz", 2049, labels),
            pack("t10k-images-idx3-ubyte.gz", 2051, pixels[:10_000]),
            pack("t10k-labels-idx1-ubyte.gz", 2049, (np.arange(10_000) % 10).astype(np.uint8)),
        )
        monkeypatch.setattr(
            mnist,
            "FASHION_MNIST",
            mnist.Publication("fashion-mnist", files, ("FashionMNIST/raw",), accepts_unpacked=True),
        )

    publish((np.arange(60_000) % 10).astype(np.uint8))
    data = mnist.fashion_mnist(tmp_path)
    assert data.train.inputs.shape == (60_000, 1, 28, 28)
    assert data.train.targets.dtype == torch.int64
    publish(np.zeros(60_000, dtype=np.uint8))
    with pytest.raises(genbench.InvalidInput, match="holds another data set"):
        mnist.fashion_mnist(tmp_path)
