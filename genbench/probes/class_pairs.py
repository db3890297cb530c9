"""Pairs of training examples of one class, for measures that look between them."""

from __future__ import annotations

import torch
from torch import Tensor

import genbench

__all__ = ["partners_of_class", "require_movable", "with_partner"]


def require_movable(inputs: Tensor) -> None:
    """Raise NotApplicable for inputs that are no real numbers and have nothing between them."""
    if not inputs.is_floating_point():
        raise genbench.NotApplicable(f"inputs of type {inputs.dtype} cannot be moved a little")


def partners_of_class(targets: Tensor, generator: torch.Generator) -> Tensor:
    """For each example the next of its class in a random order, the last one's being the first."""
    if targets.is_floating_point():
        raise genbench.NotApplicable("defined for classification only")
    shuffled = torch.randperm(len(targets), generator=generator, device=targets.device)
    ordered = shuffled[targets[shuffled].argsort(stable=True)]
    following = ordered.roll(-1)
    classes = targets[ordered]
    starts = torch.ones_like(classes, dtype=torch.bool)
    starts[1:] = classes[1:] != classes[:-1]
    first_of_class = ordered[starts]
    ends = starts.roll(-1)
    following[ends] = first_of_class
    partners = torch.empty_like(ordered)
    partners[ordered] = following
    return partners


def with_partner(partners: Tensor) -> Tensor:
    """Which examples have a partner other than themselves."""
    paired = partners != torch.arange(len(partners), device=partners.device)
    if not paired.any():
        raise genbench.NotApplicable("needs two examples of one class")
    return paired
