"""Noisy observations of zeros: the data of a regression whose loss is shaped by the model alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge

import genbench
from genbench.base.constraints import Count, NonNegative

__all__ = ["noisy_zeros"]

# As of `polynomial`: the numbers follow from the settings.
CHECKSUM = "generated zeros"


def _task(outputs: int, noise: float, train_points: int, test_points: int, data_seed: int) -> genbench.Task:
    return genbench.Task("regression", (1,), outputs)


@genbench.dataset(
    checksum=CHECKSUM,
    task=_task,
    examples=lambda train_points, **_: train_points,
    source="Zhang et al. 2017 (Theory of deep learning III), eqs. 6-8, for the potentials of figures 7-10",
)
def noisy_zeros(
    root: Path | None,
    *,
    outputs: Count = 1200,
    noise: NonNegative = 0.0,
    train_points: Count = 100,
    test_points: Count = 100,
    data_seed: Annotated[int, Ge(0)] = 0,
) -> genbench.Data:
    """Targets that are zero but for Gaussian noise, drawn for each example and each output on its own.

    With outputs r(w) that no input changes, the mean squared error of example i is mean_k (r_k − y_ik)². Over
    the training set the y_ik of each output have mean zero, so that the training loss is mean_k r_k² and a
    constant: the examples do not move its minima, and −2 Σ_k y_ik ∇r_k / K is the noise of SGD (ξ of eq. 7)
    with batches of one. Without noise all examples are alike, and every batch gives the gradient of all.

    Parameters
    ----------
    root : Path or None
        Not used, the data are computed.
    outputs : int
        K, the number of zeros observed by each example.
    noise : float
        Standard deviation of the observations, before the mean of the training ones is taken off.
    train_points, test_points : int
        Numbers of examples. The inputs are ones: they say nothing.
    data_seed : int
        Seed of the noise. It belongs to the data: the seeds of a suite do not change it.
    """
    generator = np.random.Generator(np.random.PCG64(data_seed))
    train, test = (
        noise * generator.standard_normal((points, outputs)) for points in (train_points, test_points)
    )
    train = train - train.mean(axis=0)
    splits = [
        genbench.Split(torch.ones(len(each), 1), torch.from_numpy(each.astype(np.float32)))
        for each in (train, test)
    ]
    task = _task(outputs, noise, train_points, test_points, data_seed)
    return genbench.Data(splits[0], splits[1], task, CHECKSUM)
