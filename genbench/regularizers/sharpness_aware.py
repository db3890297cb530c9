"""Descent at the worst weights nearby: sharpness-aware minimization and robust optimization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import grad, vmap

import genbench
from genbench.base.constraints import Count, NonNegative
from genbench.contract.regularizer import Planned, Regularizer, Step
from genbench.networks.functional import call_with
from genbench.networks.kinds import is_batch_norm

__all__ = ["SharpnessAware"]


@genbench.regularizer(
    source=(
        "Foret et al. 2021 (SAM), eq. 2 and algorithm 1; adaptive: Kwon et al. 2021, eq. 5; relative and per "
        "example: Zhang et al. 2017 (Theory of deep learning III), eq. 10, 33 and 40"
    ),
    aliases=("sam",),
)
@dataclass(frozen=True, kw_only=True)
class SharpnessAware(Regularizer):
    """Use at w the gradient at w + δ, the worst step to first order: δ = ρ c² g / ‖c g‖₂, g = ∇L_B(w).

    Attributes
    ----------
    radius : float
        ρ; Foret et al. take 0.05.
    adaptive : bool
        c = |w|: lengths are measured weight by weight. Otherwise c = 1.
    relative : bool
        The radius is ρ ‖w‖₂, as in the robust optimization of Zhang et al.
    steps : int
        The way is gone in so many steps of length ρ / steps, the gradient being taken anew at each.
    per_example : bool
        Each example has a worst step of its own (Zhang et al., eq. 10), where it is otherwise the batch's.
        Replaces the gradient, and holds three numbers for each example of a batch and each parameter.
    """

    radius: NonNegative = 0.05
    adaptive: bool = False
    relative: bool = False
    steps: Count = 1
    per_example: bool = False

    capturable: ClassVar[bool] = True

    @property
    def replaces_gradient(self) -> bool:  # type: ignore[override]
        """Where each example has a worst step of its own."""
        return self.per_example

    @property
    def step_cost(self) -> float:  # type: ignore[override]
        """A gradient at w and one after each step, four times as dear example by example; 1 at radius 0."""
        return (1 + self.steps) * (4 if self.per_example else 1) if self.radius else 1.0

    def gradient_memory(self, parameters: int, batch: int) -> float:
        """Bytes of two copies of the parameters, with `per_example` three for each example; 0 at radius 0."""
        copies = 3 * batch if self.per_example else 2
        return 4.0 * parameters * copies if self.radius else 0.0

    def check(self, planned: Planned) -> None:
        """Refuse `per_example` where the network has batch normalization or recurrent layers."""
        if not self.per_example or self.radius == 0:
            return
        for name, each in planned.model.named_modules():
            if is_batch_norm(each) or isinstance(each, nn.RNNBase):
                kind = "batch normalization" if is_batch_norm(each) else "recurrent layers"
                self.refuse(f"per_example: with {kind} ('{name}') single examples have no such gradients")

    def gradient(self, step: Step, inner: Callable[[], Tensor]) -> Tensor:
        """Leave the gradient at w + δ in ``.grad`` and the weights at w; return the loss at w."""
        if self.radius == 0:
            return inner()
        return self._for_each_example(step) if self.per_example else self._for_the_batch(step, inner)

    def _for_the_batch(self, step: Step, inner: Callable[[], Tensor]) -> Tensor:
        parameters = _trained(step.model)
        before = {name: each.detach().clone() for name, each in parameters.items()}
        loss = inner()
        for _ in range(self.steps):
            slopes = {name: each.grad for name, each in parameters.items() if each.grad is not None}
            moves = self._moves(before, slopes)
            with torch.no_grad():
                for name, move in moves.items():
                    parameters[name].add_(move)
            inner()
        with torch.no_grad():
            for name, each in parameters.items():
                each.copy_(before[name])
        return loss

    def _for_each_example(self, step: Step) -> Tensor:
        parameters = _trained(step.model)
        before = {name: each.detach() for name, each in parameters.items()}

        def loss(moved: dict[str, Tensor], one_input: Tensor, one_target: Tensor) -> Tensor:
            outputs = call_with(step.model, moved, one_input.unsqueeze(0))
            return step.criterion(outputs, one_target.unsqueeze(0))

        def worst(one_input: Tensor, one_target: Tensor) -> dict[str, Tensor]:
            moved = before
            for _ in range(self.steps):
                slopes = grad(loss)(moved, one_input, one_target)
                moves = self._moves(before, slopes)
                moved = {name: each + moves[name] for name, each in moved.items()}
            return grad(loss)(moved, one_input, one_target)

        gradients = vmap(worst, randomness="different")(step.inputs, step.targets)
        step.hidden.clear()  # what was captured belongs to single examples
        for name, each in parameters.items():
            each.grad = gradients[name].mean(0)
        with torch.no_grad():
            return step.criterion(step.model(step.inputs), step.targets)

    def _moves(self, weights: dict[str, Tensor], slopes: dict[str, Tensor]) -> dict[str, Tensor]:
        """One step uphill; none where the gradient is zero."""
        scales = {name: weights[name].abs() if self.adaptive else 1.0 for name in slopes}
        scaled = {name: scales[name] * each for name, each in slopes.items()}
        length = _norm(list(scaled.values()))
        radius = self.radius / self.steps
        reach = radius * _norm(list(weights.values())) if self.relative else radius
        factor = torch.where(length > 0, reach / length, 0.0)
        return {name: scales[name] * each * factor for name, each in scaled.items()}


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def _norm(tensors: list[Tensor]) -> Tensor:
    return torch.stack([each.square().sum() for each in tensors]).sum().sqrt()
