"""Pictures sorted into ``train/CLASS/*`` and ``test/CLASS/*``, read from a folder, a zip or a tar."""

from __future__ import annotations

import hashlib
import unicodedata
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import UnidentifiedImageError

from genbench.base.canonical import canonical_json
from genbench.base.data import Data, Split, Task
from genbench.base.errors import InvalidInput, Remark
from genbench.datasets.archives import ARCHIVES, UNREADABLE, Entry, entries
from genbench.datasets.decoding import decoded_ahead
from genbench.datasets.pixels import pixels

__all__ = ["ARCHIVES", "Picture", "checksum", "decode", "locate", "read"]

SPLITS = ("train", "test")
VALIDATION = ("dev", "val", "valid", "validation")
"""Folders beside the splits that are not read: the validation set is a part of the training pictures."""
FORMATS = (
    ".apng", ".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
    ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Endings, in any case, of files that must be pictures."""
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8")
"""Files of other endings that begin like this are pictures too, and so are those of WebP."""
EXAMPLES = 3


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

    Raises
    ------
    InvalidInput
        There are two archives of one split, and nothing tells which of them is meant.
    """
    if root.is_file():
        return (root,) if root.name.lower().endswith(ARCHIVES) else None
    if all((root / split).is_dir() for split in SPLITS):
        beside = [path.name for split in SPLITS for path in _archives(root, split)]
        beside += [name for name in VALIDATION if (root / name).is_dir()]
        if beside:
            line = f"{root}: the folders train and test are read, {', '.join(beside)} beside them not"
            warnings.warn(line, Remark, stacklevel=2)
        return (root,)
    pair = [_only_archive(root, split) for split in SPLITS]
    if pair[0] and pair[1]:
        return (pair[0], pair[1])
    archives = sorted(path for path in root.glob("*") if path.name.lower().endswith(ARCHIVES))
    return (archives[0],) if len(archives) == 1 else None


def _archives(root: Path, split: str) -> list[Path]:
    return [path for suffix in ARCHIVES if (path := root / f"{split}{suffix}").is_file()]


def _only_archive(root: Path, split: str) -> Path | None:
    found = _archives(root, split)
    if len(found) > 1:
        names = " and ".join(sorted(path.name for path in found))
        raise InvalidInput(f"{root}: {names} are both there; which are the pictures of {split}? Keep one")
    return found[0] if found else None


def read(locations: tuple[Path, ...], dataset: str) -> list[Picture]:
    """All pictures, sorted by split, class and name.

    Names are compared as people read them, in the composed form of Unicode. What is left out (hidden files
    and folders, files that are no pictures, files that belong to no class, links that lead nowhere) is
    counted in a `Remark` for each reason.

    Raises
    ------
    InvalidInput
        A file or archive cannot be read, there is nothing in ``train`` or in ``test`` or in the folder of a
        class, a name is no text, or two pictures have one name.
    """
    found: dict[str, Picture] = {}
    sources: dict[str, PurePosixPath] = {}
    left_out: dict[str, list[str]] = {}
    classes: dict[tuple[str, str], None] = {}
    for location in locations:
        try:
            for entry in entries(location, SPLITS, _is_picture):
                place, why = _place(entry)
                if place and (len(place) > 2 or entry.kind == "folder"):
                    classes[place[0], place[1]] = None
                if why:
                    left_out.setdefault(why, []).append(str(entry.path))
                if why or len(place) < 3:
                    continue
                assert entry.content is not None
                picture = Picture(place[0], place[1], "/".join(place[2:]), entry.content)
                _check_name(picture, sources.get(picture.path), entry.path, dataset)
                found[picture.path] = picture
                sources[picture.path] = entry.path
        except UNREADABLE as error:
            raise InvalidInput(f"dataset '{dataset}': cannot read {location}: {error}") from error
    where = " and ".join(map(str, locations))
    _remark(dataset, {f"files left out, {why}": names for why, names in left_out.items()})
    missing = [split for split in SPLITS if not any(picture.split == split for picture in found.values())]
    if missing:
        raise InvalidInput(f"dataset '{dataset}': no pictures {missing[0]}/CLASS/* in {where}")
    empty = sorted(classes.keys() - {(picture.split, picture.label) for picture in found.values()})
    if empty:
        raise InvalidInput(
            f"dataset '{dataset}': no pictures in {split}/{label}; "
            f"read are {' '.join(FORMATS)}, else remove the folder"
            for split, label in empty
        )
    return [found[path] for path in sorted(found)]


def _is_picture(path: PurePosixPath, head: bytes) -> bool:
    if _is_hidden(path):
        return False
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return path.suffix.lower() in FORMATS or head.startswith(BEGINNINGS) or webp


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part == "__MACOSX" or (part.startswith(".") and part.strip(".")) for part in path.parts)


def _place(entry: Entry) -> tuple[tuple[str, ...], str]:
    """Split, class and name, whatever folder an archive wraps them in; and why the entry is left out."""
    parts = tuple(unicodedata.normalize("NFC", part) for part in entry.path.parts)
    at = next((index for index, part in enumerate(parts) if part in SPLITS), len(parts))
    place = parts[at:]
    hidden = _is_hidden(entry.path)
    if entry.kind == "folder":
        return (place if len(place) == 2 and not hidden else ()), ""
    if hidden:
        return (), "hidden, or in a hidden folder"
    if entry.kind == "link":
        return (place if len(place) > 2 else ()), "links that lead nowhere or in a circle"
    if not place:
        return (), "outside of train and test"
    if len(place) == 2:
        return (), "beside the folders of the classes"
    return place, "" if entry.content is not None else "no pictures"


def _check_name(picture: Picture, before: PurePosixPath | None, path: PurePosixPath, dataset: str) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            f"dataset '{dataset}': the file name {str(path)!a} is not UTF-8; rename it"
        ) from None
    if before is not None:
        raise InvalidInput(
            f"dataset '{dataset}': {before} and {path} are both {picture.path}; rename or remove one"
        )


def _remark(dataset: str, counted: dict[str, list[str]]) -> None:
    """A line for each thing that was left out or changed: how often, what, and examples."""
    for what, names in sorted(counted.items()):
        examples = ", ".join(sorted(names)[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")
        line = f"dataset '{dataset}': {what}: {len(names)} ({examples})"
        warnings.warn(line.encode("utf-8", "backslashreplace").decode(), Remark, stacklevel=3)


def checksum(pictures: list[Picture]) -> str:
    """Identify the pictures by their names and encoded bytes.

    The decoded pixels would depend on the decoder: versions of the JPEG library differ in single bits.
    """
    listing = [[each.path, hashlib.sha256(each.content).hexdigest()] for each in pictures]
    return f"sha256:{hashlib.sha256(canonical_json(listing).encode()).hexdigest()}"


def decode(pictures: list[Picture], dataset: str, size: int | None = None) -> Data:
    """Decode pictures into uint8 NCHW splits; gray if all are, else RGB; classes in alphabetical order.

    What a picture was saved as makes no difference: 16 bits are scaled to 8, photographs turned upright,
    palettes looked up, and of several frames the first is taken. A `Remark` counts what was changed.

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
    remarks: dict[str, list[str]] = {}
    arrays = []
    ahead = decoded_ahead([picture.content for picture in pictures], size)
    for picture, found in zip(pictures, ahead, strict=True):
        said: list[str] = []
        try:
            array, said = found or (pixels(picture.content, size, said.append), said)
            arrays.append(array)
        except UnidentifiedImageError as error:
            raise InvalidInput(
                f"dataset '{dataset}': cannot decode {picture.path}: it is no picture, or damaged"
            ) from error
        except Exception as error:  # decoders raise anything at all on damaged files
            why = str(error).replace("\n", " ") or type(error).__name__
            raise InvalidInput(f"dataset '{dataset}': cannot decode {picture.path}: {why}") from error
        for what in said:
            remarks.setdefault(what, []).append(picture.path)
    _remark(dataset, {f"pictures {what}": names for what, names in remarks.items()})
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
