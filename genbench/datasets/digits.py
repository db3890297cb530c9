"""The handwritten digits that come with scikit-learn: real data that needs no download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt, Lt

import genbench
from genbench.base.sampling import permutation
from genbench.datasets.content import tensor_checksum

__all__ = ["digits"]

CHECKSUM = "sha256:b3db0962297c15203af56063b6e290bc79b599f77af2949422597ab310a63846"
TASK = genbench.Task("classification", (1, 8, 8), 10)
SPLIT_SEED = 0


CLASS_SIZES = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)


def train_examples(test_fraction: float) -> int:
    """Size of the training split."""
    return sum(size - round(test_fraction * size) for size in CLASS_SIZES)


@genbench.dataset(
    checksum=CHECKSUM,
    task=TASK,
    examples=train_examples,
    test_examples=lambda test_fraction: sum(CLASS_SIZES) - train_examples(test_fraction),
    source="Alpaydin & Kaynak 1998, UCI optical recognition of handwritten digits",
)
def digits(root: Path | None, *, test_fraction: Annotated[float, Gt(0), Lt(1)] = 0.5) -> genbench.Data:
    """scikit-learn's digits: 1,797 handwritten digits, 8 x 8 gray pixels, 10 classes.

    Parameters
    ----------
    root : Path or None
        Not used, the images come with scikit-learn.
    test_fraction : float
        Share of each class that is test data. Half of the set by default, so that the sampling noise of the
        test error stays below its spread over a grid. The split is fixed, and the test splits for different
        fractions are nested.
    """
    from sklearn.datasets import load_digits

    loaded = load_digits()
    # 17 levels, 0 to 16, spread over the range of a byte.
    levels = np.rint(loaded.images * (255 / 16)).astype(np.uint8)
    inputs, targets = torch.from_numpy(levels).unsqueeze(1), torch.from_numpy(loaded.target.astype(np.int64))
    # Of the whole set, because the split depends on a setting, which enters the key beside the checksum.
    checksum = tensor_checksum((inputs, targets))
    if checksum != CHECKSUM:
        raise genbench.InvalidInput(
            "dataset 'digits': the installed scikit-learn has other digits than expected"
        )
    order = permutation(SPLIT_SEED, len(targets))
    is_test = np.zeros(len(targets), dtype=bool)
    for label in range(TASK.outputs):
        members = order[loaded.target[order] == label]
        is_test[members[: round(test_fraction * len(members))]] = True
    train, test = torch.from_numpy(~is_test), torch.from_numpy(is_test)
    return genbench.Data(
        train=genbench.Split(inputs[train], targets[train]),
        test=genbench.Split(inputs[test], targets[test]),
        task=TASK,
        checksum=checksum,
    )
