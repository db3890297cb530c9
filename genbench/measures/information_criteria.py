"""Information criteria: the fit of the training data paid for with the number of parameters.

They estimate the loss on new data of regular models with many more examples than parameters, which networks
are not. ℓ_i are the losses in nats, ω is the number of all weights and biases, m that of training examples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import genbench

__all__ = ["aic", "bic"]


@genbench.measure(
    family="information-criterion", direction="+", source="Akaike 1974", formula="2 ω + 2 Σ_i ℓ_i"
)
def aic(model, losses, task, *, per_example: bool = False, corrected: bool = False) -> Tensor:
    """Akaike's information criterion; the smaller, the better the model.

    In regression with Gaussian errors, m ln(mean squared error) for the second term; constants are left out.

    Parameters
    ----------
    per_example : bool
        Divide by m, for comparisons over numbers of examples.
    corrected : bool
        Add 2 ω (ω + 1) / (m − ω − 1) for small samples (Hurvich & Tsai 1989).

    Raises
    ------
    NotApplicable
        There is no correction unless there are two more examples than parameters.
    """
    size, count = _size(model), len(losses)
    penalty = 2.0 * size
    if corrected:
        if count - size - 1 <= 0:
            raise genbench.NotApplicable(f"no correction for {size} parameters and {count} examples")
        penalty += 2 * size * (size + 1) / (count - size - 1)
    value = penalty + _deviance(losses, task.kind)
    return value / count if per_example else value


@genbench.measure(
    family="information-criterion", direction="+", source="Schwarz 1978", formula="ω ln m + 2 Σ_i ℓ_i"
)
def bic(model, losses, task, *, per_example: bool = False) -> Tensor:
    """Bayesian information criterion; the smaller, the better the model. See `aic`.

    Parameters
    ----------
    per_example : bool
        Divide by m, for comparisons over numbers of examples.
    """
    value = _size(model) * math.log(len(losses)) + _deviance(losses, task.kind)
    return value / len(losses) if per_example else value


def _size(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _deviance(losses: Tensor, kind: str) -> Tensor:
    if kind == "classification":
        return 2 * losses.sum()
    return len(losses) * losses.mean().log()
