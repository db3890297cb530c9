"""The centres of CIFAR-10 pictures: the inputs on which random labels were first fitted."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

import genbench
from genbench.datasets.cifar import CIFAR10, PUBLISHED_SIZE, cifar10
from genbench.datasets.images import JPEG_CHECKSUM, JPEG_SOURCE, cifar10_jpeg

__all__ = ["cifar10_crops", "cifar10_jpeg_crops"]

SOURCE = (
    "Zhang, Bengio et al. 2017, Understanding deep learning requires rethinking generalization, appendix A"
)

Side = Annotated[int, Ge(1), Le(PUBLISHED_SIZE)]


def _checksum(whole: str) -> str:
    return f"{whole} centre"


def _task(side: int, standardize: bool) -> genbench.Task:
    return genbench.Task("classification", (3, side, side), 10)


@genbench.dataset(
    checksum=_checksum(CIFAR10.checksum), task=_task, examples=50_000, test_examples=10_000, source=SOURCE
)
def cifar10_crops(root: Path | None, *, side: Side = 28, standardize: bool = False) -> genbench.Data:
    """The middle 28 x 28 pixels of the pictures of CIFAR-10, in training and testing alike.

    Parameters
    ----------
    root : Path or None
    side : int
        Height and width of the crop.
    standardize : bool
        Give each picture mean 0 and standard deviation 1 over its pixels and channels, as the source does; a
        standard deviation counts as at least 1/√(number of values), for pixels from 0 to 1.
    """
    return _cropped(cifar10(root), side, standardize)


@genbench.dataset(
    checksum=_checksum(JPEG_CHECKSUM),
    task=_task,
    examples=50_000,
    test_examples=10_000,
    source=f"{SOURCE}; {JPEG_SOURCE}",
)
def cifar10_jpeg_crops(root: Path | None, *, side: Side = 28, standardize: bool = False) -> genbench.Data:
    """The middle 28 x 28 pixels of the pictures of `cifar10-jpeg`, which are not those of CIFAR-10.

    Parameters
    ----------
    root : Path or None
    side : int
        Height and width of the crop.
    standardize : bool
        Give each picture mean 0 and standard deviation 1, see `cifar10-crops`.
    """
    return _cropped(cifar10_jpeg(root), side, standardize)


def _cropped(data: genbench.Data, side: int, standardize: bool) -> genbench.Data:
    train, test = (
        genbench.Split(_images(split.inputs, side, standardize), split.targets)
        for split in (data.train, data.test)
    )
    checksum = _checksum(data.checksum)
    return dataclasses.replace(data, train=train, test=test, task=_task(side, standardize), checksum=checksum)


def _images(images: Tensor, side: int, standardize: bool) -> Tensor:
    first = (images.shape[-1] - side) // 2
    images = images[..., first : first + side, first : first + side].contiguous()
    if not standardize:
        return images
    values = images.to(torch.float32).div_(255)
    std, mean = torch.std_mean(values, (1, 2, 3), correction=0, keepdim=True)
    return values.sub_(mean).div_(std.clamp_min(1 / math.sqrt(values[0].numel())))
