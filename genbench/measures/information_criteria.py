"""Information criteria: the fit of the training data paid for with the number of parameters.

They estimate the loss on new data of regular models with many more examples than parameters, which networks
are not. ℓ_i are the losses in nats, ω counts all that is trained: weights and biases, scales and shifts of
normalizations, embeddings; m is the number of training examples. In regression the errors are taken for
Gaussian, with one variance for all k outputs: its estimate counts as one more parameter, each output of each
example as an observation, and −2 ln likelihood is m k ln(mean squared error) but for constants.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import genbench
from genbench.base.data import Task

__all__ = ["aic", "bic"]


@genbench.measure(
    family="information-criterion", direction="+", source="Akaike 1974", formula="2 ω + 2 Σ_i ℓ_i", version=2
)
def aic(model, losses, task, *, per_example: bool = False, corrected: bool = False) -> Tensor:
    """Akaike's information criterion; the smaller, the better the model.

    ω counts all trained numbers: weights, biases, scales and shifts of normalizations, embeddings. In
    regression with k outputs, 2 (ω + 1) + m k ln(mean squared error), constants left out: errors are Gaussian
    with one variance, which is a parameter too.

    Parameters
    ----------
    per_example : bool
        Divide by m, for comparisons over numbers of examples.
    corrected : bool
        Add 2 K (K + 1) / (n − K − 1) for small samples (Hurvich & Tsai 1989), K the number of parameters and
        n of observations: ω and m in classification, ω + 1 and m k in regression.

    Raises
    ------
    NotApplicable
        There is no correction unless there are two more observations than parameters; or a regression meets
        all targets exactly.
    """
    size, count = _parameters(model, task), _observations(losses, task)
    value = 2.0 * size + _deviance(losses, task)
    if corrected:
        if count - size - 1 <= 0:
            raise genbench.NotApplicable(f"no correction for {size} parameters and {count} observations")
        value += 2 * size * (size + 1) / (count - size - 1)
    return value / len(losses) if per_example else value


@genbench.measure(
    family="information-criterion", direction="+", source="Schwarz 1978", formula="ω ln m + 2 Σ_i ℓ_i",
    version=2,
)  # fmt: skip
def bic(model, losses, task, *, per_example: bool = False) -> Tensor:
    """Bayesian information criterion; the smaller, the better the model.

    ω counts all trained numbers: weights, biases, scales and shifts of normalizations, embeddings. In
    regression with k outputs, (ω + 1) ln(m k) + m k ln(mean squared error), see `aic`.

    Parameters
    ----------
    per_example : bool
        Divide by m, for comparisons over numbers of examples.

    Raises
    ------
    NotApplicable
        A regression meets all targets exactly.
    """
    value = _parameters(model, task) * math.log(_observations(losses, task)) + _deviance(losses, task)
    return value / len(losses) if per_example else value


def _parameters(model: torch.nn.Module, task: Task) -> int:
    size = sum(parameter.numel() for parameter in model.parameters())
    return size if task.kind == "classification" else size + 1


def _observations(losses: Tensor, task: Task) -> int:
    return len(losses) * (1 if task.kind == "classification" else task.outputs)


def _deviance(losses: Tensor, task: Task) -> Tensor:
    """−2 ln likelihood, in regression at the best variance and without constants."""
    if task.kind == "classification":
        return 2 * losses.sum()
    mean = losses.mean()
    if mean == 0:
        raise genbench.NotApplicable("all targets are met exactly: the likelihood has no largest value")
    return _observations(losses, task) * mean.log()
