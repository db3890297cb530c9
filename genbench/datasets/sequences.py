"""Handwritten digits read one row, or one pixel, at a time: for recurrent networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Gt, Lt
from torch import Tensor

import genbench
from genbench.datasets import digits as digits_room
from genbench.datasets import mnist as mnist_room

__all__ = ["sequential_digits", "sequential_mnist"]

SOURCE = "Le, Jaitly & Hinton 2015, A simple way to initialize recurrent networks of rectified linear units"

Step = Literal["row", "pixel"]


def _checksum(whole: str) -> str:
    return f"{whole} in steps"


def _task(side: int, step: Step) -> genbench.Task:
    shape = (side, side) if step == "row" else (side * side, 1)
    return genbench.Task("classification", shape, 10)


def _digits_task(step: Step, test_fraction: float) -> genbench.Task:
    return _task(8, step)


def _digits_examples(step: Step, test_fraction: float) -> int:
    return digits_room.train_examples(test_fraction)


def _mnist_task(step: Step) -> genbench.Task:
    return _task(28, step)


@genbench.dataset(
    checksum=_checksum(digits_room.CHECKSUM), task=_digits_task, examples=_digits_examples, source=SOURCE
)
def sequential_digits(
    root: Path | None, *, step: Step = "row", test_fraction: Annotated[float, Gt(0), Lt(1)] = 0.5
) -> genbench.Data:
    """`digits` from top to bottom: 8 steps of 8 pixels, or 64 steps of one.

    Parameters
    ----------
    root : Path or None
        Not used, the images come with scikit-learn.
    step : {"row", "pixel"}
        What the network sees at once. Pixels come row after row, each from left to right.
    test_fraction : float
        Share of each class that is test data.
    """
    return _stepwise(digits_room.digits(root, test_fraction=test_fraction), step)


@genbench.dataset(
    checksum=_checksum(mnist_room.MNIST_CHECKSUM), task=_mnist_task, examples=60_000, source=SOURCE
)
def sequential_mnist(root: Path | None, *, step: Step = "row") -> genbench.Data:
    """`mnist` from top to bottom: 28 steps of 28 pixels, or 784 steps of one.

    Parameters
    ----------
    root : Path or None
    step : {"row", "pixel"}
        What the network sees at once. Pixels come row after row, each from left to right.
    """
    return _stepwise(mnist_room.mnist(root), step)


def _stepwise(data: genbench.Data, step: Step) -> genbench.Data:
    task = _task(data.task.input_shape[-1], step)

    def steps(images: Tensor) -> Tensor:
        return images.reshape(len(images), *task.input_shape)

    return dataclasses.replace(
        data,
        train=genbench.Split(steps(data.train.inputs), data.train.targets),
        test=genbench.Split(steps(data.test.inputs), data.test.targets),
        task=task,
        checksum=_checksum(data.checksum),
    )
