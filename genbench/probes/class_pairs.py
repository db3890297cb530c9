"""Pairs of training examples of one class, for measures that look between them."""

from __future__ import annotations

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.passes import chunks, forward, require_classes

__all__ = ["midpoint_error", "partners_of_class", "repeated_partners", "require_movable", "with_partner"]


@genbench.probe(cost="B")
def midpoint_error(model, inputs, targets, task, device, generator, *, midpoints: Count = 2500) -> Tensor:
    """Share of the midpoints between training examples of one class that are not given that class.

    Parameters
    ----------
    midpoints : int
        Fewer examples than these are paired several times, until there are as many midpoints: of few, chance
        decides how many go wrong.
    """
    require_movable(inputs)
    partners = repeated_partners(targets.to(device), generator, midpoints)
    paired = with_partner(partners[0])
    wrong = 0
    for partner in partners:
        for part in chunks(inputs, device):
            others = inputs[partner[part].to(inputs.device)]
            outputs = forward(model, ((inputs[part] + others) / 2).to(device))
            require_classes(task, outputs)
            wrong += ((outputs.argmax(1) != targets[part].to(device)) & paired[part]).sum()
    return torch.as_tensor(wrong / (len(partners) * paired.sum()))


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


def repeated_partners(targets: Tensor, generator: torch.Generator, midpoints: int) -> list[Tensor]:
    """`partners_of_class` in as many orders as make no fewer than so many pairs; of many examples in one."""
    return [partners_of_class(targets, generator) for _ in range(-(-midpoints // len(targets)))]


def with_partner(partners: Tensor) -> Tensor:
    """Which examples have a partner other than themselves."""
    paired = partners != torch.arange(len(partners), device=partners.device)
    if not paired.any():
        raise genbench.NotApplicable("needs two examples of one class")
    return paired
