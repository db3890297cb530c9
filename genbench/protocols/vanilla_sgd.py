"""Stochastic gradient descent and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import genbench
from genbench.base.constraints import Count, Positive, Probability
from genbench.contract.protocol import Protocol


@genbench.protocol(source="Generalization Puzzles in Deep Networks, ICLR 2020 submission, figure 1")
@dataclass(frozen=True, kw_only=True)
class VanillaSgd(Protocol):
    """Plain SGD at a constant rate for 70 epochs: no momentum, no weight decay, no augmentation.

    Batches of 100 and 70 epochs as in figure 1 of the source, which gives no learning rate; 0.01 is that of
    its later figures. Nothing but the noise of SGD chooses among the minima.
    """

    learning_rate: Positive = 0.01
    momentum: Probability = 0.0
    batch_size: Count = 100
    max_epochs: Count = 70
