"""Task, split and data: what a data set hands over and what a model is built for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge

from genbench.base.constraints import Count

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NEUTRAL_SPLITS", "Data", "Split", "SplitSettings", "Task"]


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


NEUTRAL_SPLITS: Mapping[str, Any] = {"subset_seed": None}
"""Settings of splits that enter the key of a fit only where they differ from this, see
`genbench.contract.protocol.NEUTRAL`."""


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """What a suite may set for every data set, beside the data set's own settings.

    Attributes
    ----------
    train_size : int or None
        Number of training examples; None means all that are not held out for validation.
    validation_size : int
        Number of examples taken out of the training split and never trained on.
    test_size : int or None
        Number of test examples, the same ones for every seed; None means all.
    normalize : bool
        Subtract the mean of the training examples and divide by their standard deviation, for each channel
        of an image and each feature of a vector.
    subset_seed : int or None
        Seed index whose training examples and label noise all seeds get, so that they are minima of one
        empirical loss; None means that each seed draws its own.
    """

    train_size: Count | None = None
    validation_size: Annotated[int, Ge(0)] = 0
    test_size: Count | None = None
    normalize: bool = True
    subset_seed: Annotated[int, Ge(0)] | None = None
