"""Starts that are bad by design: pretraining on wrong labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

import genbench
from genbench.base.constraints import Count, Positive
from genbench.contract.protocol import Protocol


@genbench.protocol(source="Generalization Puzzles in Deep Networks, ICLR 2020 submission, appendix C, Fig. 5")
@dataclass(frozen=True, kw_only=True)
class RandomPretraining(Protocol):
    """30 epochs on labels of which a share changed places, then 80 on the right ones, without augmentation.

    Of the networks at the ends of the 80 epochs the one is kept whose training cross-entropy is closest to
    0.006: networks that fit equally well and differ in where they started. The share,
    ``pretrain_label_noise``, is the axis. The source gives neither rate nor batches; 0.01 is that of its
    appendix B and 100 that of its figure 1, with the momentum that this takes to get there in 80 epochs.
    """

    learning_rate: Positive = 0.01
    batch_size: Count = 100
    max_epochs: Count = 80
    target_loss: Positive | None = 0.006
    target_rule: Literal["reached", "closest"] = "closest"
    pretrain_epochs: Annotated[int, Ge(0)] = 30
