"""Noise on the weights: stochastic gradient Langevin dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

import genbench
from genbench.base.constraints import Fraction, NonNegative, Positive
from genbench.contract.regularizer import Regularizer, Step

__all__ = ["Langevin"]


@genbench.regularizer(
    source="Zhang et al. 2017 (Theory of deep learning III), eq. 5 and figure 6", aliases=("sgdl", "gdl")
)
@dataclass(frozen=True, kw_only=True)
class Langevin(Regularizer):
    """After each update, γ'_t · N(0, 1) is added to every trained parameter.

    w_{t+1} = w_t − γ_t ∇L_B(w_t) + γ'_t ξ_t: SGDL, and GDL where the batch is the whole training set. γ'_t
    does not depend on the learning rate. With t counted from 1, `constant` is γ'_t = γ' (the authors'
    figure 6), `inverse` γ' / (1 + (t − 1) / period), which is γ' / t for the period 1, and `geometric`
    γ' · decay^((t − 1) / period).

    Attributes
    ----------
    noise : float
        γ', the standard deviation at the first step; the authors print no value.
    schedule : {"constant", "inverse", "geometric"}
    period : float
        Unit of t, in steps.
    decay : float
        Factor of `geometric` for each period.
    """

    noise: NonNegative = 1e-4
    schedule: Literal["constant", "inverse", "geometric"] = "constant"
    period: Positive = 1.0
    decay: Fraction = 0.999

    capturable: ClassVar[bool] = True

    def deviation(self, index: int) -> float:
        """γ' of the step that `index` updates precede."""
        elapsed = index / self.period
        if self.schedule == "inverse":
            return self.noise / (1 + elapsed)
        return self.noise * (self.decay**elapsed if self.schedule == "geometric" else 1.0)

    def host_values(self, state: Any, index: int, progress: float, examples: int) -> Mapping[str, Any]:
        """γ' of the step."""
        return {"deviation": self.deviation(index)}

    def after_update(self, step: Step) -> None:
        """Add noise of this step's deviation to the trained parameters."""
        deviation = step.values["deviation"]
        on_host = isinstance(deviation, float)
        if self.noise == 0 or (on_host and deviation == 0):
            return
        with torch.no_grad():
            for each in step.model.parameters():
                if each.requires_grad:
                    noise = torch.randn(each.shape, generator=step.generator, device=each.device)
                    if on_host:
                        each.add_(noise, alpha=deviation)
                    else:
                        each.add_(noise * deviation)
