"""Label smoothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Fraction
from genbench.contract.regularizer import Planned, Regularizer, Step


@genbench.regularizer(source="Szegedy et al. 2016, section 7")
@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(Regularizer):
    """Train on (1 − s) · label + s · uniform over the classes instead of the label.

    Attributes
    ----------
    smoothing : float
        The share s of the uniform distribution, from 0 to 1.
    """

    smoothing: Fraction = 0.1

    capturable: ClassVar[bool] = True

    def check(self, planned: Planned) -> None:
        """Refuse regression, in which there are no classes."""
        if planned.task.kind != "classification":
            self.refuse(f"is for classification, not {planned.task.kind}")

    def loss(
        self, step: Step, outputs: Tensor, targets: Tensor, inner: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """The loss below on smoothed class probabilities (b, classes); on the targets themselves if s = 0."""
        if self.smoothing == 0:
            return inner(outputs, targets)  # the very bits of cross-entropy with class indices
        classes = outputs.shape[1]
        probabilities = targets if targets.is_floating_point() else F.one_hot(targets, classes)
        smoothed = (1 - self.smoothing) * probabilities.to(outputs.dtype) + self.smoothing / classes
        return inner(outputs, smoothed)
