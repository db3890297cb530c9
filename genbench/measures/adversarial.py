"""Training inputs that are moved on purpose: in the worst direction, or towards other examples."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Count, Positive
from genbench.networks.freezing import slope
from genbench.networks.passes import chunks, evenly_spaced, forward, require_classes
from genbench.probes.adversarial import require_movable
from genbench.probes.gradients import loss_derivatives
from genbench.probes.margins import low_quantile, median

__all__ = ["adversarial_margin", "geometric_margin", "mixup_loss"]

_DISTANCES = genbench.need("adversarial_distances", shared=("steps", "refinements", "closer", "examples"))


@genbench.measure(
    family="robustness", direction="-",
    source="Zhang et al. 2017 (Theory of deep learning III), definition 1, eq. 11",
    formula="mean_i min{‖Δx‖₂ : argmax f(x_i + Δx) ≠ argmax f(x_i)}", version=2,
)  # fmt: skip
def geometric_margin(
    distances=_DISTANCES, *, aggregate: Literal["mean", "median", "p10"] = "mean", signed: bool = False
) -> Tensor:
    """Distance from a training example to the nearest input with another prediction, in units of the inputs.

    An upper bound, see the probe `adversarial_distances`; exact for a linear network. On small trained
    networks of four kinds the mean was from 2 % below to 1 % above the least that public attacks of up to 200
    steps reach, of single examples up to 78 % above. Inputs are as the network gets them, normalized ones.

    Parameters
    ----------
    aggregate : {"mean", "median", "p10"}
        What stands for the examples: ``median`` is the middle one, halfway between the two middle ones of an
        even number, ``p10`` the ⌊n/10⌋-th smallest.
    signed : bool
        Distances of misclassified examples count as negative. Otherwise a margin is what keeps the
        prediction, right or wrong, as in the definition.

    Raises
    ------
    NotApplicable
        For a mean: from some example no other prediction was reached.
    """
    values = distances.distances
    if signed:
        values = torch.where(distances.correct, values, -values)
    if aggregate != "mean":
        return median(values) if aggregate == "median" else low_quantile(values, 0.1)
    if not values.isfinite().all():
        lost = int((~values.isfinite()).sum())
        raise genbench.NotApplicable(f"from {lost} of {len(values)} examples no other prediction was reached")
    return values.mean()


@genbench.measure(
    family="robustness", direction="+",
    source="Goodfellow et al. 2015, section 4; Madry et al. 2018, section 2; Natekar & Sharma 2020 (PGDL)",
    formula="mean_i 1[argmax f(x_i) = y_i] − mean_i 1[argmax f(x_i + Δ_i) = y_i], ‖Δ_i‖_p ≤ ε", cost="E",
)  # fmt: skip
def adversarial_margin(
    model, inputs, targets, task, device,
    *, radius: Positive = 0.1, shape: Literal["box", "euclidean"] = "box", steps: Count = 5,
    examples: Count = 500,
) -> Tensor:  # fmt: skip
    """Training accuracy that is lost when each input is moved by up to ε to where its loss is higher.

    The more is lost, the nearer the examples are to the boundaries. Steps go along the gradient of the loss
    by the input and are projected back; there is no random start.

    Parameters
    ----------
    radius : float
        ε, on the inputs as the network gets them (normalized ones).
    shape : {"box", "euclidean"}
        p = ∞, steps along the signs of the gradient; or p = 2.
    steps : int
        Of length 2.5 ε / steps, but at most ε: 1 makes it the fast gradient sign method.
    """
    require_movable(inputs)
    picked, wanted = evenly_spaced(inputs, examples), evenly_spaced(targets, examples)
    lost: Tensor = torch.zeros((), dtype=torch.float64, device=device)
    for part in chunks(picked, device, copies=2):
        start, labels = picked[part].to(device), wanted[part].to(device)
        moved = start
        for step in range(steps):
            with torch.enable_grad():
                point = moved.clone().requires_grad_()
                outputs = forward(model, point)
            if step == 0:
                require_classes(task, outputs)
                lost += (outputs.argmax(1) == labels).sum()
            derivatives = loss_derivatives(outputs.detach().double(), labels, task)
            # Scaled, so that the slope of a well fitted example does not vanish in single precision.
            scaled = F.normalize(derivatives, torch.inf).to(outputs.dtype)
            away = _unit(slope(outputs, point, scaled), shape)
            length = radius * min(1.0, 2.5 / steps)
            moved = start + _within(moved - start + length * away, radius, shape)
        lost -= (forward(model, moved).argmax(1) == labels).sum()
    return lost / len(picked)


@genbench.measure(
    family="robustness", direction="+", source="Zhang et al. 2018 (mixup), section 2; a PGDL entry of 2020",
    formula="mean_i λ_i ℓ(f(x̃_i), y_i) + (1 − λ_i) ℓ(f(x̃_i), y_j), x̃_i = λ_i x_i + (1 − λ_i) x_j", cost="B",
)  # fmt: skip
def mixup_loss(
    model, inputs, targets, task, device, generator, *, alpha: Positive = 1.0, draws: Count = 4
) -> Tensor:
    """Vicinal risk: the loss between training examples, on labels mixed as the inputs are.

    Each example is mixed with another one, j, drawn at random; λ_i is drawn for each from Beta(α, α). In
    regression the targets themselves are mixed: the loss is the square of f(x̃_i) − λ_i y_i − (1 − λ_i) y_j,
    mean over outputs.

    Parameters
    ----------
    alpha : float
        α. 1 makes λ uniform; small ones stay near the examples.
    draws : int
        How often each example is mixed, with another one each time.

    Raises
    ------
    NotApplicable
        The inputs are not numbers, or there is one example only.
    """
    from scipy.special import betaincinv

    require_movable(inputs)
    total = len(inputs)
    if total < 2:
        raise genbench.NotApplicable("needs two training examples")
    loss: Tensor = torch.zeros((), dtype=torch.float64, device=device)
    for _ in range(draws):
        order = torch.randperm(total, generator=generator, device=device)
        partner = torch.empty_like(order)
        partner[order] = order.roll(1)
        drawn = torch.rand(total, generator=generator, device=device, dtype=torch.float64)
        shares = torch.as_tensor(betaincinv(alpha, alpha, drawn.cpu().numpy())).to(device)
        for part in chunks(inputs, device, copies=2):
            own = inputs[part].to(device)
            other = inputs[partner[part].to(inputs.device)].to(device)
            share = _column(shares[part], own)
            outputs = forward(model, share * own + (1 - share) * other).double()
            first, second = targets[part], targets[partner[part].to(targets.device)]
            loss += _mixed_loss(outputs, first.to(device), second.to(device), shares[part], task)
    return loss / (draws * total)


def _mixed_loss(outputs: Tensor, first: Tensor, second: Tensor, shares: Tensor, task) -> Tensor:
    """Sum of the losses on labels of which the first has the given shares."""
    if task.kind != "classification":
        first, second = (each.double().reshape(outputs.shape) for each in (first, second))
        mixed = _column(shares, first) * first + _column(1 - shares, second) * second
        return (outputs - mixed).square().mean(1).sum()
    require_classes(task, outputs)
    own, other = (F.cross_entropy(outputs, each, reduction="none") for each in (first, second))
    return (shares * own + (1 - shares) * other).sum()


def _column(shares: Tensor, like: Tensor) -> Tensor:
    """One number for each row, in the precision of the rows and in a shape that meets theirs."""
    return shares.view(-1, *[1] * (like.ndim - 1)).to(like.dtype)


def _unit(step: Tensor, shape: str) -> Tensor:
    return step.sign() if shape == "box" else F.normalize(step.flatten(1), dim=1, eps=1e-38).view(step.shape)


def _within(change: Tensor, radius: float, shape: str) -> Tensor:
    if shape == "box":
        return change.clamp(-radius, radius)
    lengths = torch.linalg.vector_norm(change.flatten(1), dim=1).view(-1, *[1] * (change.ndim - 1))
    return change * (radius / lengths.clamp_min(radius))
