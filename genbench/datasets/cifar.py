"""CIFAR-10 and CIFAR-100, read by torchvision from its own folder or from the published archive."""

from __future__ import annotations

import dataclasses
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import genbench
from genbench.base.constraints import Count
from genbench.base.files import cache_folder, disk_full
from genbench.datasets.remote import Publication, RemoteFile

__all__ = ["CIFAR10", "CIFAR100", "cifar10", "cifar100"]

PUBLISHED_SIZE = 32


def _publication(dataset: str, archive: str, md5: str, sha256: str) -> Publication:
    file = RemoteFile(archive, md5, (f"https://www.cs.toronto.edu/~kriz/{archive}",), sha256)
    return Publication(dataset, (file,), folders=(".", dataset, dataset.upper()))


CIFAR10 = _publication(
    "cifar10",
    "cifar-10-python.tar.gz",
    "c58f30108f718f92721af3b95e74349a",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)
CIFAR100 = _publication(
    "cifar100",
    "cifar-100-python.tar.gz",
    "eb9058c3a382ffc7106e4002c42a8d85",
    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
)


def _task(classes: int) -> Callable[[int], genbench.Task]:
    return lambda size: genbench.Task("classification", (3, size, size), classes)


@genbench.dataset(
    checksum=CIFAR10.checksum,
    task=_task(10),
    examples=50_000,
    test_examples=10_000,
    source="Krizhevsky 2009, Learning multiple layers of features from tiny images",
)
def cifar10(root: Path | None, *, size: Count = PUBLISHED_SIZE) -> genbench.Data:
    """CIFAR-10: 50,000 and 10,000 photographs, 32 x 32 pixels in colour, 10 classes.

    Parameters
    ----------
    root : Path or None
    size : int
        Height and width to resize to.
    """
    import torchvision

    return _resized(_read(CIFAR10, torchvision.datasets.CIFAR10, root, 10), size)


@genbench.dataset(
    checksum=CIFAR100.checksum,
    task=_task(100),
    examples=50_000,
    test_examples=10_000,
    source="Krizhevsky 2009, Learning multiple layers of features from tiny images",
)
def cifar100(root: Path | None, *, size: Count = PUBLISHED_SIZE) -> genbench.Data:
    """CIFAR-100: 50,000 and 10,000 photographs, 32 x 32 pixels in colour, 100 classes.

    Parameters
    ----------
    root : Path or None
    size : int
        Height and width to resize to.
    """
    import torchvision

    return _resized(_read(CIFAR100, torchvision.datasets.CIFAR100, root, 100), size)


def _read(publication: Publication, reader: Any, root: Path | None, classes: int) -> genbench.Data:
    for place in publication.places(root):
        if (place / reader.base_folder).is_dir():
            return _from_batches(publication, reader, place, classes)
    (archive,) = publication.fetch(root).values()
    scratch = cache_folder() / "scratch"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
            return _from_batches(publication, reader, Path(folder), classes)
    except (OSError, tarfile.TarError) as error:
        if full := disk_full(error, scratch):
            raise full from error
        raise genbench.InvalidInput(
            f"dataset '{publication.dataset}': cannot unpack {archive} into {cache_folder()}: {error}"
        ) from error


def _resized(data: genbench.Data, size: int) -> genbench.Data:
    if size == PUBLISHED_SIZE:
        return data
    from torchvision.transforms.v2.functional import resize

    train, test = (
        genbench.Split(resize(split.inputs, [size, size], antialias=True), split.targets)
        for split in (data.train, data.test)
    )
    task = dataclasses.replace(data.task, input_shape=(3, size, size))
    return dataclasses.replace(data, train=train, test=test, task=task)


def _from_batches(publication: Publication, reader: Any, place: Path, classes: int) -> genbench.Data:
    splits = []
    for train in (True, False):
        try:
            loaded = reader(place, train=train, download=False)
        except (RuntimeError, OSError) as error:
            # torchvision compares the MD5 of every batch before it reads one.
            raise genbench.InvalidInput(
                f"dataset '{publication.dataset}': {place / reader.base_folder} is incomplete or damaged; "
                f"unpack {publication.files[0].name} from {publication.files[0].urls[0]} there again"
            ) from error
        pixels = torch.from_numpy(loaded.data).permute(0, 3, 1, 2).contiguous()
        splits.append(genbench.Split(pixels, torch.tensor(loaded.targets)))
    task = _task(classes)(PUBLISHED_SIZE)
    return genbench.Data(splits[0], splits[1], task, publication.checksum)
