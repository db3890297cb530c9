"""Penalties on derivatives: of the outputs by the inputs, and of the loss by the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count, NonNegative
from genbench.contract.regularizer import Regularizer, Step
from genbench.networks.ambient import twice_differentiable

__all__ = ["GeometricComplexity", "GradientNorm"]

# For predicting times: how many outputs a network has is not known to a regularizer.
USUAL_OUTPUTS = 10


@genbench.regularizer(source="Walker 2023 (Appealing to gradients), definition 6.1 and section 6.1")
@dataclass(frozen=True, kw_only=True)
class GeometricComplexity(Regularizer):
    """λ · mean over the batch of ‖∂f(x)/∂x‖_F², f being the logits (the outputs in regression).

    ``hutchinson`` takes E‖vᵀ ∂f/∂x‖² over random signs v, one backward pass for each draw, which has the
    right mean; ``exact`` takes one for each output. It runs the network once more. With batch normalization
    an example moves the outputs of others; the derivative is then that of all outputs of the batch. The
    measure `geometric_complexity` is its mean over the training set.

    Attributes
    ----------
    strength : float
        λ; the author gives no value.
    estimate : {"hutchinson", "exact"}
    draws : int
        Random vectors of ``hutchinson``.
    """

    strength: NonNegative = 0.01
    estimate: Literal["hutchinson", "exact"] = "hutchinson"
    draws: Count = 1

    capturable: ClassVar[bool] = True

    @property
    def step_cost(self) -> float:  # type: ignore[override]
        """A step has three passes: this adds two, and two more for each vector that is pulled back."""
        # A forward and a backward pass of its own, and for each vector a pass by the inputs and back.
        return 1 + (2 + 2 * (self.draws if self.estimate == "hutchinson" else USUAL_OUTPUTS)) / 3

    def penalty(self, step: Step) -> Tensor | None:
        """The penalty or its estimate, shape (), from a pass of its own; None at strength 0."""
        if self.strength == 0:
            return None
        inputs = step.inputs.detach().requires_grad_()
        with twice_differentiable():
            outputs = step.model(inputs)
        total = torch.zeros((), device=outputs.device)
        for vector in self._vectors(step, outputs):
            (slope,) = torch.autograd.grad(outputs, inputs, vector, create_graph=True)
            total = total + slope.square().sum()
        if self.estimate == "hutchinson":
            total = total / self.draws
        return self.strength * total / len(inputs)

    def _vectors(self, step: Step, outputs: Tensor) -> list[Tensor]:
        if self.estimate == "exact":
            return [each.expand_as(outputs) for each in torch.eye(outputs.shape[1], device=outputs.device)]
        return [
            2.0 * torch.randint(2, outputs.shape, generator=step.generator, device=outputs.device) - 1
            for _ in range(self.draws)
        ]


@genbench.regularizer(source="Walker 2023 (Appealing to gradients), section 6.3 (flatness)")
@dataclass(frozen=True, kw_only=True)
class GradientNorm(Regularizer):
    """λ ‖∇_w L_B‖², L_B being the loss of the batch: flatness, by differentiating twice.

    The loss is the one that is minimized, penalties left out. The measures `grad_norm_train` and
    `hessian_trace` fall with it.

    Attributes
    ----------
    strength : float
        λ; the author gives no value.
    """

    strength: NonNegative = 0.01

    reads_outputs: ClassVar[bool] = True
    step_cost: ClassVar[float] = 2.7
    capturable: ClassVar[bool] = True

    def penalty(self, step: Step) -> Tensor | None:
        """The penalty, shape (), over the parameters that are trained; None at strength 0."""
        if self.strength == 0:
            return None
        assert step.outputs is not None
        parameters = [each for each in step.model.parameters() if each.requires_grad]
        loss = step.criterion(step.outputs, step.targets)
        slopes = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
        squares = [each.square().sum() for each in slopes if each is not None]
        return self.strength * torch.stack(squares).sum()
