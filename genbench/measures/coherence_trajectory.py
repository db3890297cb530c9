"""Gradients along training: coherence early and late, noise after the first epoch, and their distribution.

What is said of the examples' gradients at the end of training in `gradient_interaction` is said here of the
snapshots that the run kept, which include the initial network, the end of the first epoch and the end.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count, Fraction, NonNegative, Positive
from genbench.probes.trajectory import GradientsAlong

__all__ = [
    "coherence_bound",
    "coherence_early",
    "coherence_late",
    "grad_cosine_init",
    "grad_noise_epoch1",
]

_ALONG = genbench.need("gradients_along", shared="examples")
_FINAL = genbench.need("gradient_moments", shared="examples")
_INITIAL = genbench.need("initial_gradient_moments", shared="examples")


@genbench.measure(
    family="gradient_interaction", direction="-", source="Walker 2023, section 5.2 and remark 5.5",
    formula="mean_{t ≤ T/10} α(w_t), α = ‖mean g_i‖² / mean ‖g_i‖²",
)  # fmt: skip
def coherence_early(along=_ALONG, *, share: Fraction = 0.1) -> Tensor:
    """Mean coherence of the gradients over the first steps: agreement that is there early counts most.

    Parameters
    ----------
    share : float
        Of the steps of training, from the first; the snapshots that were taken up to there are averaged.
    """
    steps = along.steps - along.steps[0]
    return _mean_coherence(along, steps <= share * steps[-1])


@genbench.measure(
    family="gradient_interaction", direction="-", source="Walker 2023, section 5.2 and remark 5.5",
    formula="mean_{t ≥ 9T/10} α(w_t), α = ‖mean g_i‖² / mean ‖g_i‖²",
)  # fmt: skip
def coherence_late(along=_ALONG, *, share: Fraction = 0.1) -> Tensor:
    """Mean coherence of the gradients over the last steps, the end of training included.

    Where training put earlier weights back (``target_rule = "closest"``, early stopping), the last steps are
    still those before it ended, and the end is not the trained network.

    Parameters
    ----------
    share : float
        Of the steps of training, to the last; the snapshots that were taken from there on are averaged.
    """
    left = along.steps[-1] - along.steps
    return _mean_coherence(along, left <= share * left[0])


@genbench.measure(
    family="bound", direction="+", source="Walker 2023, theorem 5.4",
    formula="ln[(L²/m) Σ_{t=1}^T η_t √(2 (1 − α(w_{t−1}))) Π_{s=t+1}^T (1 + η_s β)]",
)  # fmt: skip
def coherence_bound(
    history, sample_size, along=_ALONG,
    *, lipschitz: Positive | None = None, smoothness: NonNegative | None = None, log: bool = True,
) -> float:  # fmt: skip
    """Logarithm of a bound on the gap by the stability of stochastic gradient descent: loose, for comparison.

    α is that of the last snapshot before each step, η_t the learning rate, without regard to momentum, as the
    history has it at the end of the step's epoch.

    Parameters
    ----------
    lipschitz : float, optional
        L; where left out the largest ‖g_i‖ seen at a snapshot, an estimate from below.
    smoothness : float, optional
        β; where left out the largest ‖∇L(w) − ∇L(w')‖ / ‖w − w'‖ of successive snapshots, L being the mean
        loss: an estimate from below.
    log : bool
        The logarithm, since the product exceeds any number format within some thousand steps.

    Raises
    ------
    NotApplicable
        No step was made; or there is one snapshot only and no `smoothness`.
    """
    if lipschitz is None:
        lipschitz = float(along.squared_norms.max().sqrt())
    if smoothness is None:
        if len(along.slopes) == 0:
            raise genbench.NotApplicable("needs two snapshots to estimate the smoothness of the loss")
        smoothness = float(along.slopes.max())
    rates = _rate_of_each_step(history)
    before = np.searchsorted(along.steps.numpy(), np.arange(len(rates)), side="right") - 1
    before = before.clip(0)
    incoherence = 1 - _coherence(along, torch.arange(int(before[-1]) + 1)).cpu().numpy()[before]
    growth = np.log1p(rates * smoothness)
    later = growth[::-1].cumsum()[::-1] - growth
    with np.errstate(divide="ignore"):  # ln 0 is −∞, and is meant
        terms = np.log(rates) + np.log(2 * incoherence.clip(0)) / 2 + later
    total = math.log(lipschitz) * 2 - math.log(sample_size) + float(np.logaddexp.reduce(terms))
    if log:
        return total
    return math.exp(total) if total < math.log(np.finfo(float).max) else math.inf


@genbench.measure(
    family="gradient_interaction", direction="+", source="Jiang et al. 2020, eq. 65",
    formula="mean ‖g_i − mean g‖² (s − k) / (k (s − 1)) at the end of the first epoch",
)  # fmt: skip
def grad_noise_epoch1(history, along=_ALONG, *, batch: Count = 1) -> Tensor:
    """Variance of the gradient at the end of the first epoch, summed over the parameters.

    Parameters
    ----------
    batch : int
        Of the gradients of batches of k examples, drawn from the s examples taken without replacement.

    Raises
    ------
    NotApplicable
        The first epoch was not trained to its end, or no snapshot was taken there.
    """
    epochs, steps = _column(history, "epoch"), _column(history, "step")
    ends = [step for epoch, step in zip(epochs, steps, strict=True) if epoch == 1]
    if not ends:
        raise genbench.NotApplicable("the first epoch was not trained to its end")
    place = (along.steps == ends[0]).nonzero().flatten()
    if len(place) == 0:
        raise genbench.NotApplicable(f"not kept: no snapshot of step {ends[0]}, the end of the first epoch")
    squares, of_mean = along.squared_norms[place[0]], along.squared_norm_of_mean[place[0]]
    s = len(squares)
    if batch >= s > 1:
        raise genbench.NotApplicable(f"{s} examples make no two batches of {batch}")
    return (squares.mean() - of_mean).clamp_min(0) * (s - batch) / (batch * max(1, s - 1))


@genbench.measure(
    family="gradient_interaction", direction="+", source="cosine of the gradients of the training loss",
    formula="⟨∇L(w), ∇L(w⁰)⟩ / (‖∇L(w)‖ ‖∇L(w⁰)‖)",
)  # fmt: skip
def grad_cosine_init(final=_FINAL, initial=_INITIAL) -> Tensor:
    """Cosine of the angle between the gradients of the training loss at the end and at initialization."""
    if final.mean.shape != initial.mean.shape:
        raise genbench.NotApplicable("the initial network has other parameters than the trained one")
    norms = final.mean.norm() * initial.mean.norm()
    if norms == 0:
        raise genbench.NotApplicable("the gradient of the training loss vanishes")
    return final.mean @ initial.mean.to(final.mean.device) / norms


def _coherence(along: GradientsAlong, chosen: Tensor) -> Tensor:
    """α at some of the snapshots, by their places."""
    there = chosen.to(along.squared_norms.device)
    mean = along.squared_norms[there].mean(1)
    if not (mean > 0).all():
        step = int(along.steps[chosen][int((mean > 0).logical_not().nonzero()[0])])
        raise genbench.NotApplicable(f"all gradients vanish, or are not finite, at step {step}")
    return along.squared_norm_of_mean[there] / mean


def _mean_coherence(along: GradientsAlong, chosen: Tensor) -> Tensor:
    if len(along.steps) < 2:
        raise genbench.NotApplicable("needs two snapshots")
    return _coherence(along, chosen.nonzero().flatten()).mean()


def _rate_of_each_step(history) -> np.ndarray:
    """Learning rate of steps 1 to T: that of the first row of the history that is not before it."""
    steps = np.array(_column(history, "step"), dtype=np.int64)
    made = int(steps[-1]) if len(steps) else 0
    if made == 0:
        raise genbench.NotApplicable("no step was made")
    rows = np.searchsorted(steps, np.arange(1, made + 1), side="left")
    return np.array(_column(history, "learning_rate"), dtype=np.float64)[rows]


def _column(history, name: str) -> list[float]:
    if name not in history:
        raise genbench.NotApplicable(f"the history has no column '{name}'")
    return history[name]
