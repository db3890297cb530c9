"""The way that the weights took through training: its length, how straight it was, what was learned on it.

Every step counts where a run recorded it. Through snapshots that are given without a run, the way leads
straight from one to the next. The trained parameters count, biases and normalizations included.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

import genbench

__all__ = ["dist_over_traj", "tk_complexity", "traj_length"]

_FEATURES = genbench.need("tangent_features_along", shared="examples")


@genbench.measure(
    family="trajectory", direction="+", source="length of the optimization path",
    formula="Σ_t ‖w_t − w_{t−1}‖",
)  # fmt: skip
def traj_length(trajectory) -> Tensor:
    """Length of the way from the initial weights to those of the last step.

    These are the trained ones unless training put earlier weights back (``target_rule = "closest"``, early
    stopping).
    """
    return _length(trajectory)


@genbench.measure(
    family="trajectory", direction="+", source="straightness of the optimization path",
    formula="‖w_T − w_0‖ / Σ_t ‖w_t − w_{t−1}‖",
)  # fmt: skip
def dist_over_traj(trajectory) -> Tensor:
    """Distance from the initial weights over the length of the way there: 1 for a straight line.

    The way ends at the last step, also where training put earlier weights back (``target_rule = "closest"``,
    early stopping).
    """
    return trajectory.distance / _length(trajectory)


@genbench.measure(
    family="tangent_kernel", direction="+", source="Walker 2023, section 4.2; Baratin et al. 2021, section 5",
    formula="Σ_t ‖w_{t+1} − w_t‖ ‖Φ_t‖_F, ‖Φ_t‖_F² = Σ_i Σ_c ‖∇_w f_c(x_i)‖²",
)  # fmt: skip
def tk_complexity(trajectory, features=_FEATURES, *, at: Literal["start", "mean", "end"] = "start") -> Tensor:
    """Complexity of the function as the sum of its linear changes, each in the tangent features of its step.

    The features are known at snapshots; those of one snapshot stand for all steps up to the next, whose
    lengths are added up. All steps count, also those behind weights that training put back.

    Parameters
    ----------
    at : {"start", "mean", "end"}
        Take the norm of the features from the snapshot before the steps, as published; from the one behind
        them; or the mean of both.
    """
    norms = features.squared_norms.sqrt().cpu()
    if len(norms) < 2:
        raise genbench.NotApplicable("needs two snapshots")
    so_far = torch.cat([torch.zeros(1, dtype=torch.float64), trajectory.lengths.cumsum(0)])
    places = torch.searchsorted(trajectory.steps, features.steps)
    if not torch.equal(trajectory.steps[places.clamp_max(len(so_far) - 1)], features.steps):
        raise genbench.NotApplicable("the snapshots are not on the trajectory that was recorded")
    taken = {"start": norms[:-1], "end": norms[1:], "mean": (norms[:-1] + norms[1:]) / 2}[at]
    return (so_far[places].diff() * taken).sum()


def _length(trajectory) -> Tensor:
    if len(trajectory.lengths) == 0:
        raise genbench.NotApplicable("needs two points of the trajectory")
    length = trajectory.lengths.sum()
    if length == 0:
        raise genbench.NotApplicable("the weights did not move")
    return length
