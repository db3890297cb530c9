"""Penalties on the spectral norms of the layers, each followed by a few steps of the power method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count, NonNegative, Positive
from genbench.contract.regularizer import Regularizer, Step, Training
from genbench.networks.layers import weight_layers
from genbench.networks.surgery import passages

__all__ = ["SpectralNorm", "SpectralProduct"]

# Steps of the power method before training, from a random vector.
FIRST_STEPS = 20


class _Direction:
    """A layer with the singular vector of its largest singular value, followed along training."""

    def __init__(self, apply: Callable[[Tensor], Tensor], vector: Tensor):
        self._apply = apply
        self._vector = vector / vector.norm()

    def singular_value(self, steps: int) -> Tensor:
        """⟨u, W v⟩ after so many steps of the power method, differentiable by the weights."""
        with torch.enable_grad():
            point = self._vector.clone().requires_grad_()
            for _ in range(steps):
                image = self._apply(point)
                left = image.detach() / image.detach().norm().clamp_min(1e-30)
                (pulled,) = torch.autograd.grad(image, point, left)
                point = (pulled / pulled.norm().clamp_min(1e-30)).requires_grad_()
            found = point.detach()
            # In place, so that a step that is captured and replayed goes on from it.
            self._vector.copy_(found)
            image = self._apply(found)
            left = image.detach() / image.detach().norm().clamp_min(1e-30)
            return (image * left).sum()


@dataclass(frozen=True, kw_only=True)
class _Spectral(Regularizer):
    """The singular values of all layers at each step."""

    strength: NonNegative = 0.01
    kernel: Literal["operator", "reshaped"] = "operator"
    iterations: Count = 1

    step_cost: ClassVar[float] = 1.5
    capturable: ClassVar[bool] = True

    def start(self, training: Training) -> list[_Direction]:
        """All layers with vectors near their singular vectors; none at strength 0."""
        if self.strength == 0:
            return []
        followed = self._directions(training)
        for each in followed:
            each.singular_value(FIRST_STEPS)
        return followed

    def _log_values(self, step: Step) -> Tensor:
        return self._values(step).clamp_min(1e-30).log()

    def _values(self, step: Step) -> Tensor:
        return torch.stack([each.singular_value(self.iterations) for each in step.state])

    def _directions(self, training: Training) -> list[_Direction]:
        layers = weight_layers(training.model)
        convolutions = {each.module for each in layers if each.convolution is not None}
        found, _ = passages(training.model, training.task, convolutions)
        followed = []
        for layer in layers:
            weight, convolve = layer.weight, layer.convolution
            shape: tuple[int, ...] | torch.Size = (weight[0].numel(),)
            if convolve is None or self.kernel == "reshaped":
                apply = _matrix(weight)
            else:
                passing = found[layer.module].inputs
                if passing is None:
                    self.refuse(f"the convolution '{layer.module}' is never applied")
                shape, apply = (1, *passing.shape[1:]), _operator(convolve, weight)
            vector = torch.randn(
                shape, generator=training.generator, device=training.device, dtype=weight.dtype
            )
            followed.append(_Direction(apply, vector))
        return followed


@genbench.regularizer(source="Yoshida & Miyato 2017, eq. 4 (without its factor 1/2)")
@dataclass(frozen=True, kw_only=True)
class SpectralNorm(_Spectral):
    """λ Σ_l σ_l², σ_l being the largest singular value of layer l.

    The singular vectors are followed along training by the power method. The weights are taken as they
    stand: the scale of a normalization behind a layer is not counted. Biases and normalizations are no
    layers. The measure `log_prod_of_spec` falls with it.

    Attributes
    ----------
    strength : float
        λ.
    kernel : {"operator", "reshaped"}
        A convolution as the linear map that it is, or its kernel as a matrix of shape (out, in · kernel).
    iterations : int
        Steps of the power method at each update; 20 are made before the first.
    """

    def penalty(self, step: Step) -> Tensor | None:
        """λ Σ_l σ_l², shape (), after `iterations` steps of the power method; None at strength 0."""
        if self.strength == 0:
            return None
        return self.strength * self._values(step).square().sum()


@genbench.regularizer(source="Taborsky & Hansen (Generalization by design), corollary 3.0.1 and eq. 5")
@dataclass(frozen=True, kw_only=True)
class SpectralProduct(_Spectral):
    """λ ln Π_l σ_l², or λ max(0, Π_l σ_l² − β): the product that bounds the curvature of the network.

    Singular values are found as in `spectral-norm`; the authors bound the product and leave open how. The
    measure `log_prod_of_spec` falls with it.

    Attributes
    ----------
    strength : float
        λ.
    form : {"log", "hinge"}
    bound : float
        β, for ``hinge``.
    kernel : {"operator", "reshaped"}
        A convolution as the linear map that it is, or its kernel as a matrix of shape (out, in · kernel).
    iterations : int
        Steps of the power method at each update; 20 are made before the first.
    """

    form: Literal["log", "hinge"] = "log"
    bound: Positive = 1.0

    def penalty(self, step: Step) -> Tensor | None:
        """λ times the logarithm of the product, or what of it exceeds β, shape (); None at strength 0."""
        if self.strength == 0:
            return None
        logarithm = 2 * self._log_values(step).sum()
        if self.form == "log":
            return self.strength * logarithm
        return self.strength * (logarithm.exp() - self.bound).clamp_min(0)


def _matrix(weight: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda vector: weight.flatten(1) @ vector


def _operator(convolve: Callable[[Tensor, Tensor], Tensor], weight: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda inputs: convolve(inputs, weight)
