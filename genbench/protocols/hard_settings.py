"""The recipe of the wide residual networks with one of its helps taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import genbench
from genbench.base.constraints import Positive
from genbench.protocols.wide_resnet import WideResnet

SOURCE = "Wei & Ma 2019, Data-dependent sample complexity via Lipschitz augmentation, Table 1"


@genbench.protocol(source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class LowLearningRate(WideResnet):
    """`wide-resnet` from a rate of 0.01 on, a tenth of the usual one, at which generalization suffers."""

    learning_rate: Positive = 0.01


@genbench.protocol(source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class NoAugmentation(WideResnet):
    """`wide-resnet` without crops and flips."""

    augmentation: Literal["none", "flip", "crop", "crop-flip"] = "none"
