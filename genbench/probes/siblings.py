"""A fit beside those of the same configuration with other seeds: what they predict, and what lies between.

Predictions are those of each network itself. Between the networks, weights are interpolated: all parameters,
biases and scales included, and all statistics, each as the network stores it, on inputs as this fit reads
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count
from genbench.networks.copying import copy_of
from genbench.networks.gradient_products import outputs_of
from genbench.networks.kinds import is_batch_norm
from genbench.networks.passes import evenly_spaced, forward, require_classes
from genbench.probes.outputs import errors as error_of
from genbench.probes.outputs import losses as losses_of
from genbench.probes.validation import require_held_out

__all__ = [
    "BatchNorm",
    "Interpolation",
    "path_interpolation",
    "simplex_interpolation",
    "training_classes",
    "validation_classes",
]

BatchNorm = Literal["recomputed", "interpolated"]
"""What becomes of running statistics at interpolated weights. Those of one network belong to its weights, and
between two networks they are far off: they are computed anew from the training examples taken, at every point
of the grid, its corners included, or interpolated like the weights."""


@dataclass(frozen=True)
class Interpolation:
    """Networks with weights Σ_i λ_i w_i, w_0 being the fit and the others its siblings.

    Attributes
    ----------
    coefficients : Tensor, shape (points, networks)
        λ, double.
    losses : Tensor, shape (points,)
        Mean loss on the training examples taken, double.
    errors : Tensor, shape (points,)
        Their error, double: the share misclassified, 1 − R² in regression.
    """

    coefficients: Tensor
    losses: Tensor
    errors: Tensor

    def values(self, quantity: str) -> Tensor:
        """Errors or losses."""
        return self.errors if quantity == "error" else self.losses


@genbench.probe(cost="B")
def training_classes(model, siblings, inputs, task, device) -> Tensor:
    """Classes that the fit, in row 0, and its siblings predict for the training inputs, shape (1 + s, n)."""
    return _predicted(model, siblings, inputs, task, device)


@genbench.probe(cost="B")
def validation_classes(validation, siblings, model, task, device) -> Tensor:
    """Classes that the fit, in row 0, and its siblings predict for the inputs held out, shape (1 + s, n)."""
    require_held_out(validation)
    return _predicted(model, siblings, validation.inputs, task, device)


@genbench.probe(cost="B", version=2)
def path_interpolation(
    model, siblings, inputs, targets, task, device,
    *, steps: Count = 10, examples: Count = 1000, batch_norm: BatchNorm = "recomputed",
) -> list[Interpolation]:  # fmt: skip
    """Loss and error along the straight lines from the fit to each of its siblings.

    Parameters
    ----------
    steps : int
        Parts into which each line is divided; its ends are computed too.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    batch_norm : {"recomputed", "interpolated"}
        Running statistics are computed anew on these examples at every point, or interpolated as the weights.

    Raises
    ------
    NotApplicable
        There is no sibling; one has other parameters; a batch norm keeps no running statistics; outputs are
        not finite, at the ends or between them.
    """
    line = [(1 - step / steps, step / steps) for step in range(steps + 1)]
    _require_siblings(siblings, 1)
    sample = _sample(inputs, targets, examples, device)
    return [_interpolate([model, each], line, *sample, task, device, batch_norm) for each in siblings]


@genbench.probe(cost="B", version=2)
def simplex_interpolation(
    model, siblings, inputs, targets, task, device,
    *, steps: Count = 5, examples: Count = 1000, batch_norm: BatchNorm = "recomputed",
) -> Interpolation:  # fmt: skip
    """Loss and error on the triangle between the fit and the two siblings with the lowest seeds.

    Parameters
    ----------
    steps : int
        λ runs over the (steps + 1)(steps + 2) / 2 multiples of 1/steps that sum up to 1.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    batch_norm : {"recomputed", "interpolated"}
        Running statistics are computed anew on these examples at every point, or interpolated as the weights.

    Raises
    ------
    NotApplicable
        There are fewer than three fits; one has other parameters; a batch norm keeps no running statistics;
        outputs are not finite, at the corners or between them.
    """
    _require_siblings(siblings, 2)
    grid = [
        (first / steps, second / steps, (steps - first - second) / steps)
        for first in range(steps, -1, -1)
        for second in range(steps - first, -1, -1)
    ]
    sample = _sample(inputs, targets, examples, device)
    return _interpolate([model, *siblings[:2]], grid, *sample, task, device, batch_norm)


def _require_siblings(siblings: Sequence[nn.Module], wanted: int) -> None:
    if len(siblings) < wanted:
        number = {1: "two", 2: "three"}[wanted]
        raise genbench.NotApplicable(
            f"needs siblings: the fits of {number} seeds of a configuration, there "
            f"{'is 1' if not siblings else f'are {len(siblings) + 1}'}"
        )


def _predicted(
    model: nn.Module, siblings: Sequence[nn.Module], inputs: Tensor, task: Any, device: torch.device
) -> Tensor:
    _require_siblings(siblings, 1)
    classes = []
    for network in (model, *siblings):
        outputs = outputs_of(network, inputs, device)
        require_classes(task, outputs)
        if not outputs.isfinite().all():
            raise genbench.NotApplicable("the outputs of a seed are not finite")
        classes.append(outputs.argmax(1))
    return torch.stack(classes)


def _sample(inputs: Tensor, targets: Tensor, examples: int, device: torch.device) -> tuple[Tensor, Tensor]:
    return evenly_spaced(inputs, examples).to(device), evenly_spaced(targets, examples).to(device)


def _interpolate(
    networks: Sequence[nn.Module], grid: Sequence[tuple[float, ...]], inputs: Tensor, targets: Tensor,
    task: Any, device: torch.device, batch_norm: BatchNorm,
) -> Interpolation:  # fmt: skip
    moving = copy_of(networks[0])
    entries = _floating(moving)
    corners = [_floating(network) for network in networks]
    for corner in corners[1:]:
        if {name: each.shape for name, each in corner.items()} != {
            name: each.shape for name, each in entries.items()
        }:
            raise genbench.NotApplicable("a sibling has other parameters than the fit")
    norms: list[Any] = [module for module in moving.modules() if is_batch_norm(module)]
    if any(norm.running_mean is None or norm.running_var is None for norm in norms):
        raise genbench.NotApplicable("a batch norm keeps no running statistics")
    losses, errors = [], []
    for point in grid:
        for name, entry in entries.items():
            parts = [
                weight * corner[name].to(torch.promote_types(entry.dtype, torch.float64))
                for weight, corner in zip(point, corners, strict=True)
                if weight
            ]
            entry.copy_(torch.stack(parts).sum(0))
        if norms and batch_norm == "recomputed":
            _take_statistics(moving, norms, inputs)
        outputs = outputs_of(moving, inputs, device)
        losses.append(losses_of(outputs, targets, task).mean())
        errors.append(error_of(outputs, targets, task))
    return Interpolation(
        torch.tensor(grid, dtype=torch.float64), torch.stack(losses).cpu(), torch.stack(errors).cpu()
    )


def _floating(network: nn.Module) -> dict[str, Tensor]:
    named = [*network.named_parameters(), *network.named_buffers()]
    return {name: each.detach() for name, each in named if not _is_whole(each)}


def _is_whole(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def _take_statistics(network: nn.Module, norms: list[Any], inputs: Tensor) -> None:
    """Set the running statistics to those of the inputs, each layer's behind normalized layers before it."""
    if len(inputs) < 2:
        raise genbench.NotApplicable("the statistics of a batch norm need two examples")
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    forward(network, inputs)
    for norm in norms:
        norm.eval()
