"""Starts of one distribution and many sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import genbench
from genbench.base.constraints import Count, Positive
from genbench.contract.protocol import Protocol


@genbench.protocol(source="Generalization Puzzles in Deep Networks, ICLR 2020 submission, appendix B, Fig. 2")
@dataclass(frozen=True, kw_only=True)
class InitializationScale(Protocol):
    """Normal initial weights of one standard deviation in all layers, SGD for 200 epochs, no augmentation.

    ``initialization_std`` is the axis; the source takes 25 values from 0.0001 to 0.14, and 0.05 here is one
    in the middle that trains. It decreases the rate as (0.01, 0.01, 0.001, 0.0001), read as a factor of 0.1
    after 100 and after 150 epochs, and gives no batch size; 100 is that of its figure 1. With a
    ``target_loss`` the fits end at one training loss instead.
    """

    learning_rate: Positive = 0.01
    batch_size: Count = 100
    schedule: Literal["constant", "step", "cosine", "linear"] = "step"
    decay_epochs: tuple[Count, ...] = (100, 150)
    max_epochs: Count = 200
    initialization_std: Positive | None = 0.05
