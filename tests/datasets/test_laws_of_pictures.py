"""Laws of pictures: what they were saved as, and in what they lie, changes no pixel and no label."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.base.data import Data
from genbench.base.errors import InvalidInput, Remark
from genbench.datasets.pictures import decode, locate, read

LOSSLESS = {
    "png": {"format": "PNG"},
    "bmp": {"format": "BMP"},
    "tiff": {"format": "TIFF"},
    "tif": {"format": "TIFF", "compression": "tiff_lzw"},
    "webp": {"format": "WEBP", "lossless": True},
    "ppm": {"format": "PPM"},
}


def made(seed: int, *, gray: bool) -> dict[str, np.ndarray]:
    """Pictures of two classes in both splits, by their path without an ending."""
    draw = np.random.default_rng(seed)
    shape = (5, 7) if gray else (5, 7, 3)
    return {
        f"{split}/{label}/{number}": draw.integers(0, 256, shape, dtype=np.uint8)
        for split in ("train", "test")
        for label in ("cat", "dög")
        for number in range(2)
    }


def encoded(pictures: dict[str, np.ndarray], ending: str) -> dict[str, bytes]:
    files = {}
    for path, array in pictures.items():
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, **LOSSLESS[ending])
        files[f"{path}.{ending}"] = stream.getvalue()
    return files


def lay(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def loaded(root: Path) -> Data:
    places = locate(root)
    assert places is not None
    return decode(read(places, "images"), "images")


def same(first: Data, second: Data) -> bool:
    return all(
        torch.equal(getattr(one, part), getattr(other, part))
        for one, other in ((first.train, second.train), (first.test, second.test))
        for part in ("inputs", "targets")
    )


@pytest.mark.parametrize("ending", list(LOSSLESS))
@pytest.mark.parametrize("gray", [True, False])
def test_saving_in_another_lossless_format_changes_no_pixel(tmp_path, ending, gray):
    pictures = made(seed=len(ending), gray=gray)
    data = loaded(lay(tmp_path, encoded(pictures, ending)))
    expected = np.stack(
        [pictures[f"train/{label}/{number}"] for label in ("cat", "dög") for number in (0, 1)]
    )
    if gray and ending == "webp":  # which has no gray: three equal channels
        expected = np.repeat(expected[..., None], 3, axis=-1)
    expected = expected[:, None] if expected.ndim == 3 else expected.transpose(0, 3, 1, 2)
    assert np.array_equal(data.train.inputs.numpy(), expected)
    assert data.train.targets.tolist() == [0, 0, 1, 1]


def test_folders_and_archives_hold_the_same_data_in_any_order(tmp_path):
    files = encoded(made(3, gray=False), "png")
    whole = loaded(lay(tmp_path / "folder", files))
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip" / "any.zip", "w") as archive:
        for name, content in reversed(files.items()):
            archive.writestr(name, content)
    (tmp_path / "tar").mkdir()
    for split in ("train", "test"):
        with tarfile.open(tmp_path / "tar" / f"{split}.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "folder" / split, split)
    for place in ("zip", "tar"):
        found = loaded(tmp_path / place)
        assert same(found, whole)
        assert found.checksum == whole.checksum


@pytest.mark.parametrize("bits", [8, 16])
def test_sixteen_bits_are_the_eight_that_they_are_257_times(tmp_path, bits):
    values = np.arange(256, dtype=np.uint16).reshape(16, 16)
    array = values.astype(np.uint8) if bits == 8 else values * 257
    content = {}
    for ending, format_ in (("png", "PNG"), ("tiff", "TIFF")):
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, format_)
        content |= {f"{split}/{ending}/1.{ending}": stream.getvalue() for split in ("train", "test")}
    with pytest.warns(Remark) if bits == 16 else _nothing():
        data = loaded(lay(tmp_path, content))
    assert (data.train.inputs[:, 0].numpy() == values).all()


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def twelve_bits(largest: int | None = None, packed: bool = False) -> bytes:
    """A gray TIFF of 12-bit values: packed as such, or in 16 bits, with or without word of the largest."""
    values = np.linspace(0, 4095, 64, dtype=np.uint16).reshape(8, 8)
    stream = io.BytesIO()
    tags = {} if largest is None else {281: largest}
    Image.fromarray(values).save(stream, "TIFF", tiffinfo=tags)
    content = stream.getvalue()
    if not packed:
        return content
    import struct

    body = bytearray()
    for first, second in zip(values.flat[::2], values.flat[1::2], strict=True):
        body += bytes([first >> 4, (first & 15) << 4 | second >> 8, second & 255])
    entries = [
        (256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 12), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
        (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, len(body)),
    ]  # fmt: skip
    header = struct.pack("<2sHI", b"II", 42, 8 + len(body))
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *each) for each in entries)
    return header + bytes(body) + directory + b"\0\0\0\0"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (twelve_bits(packed=True), "cannot decode test/a/1.tiff: it holds whole numbers of an unknown range"),
        (twelve_bits(largest=4095), "its 16 bits go up to 4095 only; scale it to all 16 bits, or to 8"),
    ],
)
def test_twelve_bits_that_are_told_as_such_are_refused(tmp_path, content, why):
    lay(tmp_path, {f"{split}/a/1.tiff": content for split in ("train", "test")})
    with pytest.raises(InvalidInput, match=why):
        loaded(tmp_path)


def test_sixteen_bits_that_may_hold_twelve_are_told(tmp_path):
    lay(tmp_path, {f"{split}/a/1.tiff": twelve_bits() for split in ("train", "test")})
    with pytest.warns(Remark, match="no value above 4095, read as dark: if they hold 12 bits, scale them: 2"):
        loaded(tmp_path)


def test_floating_point_pictures_are_refused(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(stream, "TIFF")
    lay(tmp_path, {f"{split}/a/1.tiff": stream.getvalue() for split in ("train", "test")})
    with pytest.raises(InvalidInput, match="it holds floating-point numbers, whose range is unknown"):
        loaded(tmp_path)


def test_two_archives_of_one_split_are_asked_about(tmp_path):
    for name in ("train.tar", "train.zip", "test.zip"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"train\.tar and train\.zip are both there; which are the"):
        locate(tmp_path)


def test_archives_beside_the_folders_are_told_to_be_left_out(tmp_path):
    lay(tmp_path, encoded(made(0, gray=True), "png"))
    (tmp_path / "train.zip").write_bytes(b"")
    with pytest.warns(Remark, match="the folders train and test are read, train.zip beside them not"):
        assert locate(tmp_path) == (tmp_path,)


def test_a_validation_folder_beside_the_splits_is_told(tmp_path):
    lay(tmp_path, encoded(made(0, gray=True), "png"))
    (tmp_path / "val").mkdir()
    with pytest.warns(Remark, match="the folders train and test are read, val beside them not"):
        locate(tmp_path)


def test_links_that_lead_to_themselves_are_left_out_and_counted(tmp_path):
    lay(tmp_path, encoded(made(0, gray=True), "png"))
    whole = loaded(tmp_path)
    (tmp_path / "train" / "cat" / "self.png").symlink_to("self.png")
    (tmp_path / "train" / "cat" / "up").symlink_to("..")
    with pytest.warns(Remark, match="links that lead nowhere or in a circle: 2"):
        assert same(loaded(tmp_path), whole)
