"""Measures of a group of fits: one fit beside those of the same configuration with other seeds.

They are computed when all seeds are trained. Where a suite trains on a part of the data, each seed draws its
own part; a sibling has then seen other examples than the fit, and the measure is ranked among the held-out
ones.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

import genbench

__all__ = [
    "Pairs",
    "disagreement",
    "interpolation_barrier",
    "interpolation_barrier_simplex",
    "seed_disagreement",
]

Pairs = Literal["own", "all"]
"""The fit with each of its siblings, or all pairs of seeds."""

_INTERPOLATION = ("steps", "examples", "batch_norm")


@genbench.measure(
    family="siblings", direction="+",
    source="Nakkiran & Bansal 2020; Jiang et al. 2022 (Assessing generalization via disagreement)",
    formula="mean over siblings h' of mean_i 1[h(x_i) ≠ h'(x_i)]",
)  # fmt: skip
def seed_disagreement(classes=genbench.need("training_classes"), *, pairs: Pairs = "own") -> Tensor:
    """Share of the training inputs on which the fit and one with another seed predict differently.

    The sources take inputs that nobody was trained on, as `seed_disagreement_val` does; where all seeds fit
    the same training set, this is 0.

    Parameters
    ----------
    pairs : {"own", "all"}
        The fit with each of its siblings, or all pairs of seeds, which gives every seed the same value.
    """
    return disagreement(classes, pairs)


@genbench.measure(
    family="siblings", direction="+",
    source="Zhang et al. 2017 (Theory of deep learning III), eq. 12, figures 11 and 12",
    formula="mean_i acc(w_i) − min or mean over λ of acc(Σ_i λ_i w_i), i = 1, 2, 3",
)  # fmt: skip
def interpolation_barrier_simplex(
    surface=genbench.need("simplex_interpolation", shared=_INTERPOLATION),
    *, summary: Literal["mean", "min"] = "mean", quantity: Literal["error", "loss"] = "error",
) -> Tensor:  # fmt: skip
    """How far training accuracy drops between the minima of three seeds, from its mean over the three.

    Flat surroundings of the minima, as the source finds them with natural labels, make the drop small.

    Parameters
    ----------
    summary : {"mean", "min"}
        Accuracy between the minima: its mean over the grid, or its smallest value.
    quantity : {"error", "loss"}
        ``loss``: by how much the training loss rises instead, ``min`` then being its largest value.
    """
    values = surface.values(quantity)
    corners = values[(surface.coefficients == 1).any(1)]
    return _rise(values, corners, summary)


@genbench.measure(
    family="siblings", direction="+", source="Frankle et al. 2020 (Linear mode connectivity), section 2",
    formula="mean over siblings of max_λ err((1 − λ) w + λ w') − (err(w) + err(w')) / 2",
)  # fmt: skip
def interpolation_barrier(
    paths=genbench.need("path_interpolation", shared=_INTERPOLATION),
    *, summary: Literal["min", "mean"] = "min", quantity: Literal["error", "loss"] = "error",
) -> Tensor:  # fmt: skip
    """Barrier of the training error on the straight lines from the fit to its siblings, averaged over them.

    Parameters
    ----------
    summary : {"min", "mean"}
        The drop to the lowest accuracy on the line, or to its mean.
    quantity : {"error", "loss"}
    """
    rises = []
    for path in paths:
        values = path.values(quantity)
        rises.append(_rise(values, values[[0, -1]], summary))
    return torch.stack(rises).mean()


def disagreement(classes: Tensor, pairs: Pairs) -> Tensor:
    """Share of examples with different predictions, averaged over pairs of networks.

    Parameters
    ----------
    classes : Tensor, shape (networks, n)
        Predicted classes, those of the fit in row 0.
    pairs : {"own", "all"}
    """
    if pairs == "own":
        return (classes[1:] != classes[0]).double().mean()
    differ = (classes.unsqueeze(1) != classes).double().mean(2)
    return differ.sum() / (len(classes) * (len(classes) - 1))


def _rise(values: Tensor, corners: Tensor, summary: Literal["mean", "min"]) -> Tensor:
    """From the mean over the corners to the mean or the largest value, that of least accuracy."""
    return (values.mean() if summary == "mean" else values.max()) - corners.mean()
