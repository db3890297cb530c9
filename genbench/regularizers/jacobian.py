"""A penalty on how the classification margin depends on the hidden layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import NonNegative
from genbench.contract.regularizer import Planned, Regularizer, Step
from genbench.networks.margins import margins_of

__all__ = ["Jacobian", "margins"]

_ROLES = {
    "blocks": ("block_outputs",),
    "normalizations": ("block_normalizations",),
    "both": ("block_outputs", "block_normalizations"),
}


@genbench.regularizer(source="Wei & Ma 2019 (data-dependent sample complexity), section 6")
@dataclass(frozen=True, kw_only=True)
class Jacobian(Regularizer):
    """λ · mean over the batch of Σ_i 1[‖J_i‖² ≥ σ] ‖J_i‖², J_i = ∂(f_y − max_{j≠y} f_j)/∂h_i.

    One differentiation yields the J_i of all layers and examples, and one more the gradient of the penalty,
    however many layers there are; the indicator is not differentiated. With batch normalization an example
    moves the margins of the others through the statistics of the batch; J_i is the derivative of their sum.
    The measure `margin_jacobian_sum` is its mean over the training set.

    Attributes
    ----------
    strength : float
        λ; the authors tune it and do not print it.
    threshold : float
        σ; the authors take 0.1.
    at : {"blocks", "normalizations", "both"}
        The layers h_i: outputs of blocks, of the normalizations inside them, or both as the authors do.
    """

    strength: NonNegative = 0.01
    threshold: NonNegative = 0.1
    at: Literal["blocks", "normalizations", "both"] = "both"

    reads_outputs: ClassVar[bool] = True
    step_cost: ClassVar[float] = 2.0
    capturable: ClassVar[bool] = True

    @property
    def captures(self) -> tuple[str, ...]:  # type: ignore[override]
        """The roles of the layers h_i; none at strength 0."""
        return _ROLES[self.at] if self.strength else ()

    def check(self, planned: Planned) -> None:
        """Refuse regression, in which there is no margin."""
        if planned.task.kind != "classification":
            self.refuse(f"is of the classification margin, which {planned.task.kind} has not")

    def penalty(self, step: Step) -> Tensor | None:
        """The penalty, shape (), in float32 or wider; None at strength 0."""
        if self.strength == 0:
            return None
        assert step.outputs is not None
        hidden = list(step.hidden.values())
        slopes = torch.autograd.grad(
            margins(step.outputs, step.targets).sum(), hidden, create_graph=True, allow_unused=True
        )
        # Squares of bfloat16 are summed in float32.
        wide = torch.promote_types(step.outputs.dtype, torch.float32)
        found = [each.to(wide).flatten(1).square().sum(1) for each in slopes if each is not None]
        squares = torch.stack(found)
        return self.strength * squares.where(squares.detach() >= self.threshold, 0).sum(0).mean()


def margins(outputs: Tensor, targets: Tensor) -> Tensor:
    """f_y − max_{j≠y} f_j of each example, shape (b,); of class probabilities, y is the most probable."""
    return margins_of(outputs, targets.argmax(1) if targets.is_floating_point() else targets)
