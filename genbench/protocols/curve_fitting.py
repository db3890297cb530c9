"""Regression on a curve by very slow gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

import genbench
from genbench.base.constraints import Count, Positive, Probability
from genbench.contract.protocol import Protocol


@genbench.protocol(source="Taborsky & Hansen, Generalization by design, section 4.1")
@dataclass(frozen=True, kw_only=True)
class CurveFitting(Protocol):
    """SGD without momentum at a constant rate of 1e-5 for 20,000 epochs.

    The text has 20,000 epochs, the caption of figure 2 has 10,000. The batch size is not given: 100 is the
    whole grid of points. Figure 7 trains at 1e-7, times 0.1 every 200 of 1,000 epochs: ``learning_rate=1e-7,
    schedule="step", decay_epochs=[200, 400, 600, 800], max_epochs=1000``.
    """

    learning_rate: Positive = 1e-5
    momentum: Probability = 0.0
    batch_size: Count = 100
    max_epochs: Count = 20_000
