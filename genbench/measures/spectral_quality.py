"""Quality of layers by their singular values, of the weights as they are or of what stands above noise.

After the code published as GenProb (Jaegerman et al. 2021, "In search of probeable generalization
measures"): each layer is unfolded into a matrix with a row for
each of its N input channels, and one for its output channels; the values of the two are averaged, batch norm
stays outside. s_1 ≥ s_2 ≥ ... are the singular values. Layers of which nothing stands
above noise have none, and are left out where that leaves no value; the program's own means leave out what is
zero. Values of the program are those of ``form=program``, but for entropies of rank one, which count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.probes.low_rank import Unfolded, Unfolding

__all__ = ["condition_number", "effective_rank", "fro_lr", "kg", "spec_lr", "stable_quality"]

Aggregate = Literal["mean", "rms", "geomean", "weighted_mean", "weighted_geomean"]
"""Over layers: mean, root of the mean square, geometric mean; the last two weigh layers by their channels."""

_SPECTRA = genbench.need("unfolded_spectra", shared=("fold", "low_rank", "unfolding", "form"))
_BY_CHANNEL = genbench.need(
    "unfolded_spectra", unfolding=genbench.setting("unfolding"), shared=("fold", "low_rank", "form")
)
_ABOVE_NOISE = genbench.need("unfolded_spectra", low_rank=True, shared=("fold", "unfolding", "form"))
_SOURCE = "Jaegerman et al. 2021 (GenProb, published code)"


@genbench.measure(
    family="spectral-quality", direction="?", source=f"Roy & Vetterli 2007; {_SOURCE}",
    formula="mean_l H(s_l / Σ s_l)", version=2,
)  # fmt: skip
def effective_rank(
    spectra=_BY_CHANNEL, *, unfolding: Unfolding = "out", aggregate: Aggregate = "mean"
) -> Tensor:
    """Entropy, in nats, of the singular values as shares of their sum: ln of the effective rank.

    A falling rank is seen with training of any outcome, so that no direction is claimed.

    Parameters
    ----------
    unfolding : {"both", "in", "out"}
        A row for each input channel or for each output channel; with ``both`` the two values of a layer are
        averaged before layers are put together.
    """
    return _over_layers(spectra, _entropy, aggregate, empty=None)


@genbench.measure(
    family="spectral-quality", direction="?", source=_SOURCE, formula="mean_l Σ_i s_i / (N s_1)",
    aliases=("knowledge_gain",),
)  # fmt: skip
def kg(spectra=_SPECTRA, *, aggregate: Aggregate = "mean") -> Tensor:
    """Knowledge gain: singular values over the largest, for each channel; 0 of a layer that is all noise.

    The papers divide by the channels N of the unfolding, of which a layer with more inputs than outputs has
    more than singular values; the published program, and ``form=program``, by the shorter side. It was
    reported by the size of its correlation, so that no direction is claimed.
    """
    return _over_layers(spectra, _gain, aggregate, empty=0.0)


@genbench.measure(family="spectral-quality", direction="?", source=_SOURCE, formula="mean_l s_1 / s_last")
def condition_number(spectra=_SPECTRA, *, aggregate: Aggregate = "mean") -> Tensor:
    """Ratio of the largest and the smallest singular value; infinite where a layer is singular.

    A layer is singular where s_last is at most s_1 times its longer side times the rounding of doubles. It
    was reported by the size of its correlation, so that no direction is claimed.
    """
    return _over_layers(spectra, lambda each: each.values[0] / each.values[-1], aggregate, empty=None)


@genbench.measure(
    family="spectral-quality", direction="-", source=_SOURCE,
    formula="mean_l arctan2(KG, 1 − 1/κ), KG = Σ_i s_i / (N s_1), κ = s_1 / s_last", aliases=("sq",),
)  # fmt: skip
def stable_quality(spectra=_SPECTRA, *, aggregate: Aggregate = "mean") -> Tensor:
    """Much gain with little spread of the singular values, as an angle; said to go with low test error.

    The gain is that of `kg`. Layers with nothing above noise have no angle and do not count; a mean that took
    them for zero would be smaller by their share.
    """

    def angle(each: Unfolded) -> Tensor:
        return torch.arctan2(_gain(each), 1 - each.values[-1] / each.values[0])

    return _over_layers(spectra, angle, aggregate, empty=None)


@genbench.measure(
    family="spectral-quality", direction="?", source=_SOURCE, formula="mean_l s_1 of the part above noise"
)
def spec_lr(spectra=_ABOVE_NOISE, *, aggregate: Aggregate = "mean") -> Tensor:
    """Spectral norm of what stands above noise, 0 of a layer that is all noise.

    Norms are said to raise the gap, but this one vanishes before training; no direction is claimed. What
    stands above noise is what the variance of the least free energy leaves. The published search may end at
    another minimum and keep more, see ``form=program``.
    """
    return _over_layers(spectra, lambda each: each.values[0], aggregate, empty=0.0)


@genbench.measure(
    family="spectral-quality",
    direction="?",
    source=_SOURCE,
    formula="mean_l √Σ_i s_i² of the part above noise",
)
def fro_lr(spectra=_ABOVE_NOISE, *, aggregate: Aggregate = "mean") -> Tensor:
    """Frobenius norm of what stands above noise, 0 of a layer that is all noise; see `spec_lr`.

    The published program multiplies the singular values with rows of V for columns, and finds less.
    """
    return _over_layers(spectra, lambda each: torch.linalg.vector_norm(each.values), aggregate, empty=0.0)


def _entropy(each: Unfolded) -> Tensor:
    return torch.special.entr(each.values / each.values.sum()).sum()


def _gain(each: Unfolded) -> Tensor:
    return each.values.sum() / (each.rows * each.values[0])


def _over_layers(
    spectra: tuple[Unfolded, ...], value: Callable[[Unfolded], Tensor], aggregate: Aggregate,
    empty: float | None,
) -> Tensor:  # fmt: skip
    """A value of each spectrum, averaged over the unfoldings of a layer, then put together over layers."""
    by_layer: dict[int, list[tuple[Tensor, int]]] = {}
    for each in spectra:
        if len(each.values) and each.values[0] > 0:
            by_layer.setdefault(each.layer, []).append((value(each), each.rows))
        elif empty is not None:
            by_layer.setdefault(each.layer, []).append((each.values.new_tensor(empty), each.rows))
    if not by_layer:
        raise genbench.NotApplicable("no layer has a singular value that stands above noise")
    values = torch.stack([torch.stack([one for one, _ in both]).mean() for both in by_layer.values()])
    channels = values.new_tensor([math.fsum(rows for _, rows in both) for both in by_layer.values()])
    weights = channels / channels.sum() if "weighted" in aggregate else torch.ones_like(values) / len(values)
    if aggregate == "rms":
        return (weights * values.square()).sum().sqrt()
    if "geomean" in aggregate:
        return (weights * values.log()).sum().exp()
    return (weights * values).sum()
