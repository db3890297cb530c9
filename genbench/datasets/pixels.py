"""One encoded picture to 8-bit pixels, whatever it was saved as; what was changed on the way is said."""

from __future__ import annotations

import io
import json
import sys
import warnings
from collections.abc import Callable
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

__all__ = ["pixels"]

ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright that was saved in an orientation of EXIF."""

BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO, LARGEST_SAMPLE = 258, 262, 0, 281
COLOURED = ("RGB", "RGBA", "RGBX", "RGBa", "P", "PA")
GRAY = ("1", "L", "LA", "La")
MAXIMUM_OF_16_BITS, MAXIMUM_OF_12_BITS = 65535, 4095
PNG_GRAY_AND_ALPHA = 4
"""Colour type in the header; with 16 bits Pillow reads it as colours."""


def pixels(content: bytes, size: int | None, say: Callable[[str], None]) -> NDArray[np.uint8]:
    """The decoded picture, shape (height, width) if it is gray, else (height, width, 3).

    Parameters
    ----------
    size : int or None
        Height and width to fit it to (bilinear, the longer side cropped to the centre).
    say : callable
        Told each thing that is not as in the file, in words that follow "pictures".

    Raises
    ------
    Exception
        Of any kind, as decoders raise them: the bytes are no picture, cut short, or of values whose scale
        the file does not tell.
    """
    with warnings.catch_warnings():
        # A picture of hundreds of megapixels is refused instead of warned about.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content)) as opened:
            # The second picture of a photograph's MPO file is another view of the first, or a preview.
            if opened.format != "MPO" and getattr(opened, "n_frames", 1) > 1:
                say("of several frames or pages, the first one taken")
            before = opened.getexif().get(ORIENTATION)
            opened.load()
            # Some formats are turned while they are loaded, and then have no orientation any more.
            orientation = opened.getexif().get(ORIENTATION)
            image = _eight_bits(opened, content, say)
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    if orientation in UPRIGHT or before in UPRIGHT:
        say("turned upright, as their EXIF orientation says")
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _eight_bits(image: Image.Image, content: bytes, say: Callable[[str], None]) -> Image.Image:
    """The picture in mode L, or RGB where it has colours."""
    if _sample_bits(image, content) == 16:
        say("of 16 bits, scaled to 8")
    if image.mode.startswith("I"):
        return _scaled(image, say)
    if image.mode == "F":
        raise ValueError("it holds floating-point numbers, whose range is unknown; save it with 8 or 16 bits")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        if opaque.getchannel("A").getextrema() != (255, 255):
            say("with transparency, read as if opaque")
        rgb = opaque.convert("RGB")
    else:
        if image.mode not in (*COLOURED, *GRAY):
            say(f"converted from {image.mode}")
        rgb = image.convert("L" if image.mode in GRAY else "RGB")
    gray = image.mode in GRAY or (image.format == "PNG" and content[25] == PNG_GRAY_AND_ALPHA)
    if gray or (image.mode in ("P", "PA") and _is_gray(rgb)):
        return rgb if rgb.mode == "L" else rgb.getchannel(0)
    return rgb


def _is_gray(image: Image.Image) -> bool:
    red, green, blue = (image.getchannel(each).tobytes() for each in range(3))
    return red == green == blue


def _sample_bits(image: Image.Image, content: bytes) -> int:
    """Bits of one sample as saved, as far as it matters here: 16, less, or more."""
    if image.format == "PNG":
        return content[24]  # of the header chunk, always the first
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        return max(np.atleast_1d(tags.get(BITS_PER_SAMPLE, 1)))
    return 16 if image.mode.startswith("I") else 8


def _scaled(image: Image.Image, say: Callable[[str], None]) -> Image.Image:
    """Gray of 16 bits as gray of 8: 0 stays black and 65535 becomes 255."""
    tags = getattr(image, "tag_v2", {})
    if tags and (image.mode == "I" or tags.get(BITS_PER_SAMPLE) not in (16, (16,))):
        raise ValueError("it holds whole numbers of an unknown range; save it with 8 or 16 bits, unsigned")
    if tags and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        raise ValueError("its 16 bits say that 0 is white, which is not read; save it with 0 as black")
    largest = tags.get(LARGEST_SAMPLE, MAXIMUM_OF_16_BITS) if tags else MAXIMUM_OF_16_BITS
    if np.max(largest) != MAXIMUM_OF_16_BITS:
        raise ValueError(f"its 16 bits go up to {np.max(largest)} only; scale it to all 16 bits, or to 8")
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > MAXIMUM_OF_16_BITS:
        raise ValueError(f"its values {values.min()} to {values.max()} are none of 16 bits")
    if 0 < values.max() <= MAXIMUM_OF_12_BITS:
        say("of 16 bits with no value above 4095, read as dark: if they hold 12 bits, scale them")
    return Image.fromarray((values // 257).astype(np.uint8))


def _decode_on(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Decode what is asked for, as `genbench.datasets.decoding` does: a line says the lengths of the pictures
    that follow; the answer is a line with shape and words of each, null for a faulty one, and the pixels."""
    for line in iter(questions.readline, b""):
        question = json.loads(line)
        contents = [questions.read(length) for length in question["lengths"]]
        found = [_tried(each, question["size"]) for each in contents]
        told = [each and (each[0].shape, each[1]) for each in found]
        answers.write(json.dumps(told).encode() + b"\n")
        answers.writelines(each[0].tobytes() for each in found if each)
        answers.flush()


def _tried(content: bytes, size: int | None) -> tuple[NDArray[np.uint8], list[str]] | None:
    said: list[str] = []
    try:
        return pixels(content, size, said.append), said
    except Exception:  # decoders raise anything at all; whoever asked decodes it once more, and says what
        return None


if __name__ == "__main__":
    _decode_on(sys.stdin.buffer, sys.stdout.buffer)
