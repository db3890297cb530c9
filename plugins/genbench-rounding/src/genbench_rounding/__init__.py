"""How coarsely can a network's weights be rounded before it answers differently?"""

from __future__ import annotations

import copy

import torch

import genbench

__all__ = ["InputNoise", "bits_needed", "rounding_errors"]

MOST_BITS = 16


@genbench.probe(cost="E")
def rounding_errors(model, inputs):
    """Share of the training examples whose predicted class changes when weights are rounded.

    Each weight tensor is rounded to 2**bits evenly spaced values between its smallest and its largest.

    Returns
    -------
    Tensor, shape (MOST_BITS,)
        For 1, 2, ... bits.
    """
    answers = model(inputs).argmax(1)
    rounded = copy.deepcopy(model)
    shares = []
    for bits in range(1, MOST_BITS + 1):
        for weight, original in zip(rounded.parameters(), model.parameters(), strict=True):
            weight.copy_(_round(original, bits))
        shares.append((rounded(inputs).argmax(1) != answers).double().mean())
    return torch.stack(shares)


def _round(weight: torch.Tensor, bits: int) -> torch.Tensor:
    low, high = weight.aminmax()
    step = (high - low) / (2**bits - 1)
    return weight if step == 0 else low + step * torch.round((weight - low) / step)


@genbench.measure(family="flatness", direction="+", source="Zhang et al. 2017, eq. 14 (bits of a weight)")
def bits_needed(rounding_errors, task, *, tolerance: float = 0.01):
    """Fewest bits a weight at which at most a share `tolerance` of the training examples is answered anew."""
    if task.kind != "classification":
        raise genbench.NotApplicable("rounding is judged by predicted classes, which regression lacks")
    enough = torch.nonzero(rounding_errors <= tolerance).flatten()
    if not len(enough):
        raise genbench.NotApplicable(f"{MOST_BITS} bits are not enough")
    return int(enough[0]) + 1


@genbench.regularizer
class InputNoise(genbench.Regularizer):
    """Gaussian noise of standard deviation `strength` on the inputs of every batch."""

    strength: float = 0.1

    def batch(self, step):
        """Return the batch with noisy inputs."""
        noise = torch.randn(step.inputs.shape, generator=step.generator, device=step.inputs.device)
        return step.inputs + self.strength * noise, step.targets
