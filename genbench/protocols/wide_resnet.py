"""The recipe of the wide residual networks for CIFAR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import genbench
from genbench.base.constraints import Count, NonNegative, Positive
from genbench.contract.protocol import Protocol


@genbench.protocol(source="Zagoruyko and Komodakis 2016, section 3")
@dataclass(frozen=True, kw_only=True)
class WideResnet(Protocol):
    """SGD with Nesterov momentum for 200 epochs, the rate times 0.2 at epochs 60, 120 and 160.

    Weight decay 5e-4 on all parameters, momentum 0.9, batches of 128, random crops and flips. The paper pads
    with reflections before it crops; here as everywhere in genbench the padding is zero.
    """

    learning_rate: Positive = 0.1
    nesterov: bool = True
    weight_decay: NonNegative = 5e-4
    schedule: Literal["constant", "step", "cosine", "linear"] = "step"
    decay: Positive = 0.2
    decay_epochs: tuple[Count, ...] = (60, 120, 160)
    max_epochs: Count = 200
    augmentation: Literal["none", "flip", "crop", "crop-flip"] = "crop-flip"
