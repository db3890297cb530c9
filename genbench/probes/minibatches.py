"""The spread of the gradients of minibatches, coordinate by coordinate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import genbench
from genbench.constraints import Count
from genbench.probes.gradient_products import trained_parameters
from genbench.probes.gradients import gradient_of_batch
from genbench.probes.sample import evenly_spaced

__all__ = ["MinibatchMoments", "minibatch_moments"]


@dataclass(frozen=True)
class MinibatchMoments:
    """Central moments of the gradients of n minibatches, for each parameter.

    Attributes
    ----------
    second, fourth : Tensor, shape (parameters,)
        mean (g − mean g)² and mean (g − mean g)⁴ over the batches, double.
    batches : int
    """

    second: Tensor
    fourth: Tensor
    batches: int


@genbench.probe(cost="D")
def minibatch_moments(
    model, inputs, targets, task, device, generator,
    *, batch: Count = 16, batches: Count = 64, examples: Count = 2000,
) -> MinibatchMoments:  # fmt: skip
    """Gradients of the mean losses of random batches, at the trained weights.

    Parameters
    ----------
    batch : int
        Examples in a batch, drawn without replacement.
    batches : int
        How many are drawn, independently of each other.
    examples : int
        They are drawn from at most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        A batch would hold all examples.
    """
    taken = evenly_spaced(torch.arange(len(inputs)), examples)
    if batch >= len(taken):
        raise genbench.NotApplicable(f"batches of {batch} from {len(taken)} examples are all the same")
    size = sum(each.numel() for each in trained_parameters(model).values())
    mean, second, third, fourth = (torch.zeros(size, dtype=torch.float64, device=device) for _ in range(4))
    for n in range(1, batches + 1):
        drawn = torch.randperm(len(taken), generator=generator, device=generator.device)[:batch].cpu()
        total, scale = gradient_of_batch(model, inputs, targets, taken[drawn], task, device)
        gradient = total * (scale / batch)
        # One batch more in the sums of powers of the deviations from the mean (Pébay 2008).
        delta = gradient - mean
        part = delta / n
        more = delta * part * (n - 1)
        fourth += more * part.square() * (n * n - 3 * n + 3) + 6 * part.square() * second - 4 * part * third
        third += more * part * (n - 2) - 3 * part * second
        second += more
        mean += part
    return MinibatchMoments(second / batches, fourth / batches, batches)
