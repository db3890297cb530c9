"""Random crops and flips of a whole block of images at once, on the device where the images are.

The draws are made on the CPU, so that an augmentation is the same on every device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from genbench.base.errors import InvalidInput

__all__ = ["Draws", "augment", "draw"]


@dataclass(frozen=True)
class Draws:
    """Where each image is cropped and whether it is flipped; None where a kind of change is off.

    Attributes
    ----------
    padding : (int, int)
        Zeros added at each side, vertically and horizontally.
    rows, columns : Tensor of int64, shape (n,)
        Upper left corner of the crop in the padded image, from 0 to twice the padding.
    flips : Tensor of bool, shape (n,)
    """

    padding: tuple[int, int]
    rows: Tensor | None = None
    columns: Tensor | None = None
    flips: Tensor | None = None

    def __getitem__(self, part: slice) -> Draws:
        rows, columns, flips = (
            None if each is None else each[part] for each in (self.rows, self.columns, self.flips)
        )
        return Draws(self.padding, rows, columns, flips)


def draw(
    kind: str, count: int, image_shape: tuple[int, ...], generator: torch.Generator, device: torch.device
) -> Draws | None:
    """Draw the augmentation of `count` images; None for the kind ``none``.

    Parameters
    ----------
    kind : {"none", "flip", "crop", "crop-flip"}
    image_shape : (channels, height, width)
    generator : torch.Generator
        On the CPU.
    device : torch.device
        Where the images are.

    Raises
    ------
    InvalidInput
        The inputs are no images.
    """
    if kind == "none":
        return None
    if len(image_shape) != 3:
        raise InvalidInput(
            f"augmentation '{kind}' needs images of shape (channels, height, width), not inputs of shape "
            f"{tuple(image_shape)}"
        )
    padding = (image_shape[1] // 8, image_shape[2] // 8)
    rows = columns = flips = None
    if "crop" in kind:
        rows = torch.randint(2 * padding[0] + 1, (count,), generator=generator).to(device)
        columns = torch.randint(2 * padding[1] + 1, (count,), generator=generator).to(device)
    if "flip" in kind:
        flips = torch.randint(2, (count,), generator=generator).bool().to(device)
    return Draws(padding, rows, columns, flips)


def augment(images: Tensor, draws: Draws) -> Tensor:
    """Crop and flip images as drawn.

    Parameters
    ----------
    images : Tensor, shape (n, channels, height, width)
    draws : Draws
        One for each image.
    """
    if draws.rows is not None:
        vertical, horizontal = draws.padding
        height, width = images.shape[-2:]
        padded = F.pad(images, (horizontal, horizontal, vertical, vertical))
        # A view of all crops of every image, of which one each is copied out.
        crops = padded.unfold(2, height, 1).unfold(3, width, 1)
        images = crops[torch.arange(len(images), device=images.device), :, draws.rows, draws.columns]
    if draws.flips is not None:
        images = torch.where(draws.flips[:, None, None, None], images.flip(-1), images)
    return images
