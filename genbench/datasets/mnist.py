"""MNIST and Fashion-MNIST: the same four files in the IDX format, plain or gzip-compressed."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import genbench
from genbench.datasets.content import tensor_checksum
from genbench.datasets.remote import Publication, RemoteFile

__all__ = ["FASHION_MNIST", "MNIST", "fashion_mnist", "mnist"]

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
TASK = genbench.Task("classification", (1, 28, 28), 10)

# Of the decoded arrays: it also tells whether files that were unpacked long ago are still what they were.
MNIST_CHECKSUM = "sha256:1c322e5f061ee8d018c3f009204bdaf41960e782da1f710d2220e42fd184f9e4"


def _files(
    md5s: tuple[str, ...], sha256s: tuple[str, ...], mirrors: tuple[str, ...]
) -> tuple[RemoteFile, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(
        RemoteFile(f"{name}-ubyte.gz", md5, tuple(f"{mirror}{name}-ubyte.gz" for mirror in mirrors), sha256)
        for name, md5, sha256 in zip(names, md5s, sha256s, strict=True)
    )


MNIST = Publication(
    "mnist",
    _files(
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    folders=("MNIST/raw", "mnist/MNIST/raw", "mnist/raw", "mnist", "MNIST", "raw", "."),
    accepts_unpacked=True,
)

FASHION_MNIST = Publication(
    "fashion-mnist",
    _files(
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        # The bucket that torchvision names answers over plain http alone.
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        ),
    ),
    folders=(
        "FashionMNIST/raw",
        "fashion-mnist/FashionMNIST/raw",
        "fashion-mnist/raw",
        "fashion-mnist",
        "FashionMNIST",
        "raw",
        ".",
    ),
    accepts_unpacked=True,
)


@genbench.dataset(
    checksum=MNIST_CHECKSUM,
    task=TASK,
    examples=60_000,
    test_examples=10_000,
    source="LeCun et al. 1998, Gradient-based learning applied to document recognition",
)
def mnist(root: Path | None) -> genbench.Data:
    """MNIST: 60,000 and 10,000 handwritten digits, 28 x 28 gray pixels, 10 classes."""
    train, test, folder = _read(MNIST, root)
    checksum = tensor_checksum((train.inputs, train.targets, test.inputs, test.targets))
    if checksum != MNIST_CHECKSUM:
        raise genbench.InvalidInput(f"dataset 'mnist': the files in {folder} do not hold the MNIST digits")
    return genbench.Data(train, test, TASK, checksum)


@genbench.dataset(
    checksum=FASHION_MNIST.checksum,
    task=TASK,
    examples=60_000,
    test_examples=10_000,
    source="Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747",
)
def fashion_mnist(root: Path | None) -> genbench.Data:
    """Fashion-MNIST: 60,000 and 10,000 articles of clothing, 28 x 28 gray pixels, 10 classes."""
    train, test, folder = _read(FASHION_MNIST, root)
    # No checksum is published for unpacked files; that the set is balanced tells it from its look-alikes.
    for split, per_class in ((train, 6000), (test, 1000)):
        if not torch.bincount(split.targets, minlength=10).eq(per_class).all():
            raise genbench.InvalidInput(f"dataset 'fashion-mnist': {folder} holds another data set")
    return genbench.Data(train, test, TASK, FASHION_MNIST.checksum)


def _read(publication: Publication, root: Path | None) -> tuple[genbench.Split, genbench.Split, Path]:
    """Both splits, and the folder in which they were found."""
    paths = publication.fetch(root)
    arrays = [
        _read_idx(paths[file.name], publication.dataset, count, labels="labels" in file.name)
        for file, count in zip(publication.files, (60_000, 60_000, 10_000, 10_000), strict=True)
    ]
    train = genbench.Split(arrays[0].unsqueeze(1), arrays[1].long())
    test = genbench.Split(arrays[2].unsqueeze(1), arrays[3].long())
    return train, test, paths[publication.files[0].name].parent


def _read_idx(path: Path, dataset: str, count: int, labels: bool) -> Tensor:
    """The bytes of an IDX file: a magic number and the sizes, big-endian with 32 bits, then the values."""
    shape = (count,) if labels else (count, 28, 28)
    header = np.array([LABELS_MAGIC if labels else IMAGES_MAGIC, *shape], dtype=">u4").tobytes()
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise genbench.InvalidInput(f"dataset '{dataset}': cannot read {path}: {error}") from error
    values = np.frombuffer(content, dtype=np.uint8)
    size = len(header) + int(np.prod(shape))
    if not content.startswith(header) or len(values) != size or (labels and values[len(header) :].max() > 9):
        raise genbench.InvalidInput(
            f"dataset '{dataset}': {path} is damaged: expected {size} bytes of an IDX file of shape {shape}, "
            f"got {len(values)}"
        )
    return torch.from_numpy(values[len(header) :].reshape(shape).copy())
