"""Several processes decode what one would, and what they leave is decoded by whoever asked."""

import io
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image

import genbench
from genbench.datasets import decoding
from genbench.datasets.decoding import decoded_ahead
from genbench.datasets.pictures import Picture, decode
from genbench.datasets.pixels import pixels


def encoded(count: int) -> list[bytes]:
    """Pictures of two formats, gray and coloured, some of which are turned or of 16 bits."""
    drawn = np.random.default_rng(0)
    contents = []
    for number in range(count):
        stream = io.BytesIO()
        if number % 3 == 0:
            Image.fromarray(drawn.integers(0, 65535, (5, 4), dtype=np.uint16)).save(stream, "PNG")
        else:
            exif = Image.Exif()
            exif[0x0112] = 6 if number % 5 == 0 else 1
            shape = (5, 4, 3) if number % 2 else (5, 4)
            picture = Image.fromarray(drawn.integers(0, 256, shape, dtype=np.uint8))
            picture.save(stream, "JPEG", exif=exif)
        contents.append(stream.getvalue())
    return contents


@pytest.fixture
def shared_out(monkeypatch):
    """A few pictures are shared out between two processes."""
    monkeypatch.setattr(decoding, "ENOUGH", 4)
    monkeypatch.setattr(decoding, "FEWEST", 2)
    monkeypatch.setattr(decoding, "AT_ONCE", 3)
    monkeypatch.setattr(decoding, "cores", lambda: 2)


@pytest.mark.usefixtures("shared_out")
@pytest.mark.parametrize("size", [None, 3])
def test_the_pixels_and_the_words_are_those_of_one_process(size):
    contents = encoded(20)
    for content, found in zip(contents, decoded_ahead(contents, size), strict=True):
        said: list[str] = []
        assert np.array_equal(found[0], pixels(content, size, said.append))
        assert found[1] == said


@pytest.mark.usefixtures("shared_out")
def test_a_faulty_picture_is_left_and_then_named():
    contents = [*encoded(10), b"no picture"]
    found = decoded_ahead(contents, 4)
    assert [each is None for each in found] == [False] * 10 + [True]
    pictures = [Picture("train", "a", f"{place}.png", each) for place, each in enumerate(contents)]
    with pytest.raises(genbench.InvalidInput, match=r"cannot decode train/a/10.png: it is no picture"):
        decode(pictures, "images", 4)


@pytest.mark.usefixtures("shared_out")
@pytest.mark.parametrize(
    "command", ["exit 0", "printf '[[[5, 4], []]]\\n12'", "printf '{'", "printf '[]\\n'"]
)
def test_whoever_dies_or_says_nonsense_leaves_the_rest_to_the_caller(monkeypatch, command):
    started = subprocess.Popen
    monkeypatch.setattr(
        decoding.subprocess, "Popen", lambda given, **how: started(["sh", "-c", command], **how)
    )
    assert decoded_ahead(encoded(9), None) == [None] * 9
    pictures = [
        Picture(split, "a", f"{place}.png", each)
        for split in ("test", "train")
        for place, each in enumerate(encoded(9))
    ]
    assert decode(pictures, "images", 4).train.inputs.dtype == torch.uint8


def test_few_pictures_need_no_process(monkeypatch):
    monkeypatch.setattr(decoding.subprocess, "Popen", None)
    assert decoded_ahead(encoded(3), None) == [None] * 3
