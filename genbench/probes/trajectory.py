"""What training looked like from the weights that were kept along it.

`trajectory` is the way of the weights; `gradients_along` and `tangent_features_along` put the weights of each
snapshot back into the network and look at the training examples through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count
from genbench.base.errors import first_line
from genbench.networks.copying import copy_of
from genbench.networks.gradient_products import gradient_pieces, trained_parameters
from genbench.networks.passes import evenly_spaced, require_real_weights
from genbench.networks.walk import Snapshots, Walk, walk_through
from genbench.probes.gradients import GradientMoments, gradient_moments, squared_norms

__all__ = [
    "GradientsAlong",
    "TangentFeaturesAlong",
    "gradients_along",
    "initial_gradient_moments",
    "tangent_features_along",
    "trajectory",
]


@dataclass(frozen=True)
class GradientsAlong:
    """Gradients g_i of the losses of s training examples at n snapshots.

    Attributes
    ----------
    steps : Tensor, shape (n,), int64
        Increasing.
    squared_norms : Tensor, shape (n, s)
        ‖g_i‖², double.
    squared_norm_of_mean : Tensor, shape (n,)
        ‖mean_i g_i‖², double.
    slopes : Tensor, shape (n - 1,)
        ‖difference of the mean gradients‖ / ‖difference of the weights‖ of successive snapshots, double; 0
        where the weights did not move.
    """

    steps: Tensor
    squared_norms: Tensor
    squared_norm_of_mean: Tensor
    slopes: Tensor


@dataclass(frozen=True)
class TangentFeaturesAlong:
    """Tangent features ∇_w f_c(x_i) of s training examples at n snapshots.

    Attributes
    ----------
    steps : Tensor, shape (n,), int64
        Increasing.
    squared_norms : Tensor, shape (n,)
        ‖Φ‖_F² = Σ_i Σ_c ‖∇_w f_c(x_i)‖², double.
    """

    steps: Tensor
    squared_norms: Tensor


@genbench.probe
def trajectory(snapshots, model) -> Walk:
    """The way of the trained parameters, step by step where a run recorded it, else by the snapshots.

    Raises
    ------
    NotApplicable
        The run did not record it, or the weights were not finite.
    """
    require_real_weights(model)
    if isinstance(snapshots, Snapshots):
        if snapshots.walk is None:
            raise genbench.NotApplicable("not kept: the suite's `keep` needs { trajectory = N }")
        walk = snapshots.walk
    else:
        _require_snapshots(snapshots)
        names = [name for name, each in model.named_parameters() if each.requires_grad]
        if not names:
            raise genbench.NotApplicable("the network has no parameters that are trained")
        _require_names(snapshots, names)
        walk = walk_through(snapshots, names)
    if not (walk.lengths.isfinite().all() and walk.last.isfinite().all()):
        raise genbench.NotApplicable("the weights were not finite all along the training")
    return walk


@genbench.probe(cost="D")
def initial_gradient_moments(
    initial_model, inputs, targets, task, device, *, examples: Count = 2000
) -> GradientMoments:
    """`gradient_moments` of the network before training.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    return gradient_moments(initial_model, inputs, targets, task, device, examples=examples)


@genbench.probe(cost="D")
def gradients_along(
    model, snapshots, inputs, targets, task, device, *, examples: Count = 500
) -> GradientsAlong:
    """Norms of the examples' gradients and of their mean at each snapshot, from one backward pass each.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        The run kept no snapshots, or they do not fit the network.
    """
    steps: list[int] = []
    norms, of_means, slopes = [], [], []
    gradient = weights = torch.zeros(0)
    for step, network in _networks(model, snapshots):
        moments = gradient_moments(network, inputs, targets, task, device, examples=examples)
        now = torch.cat([each.detach().flatten().double() for each in trained_parameters(network).values()])
        if steps:
            moved = (now - weights).norm()
            slopes.append(torch.where(moved == 0, 0.0, (moments.mean - gradient).norm() / moved))
        gradient, weights = moments.mean, now
        steps.append(step)
        norms.append(moments.squared_norms)
        of_means.append(moments.mean.square().sum())
    between = torch.stack(slopes) if slopes else torch.zeros(0, dtype=torch.float64)
    return GradientsAlong(torch.tensor(steps), torch.stack(norms), torch.stack(of_means), between)


@genbench.probe(cost="D")
def tangent_features_along(
    model, snapshots, inputs, task, device, *, examples: Count = 50
) -> TangentFeaturesAlong:
    """Frobenius norm of the tangent features of all outputs (logits) at each snapshot.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split. Each counts as many times
        as there are outputs.

    Raises
    ------
    NotApplicable
        The run kept no snapshots, or they do not fit the network.
    """
    picked = evenly_spaced(inputs, examples)
    directions = torch.eye(task.outputs, dtype=torch.float64, device=device).repeat(len(picked), 1)
    picked = picked.repeat_interleave(task.outputs, 0)
    steps, totals = [], []
    for step, network in _networks(model, snapshots):
        total = torch.zeros((), dtype=torch.float64, device=device)
        for scale, pieces in gradient_pieces(network, picked, lambda _, part: directions[part], device):
            for _, piece in pieces:
                total += squared_norms(piece).sum() * scale**2
        steps.append(step)
        totals.append(total)
    return TangentFeaturesAlong(torch.tensor(steps), torch.stack(totals))


def _networks(model: nn.Module, snapshots) -> Iterator[tuple[int, nn.Module]]:
    """A copy of the network with the weights of each snapshot after the other, in the order of the steps."""
    _require_snapshots(snapshots)
    network = copy_of(model)
    for step, state in sorted(snapshots, key=lambda each: each[0]):
        try:
            network.load_state_dict(state)
        except RuntimeError as fault:
            reason = first_line(fault)
            raise genbench.NotApplicable(f"snapshot {step} does not fit the network: {reason}") from None
        yield step, network


def _require_snapshots(snapshots) -> None:
    if not snapshots:
        raise genbench.NotApplicable("not kept: the suite's `keep` needs { snapshots = N }")
    steps = [step for step, _ in snapshots]
    if len(set(steps)) < len(steps):
        raise genbench.NotApplicable("two snapshots are of one step")


def _require_names(snapshots, names: list[str]) -> None:
    for step, state in snapshots:
        missing = [name for name in names if name not in state]
        if missing:
            raise genbench.NotApplicable(f"snapshot {step} does not fit the network: it lacks '{missing[0]}'")
