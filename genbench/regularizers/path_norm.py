"""A penalty on the sum over all paths through the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import NonNegative
from genbench.base.errors import NotApplicable
from genbench.contract.regularizer import Planned, Regularizer, Step
from genbench.networks.functional import call_with
from genbench.networks.kinds import BatchNorm
from genbench.networks.paths import OnlySums, gains, refuse_recurrence

__all__ = ["PathNorm", "sum_over_paths"]


@genbench.regularizer(
    source="Neyshabur et al. 2015 (Path-SGD), eq. 5; Zhang et al. 2017 (Theory of deep learning III), eq. 43"
)
@dataclass(frozen=True, kw_only=True)
class PathNorm(Regularizer):
    """λ times a function of Σ_paths Π_{w on path} w², one forward pass of the squared weights on ones.

    A path goes from an input or a bias to an output. Batch normalization enters with its running statistics,
    as a scale and a shift that are squared too, and dropout not at all. The measure `path_norm` is the sum
    itself.

    Attributes
    ----------
    strength : float
        λ; the authors give no value.
    form : {"norm", "square", "log"}
        ``norm`` is the square root of the sum, the path norm |ŵ| of Zhang et al., ``square`` the sum as in
        their upper bound ŵᵀŵ, ``log`` its logarithm, for networks too deep for the others.
    """

    strength: NonNegative = 1e-3
    form: Literal["norm", "square", "log"] = "norm"

    step_cost: ClassVar[float] = 1.5
    capturable: ClassVar[bool] = True

    def check(self, planned: Planned) -> None:
        """Refuse a network through which no sum over paths passes."""
        like = next(planned.model.parameters())
        ones = torch.ones(1, *planned.task.input_shape, device=like.device, dtype=like.dtype)
        try:
            with torch.no_grad():
                sum_over_paths(planned.model, ones)
        except NotApplicable as fault:
            self.refuse(str(fault))

    def penalty(self, step: Step) -> Tensor | None:
        """λ times the root of the sum, the sum, or its logarithm, shape (); None at strength 0."""
        if self.strength == 0:
            return None
        total = sum_over_paths(step.model, step.inputs[:1])
        if self.form == "log":
            return self.strength * total.log()
        return self.strength * (total.sqrt() if self.form == "norm" else total)


def sum_over_paths(model: nn.Module, like: Tensor) -> Tensor:
    """Σ_paths Π w², differentiable by the parameters.

    Parameters
    ----------
    model : Module
        It is left as it was.
    like : Tensor, shape (1, *input_shape)
        Says shape, type and device of an input.

    Raises
    ------
    NotApplicable
        A sum over paths does not pass through the network.
    """
    refuse_recurrence(model)
    tensors = {name: each.square() for name, each in model.named_parameters()}
    tensors |= {name: each.square() for name, each in gains(model).items()}
    tensors |= _squared_normalizations(model)
    with _evaluating(model), OnlySums():
        return call_with(model, tensors, torch.ones_like(like)).sum()


def _squared_normalizations(model: nn.Module) -> dict[str, Tensor]:
    """Tensors with which each batch norm multiplies by the square of its scale and adds that of its shift."""
    found: dict[str, Tensor] = {}
    for name, norm in model.named_modules():
        if not isinstance(norm, BatchNorm):
            continue
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None or not norm.affine:
            raise NotApplicable("a batch norm has no running statistics, or no scale and shift of its own")
        spread = variance + norm.eps
        found[f"{name}.running_mean"] = torch.zeros_like(mean)
        # What divides is the root of this and epsilon: the spread itself.
        found[f"{name}.running_var"] = spread.square() - norm.eps
        found[f"{name}.weight"] = norm.weight.square()
        found[f"{name}.bias"] = (norm.bias - mean * norm.weight / spread.sqrt()).square()
    return found


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
