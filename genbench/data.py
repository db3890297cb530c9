"""Task, split and data: what a data set hands over and what a model is built for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Data", "Split", "Task"]


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes
    ----------
    kind : {"classification", "regression"}
    input_shape : tuple of int
        Shape of one input: ``(channels, height, width)`` of an image, ``(features,)`` of a vector.
    outputs : int
        Number of classes, or of regression targets.
    """

    kind: Literal["classification", "regression"]
    input_shape: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class Split:
    """Examples of one split.

    Attributes
    ----------
    inputs : Tensor, shape (n, *input_shape)
        uint8 pixels (divided by 255 when they are read) or floating point.
    targets : Tensor, shape (n,) int64 for classification, (n, outputs) float32 for regression
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Data:
    """What a data set yields: both splits whole, before sub-sampling, label noise and normalization.

    Attributes
    ----------
    checksum : str
        Identifies the content; enters the key of every fit.
    """

    train: Split
    test: Split
    task: Task
    checksum: str
