"""What becomes of the predictions on training data that are moved a little."""

from __future__ import annotations

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count, Positive
from genbench.networks.passes import chunks, forward, require_classes
from genbench.probes.class_pairs import require_movable

__all__ = ["label_wise_mixup", "perturbation_robustness"]

_MIDPOINT_ERROR = genbench.need("midpoint_error", shared="midpoints")


@genbench.measure(
    family="robustness", direction="+", source="Zhang et al. 2017 (Theory of deep learning III), eq. 44",
    formula="mean_i 1[argmax f(x_i + γ ε_i) ≠ y_i]", cost="B", version=2,
)  # fmt: skip
def perturbation_robustness(
    model, inputs, targets, task, device, generator, *, noise: Positive = 0.25, points: Count = 2500
) -> Tensor:
    """Training error under Gaussian noise on the inputs.

    Parameters
    ----------
    noise : float
        Standard deviation γ of the noise, on the inputs as the network gets them (normalized ones).
    points : int
        Fewer examples than these are moved several times, until there are as many points: of few, chance
        decides how many go wrong.
    """
    require_movable(inputs)
    draws = -(-points // len(inputs))
    wrong = 0
    for _ in range(draws):
        # Drawn for all examples at once: the value does not depend on how many fit into a pass.
        shift = torch.randn(inputs.shape, generator=generator, device=device, dtype=torch.float32)
        for part in chunks(inputs, device):
            clean = inputs[part].to(device)
            outputs = forward(model, clean + noise * shift[part].to(clean.dtype))
            require_classes(task, outputs)
            wrong += (outputs.argmax(1) != targets[part].to(device)).sum()
    return torch.as_tensor(wrong / (draws * len(inputs)))


@genbench.measure(
    family="robustness", direction="+", source="Natekar & Sharma 2020 (PGDL winner), label-wise mixup",
    formula="mean_i 1[argmax f((x_i + x_{i'}) / 2) ≠ y_i], y_{i'} = y_i", cost="B",
    version=2,
)  # fmt: skip
def label_wise_mixup(error=_MIDPOINT_ERROR) -> Tensor:
    """Share of the midpoints between training examples of one class that are not given that class.

    Each example is paired with another, drawn at random, of its class; one that is alone in its class is left
    out.
    """
    return error
