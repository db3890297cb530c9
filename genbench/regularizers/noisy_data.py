"""Other labels or other examples at every step: label noise that is drawn anew, and mixtures of examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Fraction, NonNegative
from genbench.base.data import Task
from genbench.contract.regularizer import Planned, Regularizer, Step, Training

__all__ = ["LabelNoise", "Mixup"]


@genbench.regularizer(
    source="Walker 2023 (Appealing to gradients), section 6.3 (noise); Blanc et al. 2020, section 1"
)
@dataclass(frozen=True, kw_only=True)
class LabelNoise(Regularizer):
    """Label noise drawn anew at every step, unlike that of the protocol, which is drawn once.

    In classification each label of the batch is replaced, with probability `rate`, by another class, drawn
    uniformly among the others; class probabilities are replaced by such a class whole. In regression normal
    noise is added to the targets, as Blanc et al. do.

    Attributes
    ----------
    rate : float
        For classification.
    deviation : float
        Standard deviation of the noise, for regression.
    """

    rate: Fraction = 0.1
    deviation: NonNegative = 0.1

    capturable: ClassVar[bool] = True

    def check(self, planned: Planned) -> None:
        """Refuse classification with a single class."""
        if planned.task.kind == "classification" and planned.task.outputs < 2:
            self.refuse("there is no other class")

    def start(self, training: Training) -> Task:
        """The task, on which the kind of noise depends."""
        return training.task

    def batch(self, step: Step) -> tuple[Tensor, Tensor] | None:
        """The inputs as they are, and noisy targets; None where no noise is set."""
        targets, generator, task = step.targets, step.generator, step.state
        if task.kind == "regression":
            if self.deviation == 0:
                return None
            noise = torch.randn(targets.shape, generator=generator, device=targets.device)
            return step.inputs, targets + self.deviation * noise
        if self.rate == 0:
            return None
        soft = targets.is_floating_point()
        labels = targets.argmax(1) if soft else targets
        shape, device = labels.shape, labels.device
        chosen = torch.rand(shape, generator=generator, device=device) < self.rate
        others = torch.randint(1, task.outputs, shape, generator=generator, device=device)
        wrong = (labels + others) % task.outputs
        if soft:
            replaced = F.one_hot(wrong, task.outputs).to(targets.dtype)
            return step.inputs, targets.where(~chosen.unsqueeze(1), replaced)
        return step.inputs, labels.where(~chosen, wrong)


@genbench.regularizer(source="Zhang et al. 2018 (mixup), section 2")
@dataclass(frozen=True, kw_only=True)
class Mixup(Regularizer):
    """Train on a x_i + (1 − a) x_j with the target a y_i + (1 − a) y_j, j a permutation, a ~ Beta(α, α).

    Labels become class probabilities. In regression the targets themselves are mixed.

    Attributes
    ----------
    alpha : float
        α; 1 is the authors' choice for CIFAR-10, 0.2 to 0.4 that for ImageNet. 0 mixes nothing.
    per_example : bool
        Draw a for each example, not once for each batch as the authors' code does.
    """

    alpha: NonNegative = 1.0
    per_example: bool = False

    capturable: ClassVar[bool] = True

    def start(self, training: Training) -> tuple[Any, Task]:
        """A generator of the shares a, seeded by the regularizer's own, and the task."""
        # torch draws from a Beta distribution from its global stream only.
        return np.random.default_rng(training.generator.initial_seed()), training.task

    def host_values(self, state: Any, index: int, progress: float, examples: int) -> Mapping[str, Any]:
        """The shares a: one, or one for each example; none if α = 0."""
        if self.alpha == 0:
            return {}
        draws, _ = state
        return {"shares": draws.beta(self.alpha, self.alpha, examples if self.per_example else 1)}

    def batch(self, step: Step) -> tuple[Tensor, Tensor] | None:
        """Mixed inputs and mixed targets, labels as class probabilities (b, classes); None if α = 0."""
        if self.alpha == 0:
            return None
        _, task = step.state
        inputs, targets = step.inputs, step.targets
        partners = torch.randperm(len(inputs), generator=step.generator, device=inputs.device)
        shares = torch.as_tensor(step.values["shares"]).to(device=inputs.device, dtype=inputs.dtype)
        if task.kind == "classification" and not targets.is_floating_point():
            targets = F.one_hot(targets, task.outputs).to(inputs.dtype)

        def mixed(values: Tensor) -> Tensor:
            weights = shares.reshape(-1, *[1] * (values.dim() - 1)).to(values.dtype)
            return weights * values + (1 - weights) * values[partners]

        return mixed(inputs), mixed(targets)
