"""Random labels: what a network can learn where there is nothing to learn."""

from __future__ import annotations

from dataclasses import dataclass

import genbench
from genbench.base.constraints import Count, Fraction, NoiseKind, Positive, Probability
from genbench.contract.protocol import Protocol


@genbench.protocol(
    source="Zhang, Liao et al. 2017, Theory of deep learning III, Fig. 2; Zhang, Bengio et al. 2017"
)
@dataclass(frozen=True, kw_only=True)
class RandomLabels(Protocol):
    """Plain SGD on labels drawn uniformly among all classes: no momentum, weight decay or augmentation.

    ``label_noise`` below 1 leaves the rest of the labels as they are. Batches of 100 and the rate are those
    of `vanilla-sgd`, for natural labels; it trains for longer, up to 300 epochs, and until the training
    cross-entropy is 0.01, because random labels are learned more slowly.
    """

    learning_rate: Positive = 0.01
    momentum: Probability = 0.0
    batch_size: Count = 100
    max_epochs: Count = 300
    target_loss: Positive | None = 0.01
    label_noise: Fraction = 1.0
    label_noise_kind: NoiseKind = "uniform"
