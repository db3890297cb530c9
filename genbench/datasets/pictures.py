"""Pictures sorted into ``train/CLASS/*`` and ``test/CLASS/*``, read from a folder, a zip or a tar.

Archives are read in memory: nothing is unpacked, so no name in an archive can reach outside of anything.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from genbench.base.canonical import canonical_json
from genbench.base.data import Data, Split, Task
from genbench.base.errors import InvalidInput

__all__ = ["ARCHIVES", "Picture", "checksum", "decode", "locate", "read"]

SPLITS = ("train", "test")
_TAR_OPENERS: Mapping[str, Callable[..., Any]] = {
    ".tar.xz": lzma.open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar": open,
}
ARCHIVES = (*_TAR_OPENERS, ".zip")
FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Picture:
    """An encoded picture and its place: split, class, and the name within the class."""

    split: str
    label: str
    name: str
    content: bytes

    @property
    def path(self) -> str:
        """``SPLIT/CLASS/NAME``."""
        return f"{self.split}/{self.label}/{self.name}"


def locate(root: Path) -> tuple[Path, ...] | None:
    """Folder or archives below which the pictures are; None where there are none.

    `root` is an archive, or a folder with ``train`` and ``test`` as folders, as archives
    (``train.zip`` and ``test.zip``), or together in the only archive of the folder.
    """
    if root.is_file():
        return (root,) if root.name.lower().endswith(ARCHIVES) else None
    if all((root / split).is_dir() for split in SPLITS):
        return (root,)
    pair = [_first_archive(root, split) for split in SPLITS]
    if pair[0] and pair[1]:
        return (pair[0], pair[1])
    archives = sorted(path for path in root.glob("*") if path.name.lower().endswith(ARCHIVES))
    return (archives[0],) if len(archives) == 1 else None


def _first_archive(root: Path, split: str) -> Path | None:
    return next((path for suffix in ARCHIVES if (path := root / f"{split}{suffix}").is_file()), None)


def read(locations: tuple[Path, ...], dataset: str) -> list[Picture]:
    """All pictures, sorted by split, class and name.

    Raises
    ------
    InvalidInput
        A file or archive cannot be read, or there is nothing in ``train`` or in ``test``.
    """
    found: dict[str, Picture] = {}
    for location in locations:
        try:
            for path, content in _members(location):
                if picture := _classify(path, content):
                    found[picture.path] = picture
        except UNREADABLE as error:
            raise InvalidInput(f"dataset '{dataset}': cannot read {location}: {error}") from error
    where = " and ".join(map(str, locations))
    missing = [split for split in SPLITS if not any(picture.split == split for picture in found.values())]
    if missing:
        raise InvalidInput(f"dataset '{dataset}': no pictures {missing[0]}/CLASS/* in {where}")
    return [found[path] for path in sorted(found)]


def _members(location: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    if location.is_dir():
        for split in SPLITS:
            for path in (location / split).rglob("*"):
                if path.is_file() and path.suffix.lower() in FORMATS:
                    yield PurePosixPath(path.relative_to(location).as_posix()), path.read_bytes()
    elif location.name.lower().endswith(".zip"):
        with zipfile.ZipFile(location) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield PurePosixPath(member.filename), archive.read(member)
    else:
        opener = next(each for suffix, each in _TAR_OPENERS.items() if location.name.lower().endswith(suffix))
        with opener(location, "rb") as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for entry in archive:
                    if entry.isfile() and (opened := archive.extractfile(entry)):
                        yield PurePosixPath(entry.name), opened.read()
            # The checksum of the compressed stream is compared when its end is reached.
            while stream.read(2**20):
                pass


def _classify(path: PurePosixPath, content: bytes) -> Picture | None:
    """Read split and class off a path, whatever folder the archive wraps them in."""
    if path.suffix.lower() not in FORMATS or path.name.startswith(".") or "__MACOSX" in path.parts:
        return None
    at = next((index for index, part in enumerate(path.parts) if part in SPLITS), len(path.parts))
    split, *below = path.parts[at:] or [""]
    return Picture(split, below[0], "/".join(below[1:]), content) if len(below) >= 2 else None


def checksum(pictures: list[Picture]) -> str:
    """Identify the pictures by their names and encoded bytes.

    The decoded pixels would depend on the decoder: versions of the JPEG library differ in single bits.
    """
    listing = [[each.path, hashlib.sha256(each.content).hexdigest()] for each in pictures]
    return f"sha256:{hashlib.sha256(canonical_json(listing).encode()).hexdigest()}"


def decode(pictures: list[Picture], dataset: str, size: int | None = None) -> Data:
    """Decode pictures into uint8 NCHW splits; gray if all are, else RGB; classes in alphabetical order.

    Parameters
    ----------
    size : int, optional
        Fit each picture to this height and width (bilinear, the longer side cropped to the centre).

    Raises
    ------
    InvalidInput
        A picture cannot be decoded, sizes differ and `size` is not given, or a test class has no training
        pictures.
    """
    classes = sorted({picture.label for picture in pictures if picture.split == "train"})
    problems = [
        f"dataset '{dataset}': class '{label}' is in test but not in train"
        for label in sorted({picture.label for picture in pictures} - set(classes))
    ]
    if problems:
        raise InvalidInput(problems)
    arrays = [_pixels(picture, dataset, size) for picture in pictures]
    shapes = {array.shape[:2]: picture.path for array, picture in zip(arrays, pictures, strict=True)}
    if len(shapes) > 1:
        examples = ", ".join(f"{path} is {h} x {w}" for (h, w), path in sorted(shapes.items())[:3])
        raise InvalidInput(
            f"dataset '{dataset}': the pictures differ in size ({examples}); set size = N to resize them"
        )
    if any(array.ndim == 3 for array in arrays):
        arrays = [array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2) for array in arrays]
    splits = {}
    for split in SPLITS:
        chosen = [index for index, picture in enumerate(pictures) if picture.split == split]
        stacked = torch.from_numpy(np.stack([arrays[index] for index in chosen]))
        inputs = stacked.unsqueeze(1) if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2).contiguous()
        labels = torch.tensor([classes.index(pictures[index].label) for index in chosen])
        splits[split] = Split(inputs, labels)
    task = Task("classification", tuple(splits["train"].inputs.shape[1:]), len(classes))
    return Data(splits["train"], splits["test"], task, checksum(pictures))


def _pixels(picture: Picture, dataset: str, size: int | None) -> NDArray[np.uint8]:
    """The decoded picture, shape (height, width) if it is gray, else (height, width, 3)."""
    try:
        with warnings.catch_warnings():
            # A picture of hundreds of megapixels is refused instead of warned about.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(picture.content)) as opened:
                image = opened.convert("L" if opened.mode in ("1", "L") else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        raise InvalidInput(f"dataset '{dataset}': cannot decode {picture.path}: {error}") from error
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(image)
