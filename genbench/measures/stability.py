"""Linear stability: whether SGD, with its learning rate η and batch size B, could stay at the minimum found.

Near a minimum that fits every example the loss is a sum of quadratic functions with the Hessians H_i of the
examples' losses. H is their mean and Σ = (1/m) Σ_i H_i² − H² says how unlike they are: descent with the whole
training set needs a small H, SGD a small Σ too. All are taken on `examples` training examples; m, in the
factor that says how much a batch of B out of m differs from another, is the size of the training split. η and
B are the protocol's, see the probe `sgd_step`, weight decay is left out. Parameters are all of the network's,
batch norm as it is in evaluation mode. Larger values mean that training rests where it hardly can: sharper
minima, which are said to generalize worse.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

import genbench

__all__ = ["sgd_nonuniformity_s", "sgd_sharpness_a", "sgd_stability_margin"]

_SAMPLE = ("steps", "fold", "biases", "examples")
_KRYLOV = genbench.need("hessian_krylov", shared=_SAMPLE)
_STEP = genbench.need("sgd_step", shared=("rate", "momentum"))
# Of the choices of `momentum`, ``heavy_ball`` is for descent with the whole training set only.
_PLAIN_STEP = genbench.need("sgd_step", momentum=genbench.setting("momentum"), shared="rate")
_SPACE = genbench.need("stability_space", momentum=genbench.setting("momentum"), shared=("rate", *_SAMPLE))


@genbench.measure(
    family="stability", direction="+", source="Walker 2023, definition 2.3 and remark 2.5",
    formula="η λ_max(H) / 2",
)  # fmt: skip
def sgd_sharpness_a(krylov=_KRYLOV, step=_STEP) -> Tensor:
    """Sharpness over the largest one, 2/η, at which descent with the whole training set can rest."""
    return step.rate * krylov.values[0] / 2


@genbench.measure(
    family="stability", direction="+", source="Walker 2023, definition 2.3 and eq. 2",
    formula="η s √((m − B) / (B (m − 1))), s² = λ_max((1/m) Σ_i H_i² − H²)",
)  # fmt: skip
def sgd_nonuniformity_s(
    space=_SPACE, step=_PLAIN_STEP, *, momentum: Literal["ignored", "effective"] = "ignored"
) -> Tensor:
    """Non-uniformity of the examples' curvatures over the largest one at which SGD can rest.

    It is 0 where a batch is the whole training set.

    Parameters
    ----------
    momentum : {"ignored", "effective"}
        η is the protocol's, or η / (1 − β), the length of all steps that a gradient causes together.
    """
    top = torch.linalg.eigvalsh(space.spread)[-1].clamp_min(0)
    return step.rate * (step.spread * top).sqrt()


@genbench.measure(
    family="stability", direction="+", source="Walker 2023, theorem 2.4",
    formula="λ_max((I − ηH)² + η² (m − B) / (B (m − 1)) Σ) − 1",
)  # fmt: skip
def sgd_stability_margin(space=_SPACE, *, momentum: Literal["ignored", "effective"] = "ignored") -> Tensor:
    """By what factor, less 1, a step of SGD may enlarge the squared distance from the minimum in the mean.

    Up to 0 the minimum is linearly stable. With more weights than the data determine there are directions
    without curvature, in which the distance stays as it is, and the value is hardly below 0.

    Parameters
    ----------
    momentum : {"ignored", "effective"}
        As of `sgd_nonuniformity_s`.
    """
    return torch.linalg.eigvalsh(space.growth)[-1]
