"""One epoch's batches, cut from data that stay on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from genbench.training.augmentation import Draws, augment
from genbench.training.pixels import Inputs, lies_in_channels_last

__all__ = ["batch_sizes", "batches"]

# Numbers gathered at once: 64 MiB of float32, so that small data cost one gather for each epoch and large
# ones are never copied whole.
BLOCK = 2**24


def batch_sizes(examples: int, batch_size: int) -> list[int]:
    """Sizes of an epoch's batches.

    The last batch is smaller where `batch_size` does not divide `examples`; one of a single example is merged
    into the one before, because batch normalization has no variance of one example.
    """
    sizes = [batch_size] * (examples // batch_size)
    rest = examples % batch_size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def batches(
    inputs: Inputs, targets: Tensor, order: Tensor, sizes: list[int], draws: Draws | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the inputs and targets of each batch of one epoch.

    Parameters
    ----------
    inputs : Tensor or Pixels, shape (n, *input_shape)
    targets : Tensor, shape (n,) or (n, outputs)
    order : Tensor of int64, shape (n,)
        A permutation, on the same device.
    sizes : list of int
        Their sum is n.
    draws : Draws or None
        The augmentation of each position in the order.
    """
    example = max(1, math.prod(inputs.shape[1:]))
    per_block = max(1, BLOCK // (example * max(sizes)))
    images = lies_in_channels_last(inputs)
    start = 0
    for first in range(0, len(sizes), per_block):
        block = sizes[first : first + per_block]
        stop = start + sum(block)
        chosen = order[start:stop]
        block_inputs = inputs[chosen]
        if draws is not None:
            block_inputs = augment(block_inputs, draws[start:stop])
        if images:
            block_inputs = block_inputs.contiguous(memory_format=torch.channels_last)
        yield from zip(block_inputs.split(block), targets[chosen].split(block), strict=True)
        start = stop
