"""Measures of the best entries to "Predicting generalization in deep learning" (PGDL, 2020) on moved inputs.

What the winners call mixup are midpoints between examples of one class. `label_wise_mixup` stands in
`genbench.measures.robustness`, the Davies-Bouldin index in `genbench.measures.representation`. Images are
changed as the network gets them: normalized, and not cut off at the ends of a range.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Count
from genbench.networks.hidden import LayerChoice, Place, altered, chosen_place, differentiable_pass
from genbench.networks.margins import margins_of
from genbench.networks.passes import chunks, evenly_spaced, forward, require_classes
from genbench.probes.class_pairs import partners_of_class, repeated_partners, require_movable, with_partner

__all__ = ["augmentation_consistency", "manifold_mixup", "pgdl_augment_margin", "pgdl_mixup_margin"]

Summary = Literal["mean", "quartiles"]
"""Of margins: their mean, or that of the two fences and three quartiles, as in the winners' last program."""

_NATEKAR = "Natekar & Sharma 2020 (PGDL winner)"


@genbench.measure(
    family="robustness", direction="+", source=f"{_NATEKAR}, manifold mixup",
    formula="mean_i 1[argmax f(from h on)((h(x_i) + h(x_{i'})) / 2) ≠ y_i], y_{i'} = y_i", cost="B",
    version=5,
)  # fmt: skip
def manifold_mixup(
    model, inputs, targets, task, device, generator,
    *, layer: LayerChoice = "first", midpoints: Count = 3500,
) -> Tensor:  # fmt: skip
    """`label_wise_mixup` with the midpoints taken in a hidden layer h: the share not given the class.

    Parameters
    ----------
    midpoints : int
        Fewer examples than these are paired several times, until there are as many midpoints.
    """
    require_movable(inputs)
    partners = repeated_partners(targets.to(device), generator, midpoints)
    paired = with_partner(partners[0])
    place = chosen_place(model, layer, inputs)

    def mix(_: Place, values: Tensor) -> Tensor:
        # As many rows as come in: the examples themselves, and their midpoints with each of their partners.
        groups = values.unflatten(0, (1 + len(partners), -1))
        return torch.cat([groups[:1], (groups[:1] + groups[1:]) / 2]).flatten(0, 1)

    wrong = torch.zeros((), dtype=torch.float64, device=device)
    for part in chunks(inputs, device, copies=1 + len(partners)):
        own = inputs[part]
        others = [inputs[partner[part].to(inputs.device)] for partner in partners]
        with altered(model, [place], mix):
            outputs = forward(model, torch.cat([own, *others]).to(device))[len(own) :]
        require_classes(task, outputs)
        given = outputs.argmax(1).unflatten(0, (len(partners), -1))
        wrong += ((given != targets[part].to(device)) & paired[part]).sum()
    return wrong / (len(partners) * paired.sum())


@genbench.measure(
    family="robustness", direction="+", source=f"{_NATEKAR}, score 13.93",
    formula="−mean_i margin_i / ‖∂margin_i/∂h‖₂ / √(trimmed mean of var h), at midpoints", cost="C",
    version=3,
)  # fmt: skip
def pgdl_mixup_margin(
    model, inputs, targets, task, device, generator,
    *, layer: LayerChoice = "first", summary: Summary = "mean", examples: Count = 500,
) -> Tensor:  # fmt: skip
    """Minus the margin, to first order, in a hidden layer h at midpoints between examples of one class.

    The margin is f_y − max_{j≠y} f_j, negative where the midpoint is not given the class. Variances of the
    units of h are over the midpoints; 5 % of the units are left out at each end. Examples that are alone in
    their class have no midpoint.

    Parameters
    ----------
    summary : {"mean", "quartiles"}
        What stands for the margins.
    """
    require_movable(inputs)
    partner = partners_of_class(targets.to(device), generator)
    paired = with_partner(partner).nonzero().squeeze(1).cpu()
    chosen = evenly_spaced(paired, examples)
    others = inputs[partner[chosen.to(partner.device)].to(inputs.device)]
    middle = (inputs[chosen.to(inputs.device)] + others) / 2
    return _hidden_margin(model, middle, targets[chosen.to(targets.device)], task, device, layer, summary)


@genbench.measure(
    family="robustness", direction="+", source=f"{_NATEKAR}, augment margin, score 9.29",
    formula="−mean_i margin_i / ‖∂margin_i/∂h‖₂ / √(trimmed mean of var h), augmented", cost="C",
    version=4,
)  # fmt: skip
def pgdl_augment_margin(
    model, inputs, targets, task, device, generator,
    *, layer: LayerChoice = "first", summary: Summary = "mean", examples: Count = 250,
) -> Tensor:  # fmt: skip
    """`pgdl_mixup_margin` at augmented images in place of midpoints.

    Each image counts as it is and mirrored, where the winners draw one of the two: most of what chance moved
    was that draw. Of both, each with draws of its own, the contrast is lowered to a share between 0.7 and 1,
    and in half of the cases a central part of 0.85 to 1 of the sides enlarged to the whole.
    """
    _require_images(inputs)
    images = evenly_spaced(inputs, examples).to(device)
    images = torch.cat([images, images.flip(3)])
    draws = torch.rand(3, len(images), 1, 1, 1, generator=generator, device=device, dtype=torch.float64)
    contrast, enlarge, side = draws.to(images.dtype)
    means = images.mean((2, 3), keepdim=True)
    images = means + (0.7 + 0.3 * contrast) * (images - means)
    scale = torch.where(enlarge < 0.5, 0.85 + 0.15 * side, torch.ones_like(side)).flatten()
    zoom = torch.zeros(len(images), 2, 3, dtype=images.dtype, device=device)
    zoom[:, 0, 0] = zoom[:, 1, 1] = scale
    grid = F.affine_grid(zoom, list(images.shape), align_corners=True)
    images = F.grid_sample(images, grid, align_corners=True)
    labels = evenly_spaced(targets, examples)
    return _hidden_margin(model, images, torch.cat([labels, labels]), task, device, layer, summary)


@genbench.measure(
    family="robustness", direction="+", source="Aithal, Kashyap & Subramanyam 2021 (PGDL runner-up)",
    formula="mean_i Σ_t (|Δ max_j p_j| where the class stays, a penalty where it changes)", cost="B",
)  # fmt: skip
def augmentation_consistency(model, inputs, task, device, generator, *, examples: Count = 500) -> Tensor:
    """Change of the prediction under seven changes of the image, each with its penalty, summed.

    Penalties: mirrored 6, saturation times 0.6 to 1.6 drawn for each image 1 (gray images stay as they are),
    the central 0.9 enlarged 2, vertical edges (Sobel) 3, 0.5 added 1, mirrored and saturation 12, a random
    rectangle set to 0 2. The mean over images; the authors return minus the sum
    over 12,864 of them.
    """
    _require_images(inputs)
    images = evenly_spaced(inputs, examples).to(device)
    before = _top(model, images, task)
    total = torch.zeros((), dtype=torch.float64, device=device)
    # Drawn for all images at once: the value does not depend on how many fit into a pass.
    for penalty, changed in _changed(images, generator):
        after = _top(model, changed, task)
        moved = (before.values - after.values).abs()
        total += torch.where(before.indices == after.indices, moved, torch.full_like(moved, penalty)).sum()
    return total / len(images)


def _changed(images: Tensor, generator: torch.Generator) -> Iterator[tuple[float, Tensor]]:
    """The seven changes of the runner-up, each with the penalty of another class."""
    height, width = images.shape[2:]
    mirrored = images.flip(3)
    top, left = (height - int(0.9 * height)) // 2, (width - int(0.9 * width)) // 2
    centre = images[:, :, top : height - top, left : width - left]
    yield 6.0, mirrored
    yield 1.0, _saturated(images, generator)
    yield 2.0, F.interpolate(centre, size=(height, width), mode="bilinear", align_corners=False)
    yield 3.0, _edges(images)
    yield 1.0, images + 0.5
    yield 12.0, _saturated(mirrored, generator)
    yield 2.0, _erased(images, generator)


def _saturated(images: Tensor, generator: torch.Generator) -> Tensor:
    """Distance from gray times a factor between 0.6 and 1.6, drawn for each image."""
    if images.shape[1] != 3:
        return images
    draw = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device, dtype=torch.float64)
    luma = images.new_tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    gray = (luma * images).sum(1, keepdim=True)
    return gray + (0.6 + draw.to(images.dtype)) * (images - gray)


def _edges(images: Tensor) -> Tensor:
    """Horizontal Sobel derivative of each channel, over 4, plus a half."""
    kernel = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    channels = images.shape[1]
    padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, kernel.expand(channels, 1, 3, 3), groups=channels) / 4 + 0.5


def _erased(images: Tensor, generator: torch.Generator) -> Tensor:
    """A rectangle of each image set to zero; each side from √(0.006 area) to √(1.33 area), or the image's."""
    height, width = images.shape[2:]
    area = height * width
    sides = []
    for length in (height, width):
        lowest = min(round((0.02 * 0.3 * area) ** 0.5), length - 1)
        beyond = max(lowest + 1, min(round((0.4 / 0.3 * area) ** 0.5), length))
        draw = torch.rand(2, len(images), 1, generator=generator, device=images.device, dtype=torch.float64)
        size = lowest + (draw[0] * (beyond - lowest)).long()
        start = (draw[1] * (length - size)).long()
        place = torch.arange(length, device=images.device)
        sides.append((place >= start) & (place < start + size))
    inside = sides[0].unsqueeze(2) & sides[1].unsqueeze(1)
    return images.masked_fill(inside.unsqueeze(1), 0)


def _top(model: nn.Module, images: Tensor, task) -> torch.return_types.max:
    outputs = torch.cat([forward(model, images[part]) for part in chunks(images, images.device)])
    require_classes(task, outputs)
    return outputs.double().softmax(1).max(1)


def _hidden_margin(
    model: nn.Module, points: Tensor, targets: Tensor, task, device: torch.device, layer: LayerChoice,
    summary: str,
) -> Tensor:  # fmt: skip
    place = chosen_place(model, layer, points)
    distances, features = [], []
    for part in chunks(points, device, copies=4):
        with torch.enable_grad():
            outputs, hidden = differentiable_pass(model, points[part], [place], device)
            require_classes(task, outputs)
            margins = margins_of(outputs, targets[part])
            (slope,) = torch.autograd.grad(margins.sum(), hidden, materialize_grads=True)
        lengths = torch.linalg.vector_norm(slope.flatten(1).double(), dim=1)
        if not lengths.all():
            raise genbench.NotApplicable("at one of the points the margin does not depend on the layer")
        distances.append(margins.detach().double() / lengths)
        features.append(hidden[0].detach().flatten(1).double())
    spread = _trimmed_mean(torch.cat(features).var(0, correction=0).cpu().numpy(), 0.05) ** 0.5
    if spread == 0:
        raise genbench.NotApplicable("the hidden layer does not vary over the points taken")
    found = torch.cat(distances) / spread
    return -(found.mean() if summary == "mean" else _fences_and_quartiles(found).mean())


def _trimmed_mean(values: np.ndarray[Any, Any], share: float) -> float:
    """Mean without that share of the values, rounded down, at either end."""
    cut = int(share * len(values))
    kept = np.partition(values, (cut, len(values) - cut - 1))[cut : len(values) - cut]
    return float(kept.mean())


def _fences_and_quartiles(values: Tensor) -> Tensor:
    """Lower fence, quartiles, upper fence; a fence is the nearest value beyond 1.5 ranges, else the last."""
    quartiles = values.quantile(values.new_tensor([0.25, 0.5, 0.75]))
    reach = 1.5 * (quartiles[2] - quartiles[0])
    low, high = values[values < quartiles[0] - reach], values[values > quartiles[2] + reach]
    fences = low.max() if len(low) else values.min(), high.min() if len(high) else values.max()
    return torch.stack([fences[0], *quartiles, fences[1]])


def _require_images(inputs: Tensor) -> None:
    require_movable(inputs)
    if inputs.ndim != 4 or min(inputs.shape[2:]) < 2:
        raise genbench.NotApplicable(f"needs images, not inputs of shape {tuple(inputs.shape[1:])}")
