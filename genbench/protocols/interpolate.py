"""Train until the training set is interpolated."""

from __future__ import annotations

from dataclasses import dataclass

import genbench
from genbench.base.constraints import Count, Positive
from genbench.contract.protocol import Protocol


@genbench.protocol(source="Jiang et al. 2020, section 4; Dziugaite et al. 2020, section 4")
@dataclass(frozen=True, kw_only=True)
class Interpolate(Protocol):
    """SGD with momentum at a constant rate until the training cross-entropy is 0.01, or 300 epochs are over.

    Networks that stop at one training loss differ in what they learned, not in how long they were trained;
    this is how Jiang et al. (2020) and Dziugaite et al. (2020) made theirs comparable. Neither augmentation
    nor weight decay: both keep a network from reaching the target.
    """

    learning_rate: Positive = 0.01
    batch_size: Count = 64
    max_epochs: Count = 300
    target_loss: Positive | None = 0.01

    @property
    def expected_epochs(self) -> float:
        """A guess: 10 + 0.16 · batch_size · (1 − momentum) / learning_rate, and 40 for adaptive optimizers.

        Pretraining comes on top; all epochs are trained where the closest loss is wanted.

        The time constant of SGD is that quotient. The two numbers were fitted to multilayer perceptrons on
        handwritten digits, where most fits lie within a factor of two; label noise and harder data take
        longer.
        """
        if self.target_rule == "closest":
            return super().expected_epochs
        time_constant = self.batch_size * (1 - self.momentum) / self.learning_rate
        guess = 10 + 0.16 * time_constant if self.optimizer == "sgd" else 40.0
        return self.pretrain_epochs + min(guess, self.max_epochs)
