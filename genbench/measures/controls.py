"""Controls: what any measure has to beat. They stand in every table."""

from __future__ import annotations

import torch
from torch import Tensor

import genbench
from genbench.measures.conventions import per_example

__all__ = ["num_layers", "num_params", "random", "train_error", "train_loss"]

_RAW_LAYERS = genbench.need("layers", fold=False)


@genbench.measure(family="control", direction="?", source="Jiang et al. 2020, section 5", formula="N(0, 1)")
def random(generator) -> Tensor:
    """One draw from the standard normal distribution; it knows nothing of the fit."""
    return torch.randn((), generator=generator, device=generator.device, dtype=torch.float64)


@genbench.measure(
    family="control", direction="+", source="Jiang et al. 2020, eq. 20", formula="ω = Σ_l numel(W_l)"
)
def num_params(sample_size, layers=_RAW_LAYERS, *, biases: bool = False, by_size: bool = False) -> Tensor:
    """Number of weights: classical capacity, said to raise the gap.

    Parameters
    ----------
    biases : bool
        Count the biases of the weight layers too.
    by_size : bool
        √(ω / m), m being the number of training examples.
    """
    count = sum(layer.weight.numel() for layer in layers)
    if biases:
        count += sum(layer.bias.numel() for layer in layers if layer.bias is not None)
    return per_example(torch.tensor(float(count), dtype=torch.float64), sample_size, by_size)


@genbench.measure(family="control", direction="?", formula="d")
def num_layers(layers=_RAW_LAYERS) -> int:
    """Number of weight layers, known before training."""
    return len(layers)


@genbench.measure(
    family="control", direction="+", source="Jiang et al. 2020, eq. 21", formula="mean_i −ln p_{y_i}(x_i)",
    aliases=("cross_entropy", "nll"),
)  # fmt: skip
def train_loss(losses) -> Tensor:
    """Mean cross-entropy on the training data, mean squared error in regression."""
    return losses.mean()


@genbench.measure(family="control", direction="+", formula="mean_i 1[argmax f(x_i) ≠ y_i]")
def train_error(errors) -> Tensor:
    """Share of the training examples that are misclassified; 1 − R² in regression.

    Raises
    ------
    NotApplicable
        The targets of a regression do not vary; or some outputs are not finite.
    """
    return errors
