"""The recipe of the residual networks for CIFAR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import genbench
from genbench.base.constraints import Count, NonNegative, Positive
from genbench.contract.protocol import Protocol


@genbench.protocol(source="He et al. 2016, section 4.2")
@dataclass(frozen=True, kw_only=True)
class Resnet(Protocol):
    """SGD with momentum for 200 epochs, the rate divided by 10 at epochs 100 and 150.

    He et al. train for 64,000 steps of 128 images and divide the rate at 32,000 and 48,000: at a half and at
    three quarters, as here. On their 45,000 images these are 182 epochs, divided at 91 and 136; 200, 100 and
    150 are the round numbers of the reimplementations that later papers compare with. Weight decay 1e-4 on
    all parameters, momentum 0.9, random crops after padding with zeros, random flips.
    """

    learning_rate: Positive = 0.1
    weight_decay: NonNegative = 1e-4
    schedule: Literal["constant", "step", "cosine", "linear"] = "step"
    decay_epochs: tuple[Count, ...] = (100, 150)
    max_epochs: Count = 200
    augmentation: Literal["none", "flip", "crop", "crop-flip"] = "crop-flip"
