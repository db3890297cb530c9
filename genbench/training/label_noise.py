"""Wrong labels: which examples get one, and which one they get."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genbench.base.constraints import NoiseKind

__all__ = ["corrupted"]


def corrupted(
    targets: Tensor, classes: int, rate: float, kind: NoiseKind, drawn: NDArray[np.float64]
) -> Tensor:
    """Labels of which a share is replaced.

    Parameters
    ----------
    targets : Tensor, shape (n,) int64
    classes : int
    rate : float
        Probability with which an example is drawn.
    kind : {"other", "uniform", "permuted"}
        See `genbench.base.constraints.NoiseKind`.
    drawn : array of float, shape (n, 2)
        Uniform numbers in [0, 1). The first says who is drawn, and is compared with `rate`: who is drawn at
        a lower rate is drawn at a higher one. The second says what becomes of the label, which but for
        ``permuted`` is the same at every rate.
    """
    chosen = drawn[:, 0] < rate
    labels = targets.numpy().copy()
    if kind == "permuted":
        # Both the places and the order in which they are read are those of the examples drawn.
        order = np.argsort(drawn[chosen, 1], kind="stable")
        labels[chosen] = labels[chosen][order]
    elif kind == "uniform":
        labels[chosen] = np.floor(drawn[chosen, 1] * classes).astype(np.int64)
    else:
        # A shift by 1 to k - 1 classes reaches each of the others with equal probability.
        shift = 1 + np.floor(drawn[chosen, 1] * (classes - 1)).astype(np.int64)
        labels[chosen] = (labels[chosen] + shift) % classes
    return torch.from_numpy(labels)
