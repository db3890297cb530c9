"""Singular values of layers unfolded along their channels, whole or of the part that stands above noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

import genbench
from genbench.probes.eigenvalues import finite

__all__ = ["Definition", "Unfolded", "Unfolding", "above_noise", "unfolded_spectra", "unfolded_values"]

Unfolding = Literal["both", "in", "out"]
"""A kernel as a matrix with a row for each input channel, for each output channel, or both one by one."""

Definition = Literal["paper", "program"]
"""The definitions of the papers, or what the code published as GenProb computes."""

# Variances of the noise that are tried before the least free energy is closed in on.
_GRID = 33

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_VALUES = genbench.need("unfolded_values", shared=("fold", "unfolding"))


@dataclass(frozen=True)
class Unfolded:
    """Spectrum of one unfolding of one layer.

    Attributes
    ----------
    layer : int
        Place of the layer; in the form of the program each unfolding is as one of its own.
    rows : int
        Channels along which the weight is unfolded; in the form of the program the shorter side.
    values : Tensor, shape (r,), double
        Singular values, falling, those that are zero but for rounding as zeros; none where nothing stands
        above noise.
    """

    layer: int
    rows: int
    values: Tensor


@genbench.probe
def unfolded_values(
    layers=_LAYERS, *, fold: bool = False, unfolding: Unfolding = "both"
) -> tuple[tuple[tuple[int, Tensor], ...], ...]:
    """Singular values of each layer as a matrix (in, out · kernel), (out, in · kernel), or each of the two.

    Parameters
    ----------
    fold : bool
        Fold each batch norm, with its running statistics, into the weights beside it first.
    unfolding : {"both", "in", "out"}
        A row for each input channel, for each output channel, or both one by one.

    Returns
    -------
    tuple of tuples of pairs
        Of each layer the dimensions that it is unfolded along, 1 and 0 or one of them, with the singular
        values, falling.
    """
    return tuple(tuple(_of_layer(finite(layer.weight), unfolding)) for layer in layers)


def _of_layer(weight: Tensor, unfolding: Unfolding) -> Iterator[tuple[int, Tensor]]:
    values: dict[int, Tensor] = {}
    for side in {"in": [1], "out": [0], "both": [1, 0]}[unfolding]:
        # The two unfoldings of a linear layer are transposes of each other.
        same = side if weight.ndim > 2 else 0
        if same not in values:
            values[same] = _singular_values(weight.movedim(side, 0).flatten(1))
        yield side, values[same]


@genbench.probe
def unfolded_spectra(
    layers=_LAYERS, all_values=_VALUES, *, low_rank: bool = False, form: Definition = "paper"
) -> tuple[Unfolded, ...]:
    """Spectra of the unfolded layers, whole or of the part that stands above noise.

    Parameters
    ----------
    low_rank : bool
        Of the part that stands above noise, see `above_noise`.
    form : {"paper", "program"}
        In the code published as GenProb gains are for each row of the shorter side, channels or not;
        unfoldings with nothing above noise are left out; and the search for the variance of the noise ends
        within 1e-5, early for small weights, and at any minimum of the free energy where there are several.
    """
    found: list[Unfolded] = []
    for place, (layer, of_layer) in enumerate(zip(layers, all_values, strict=True)):
        kept: dict[int, Tensor] = {}  # by the values, which both unfoldings of a linear layer share
        for side, values in of_layer:
            rows = layer.weight.shape[side]
            columns = layer.weight.numel() // rows
            if id(values) not in kept:
                kept[id(values)] = _spectrum(values, max(rows, columns), low_rank, form)
            spectrum = kept[id(values)]
            if form == "paper":
                found.append(Unfolded(place, rows, spectrum))
            elif len(spectrum):
                found.append(Unfolded(len(found), min(rows, columns), spectrum))
    return tuple(found)


def _spectrum(values: Tensor, longer: int, low_rank: bool, form: Definition) -> Tensor:
    if low_rank:
        return above_noise(values, longer, form)
    rounding = torch.finfo(values.dtype).eps * longer * values[0]
    return torch.where(values > rounding, values, torch.zeros_like(values))


def _singular_values(matrix: Tensor) -> Tensor:
    """Singular values, falling; those of R where the matrix is long, which costs a tenth on a CPU."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    if tall.shape[0] < 2 * tall.shape[1]:
        return torch.linalg.svdvals(matrix)
    return torch.linalg.svdvals(torch.linalg.qr(tall, mode="r").R)


def above_noise(values: Tensor, longer: int, form: Definition = "paper") -> Tensor:
    """Singular values of a matrix without its noise, those that vanish left out; falling.

    The empirical variational Bayesian matrix factorization of Nakajima, Sugiyama, Babacan & Tomioka 2013,
    "Global analytic solution of fully-observed variational Bayesian matrix factorization", with their
    approximation of the threshold; the variance σ² of the noise minimizes their free energy, which may have
    several minima and is therefore searched on a grid first.

    Parameters
    ----------
    values : Tensor, shape (L,)
        Singular values of an L × M matrix, falling.
    longer : int
        M, at least L.
    form : {"paper", "program"}
        The variance is the one of the least free energy, or the one at which the search of GenProb ends.
    """
    count = len(values)
    squares = values.square()
    if not squares.sum() > 0:
        return values[:0]
    ratio = count / longer
    edge = 2.5129 * math.sqrt(ratio)
    edge = (1 + edge) * (1 + ratio / edge)
    spare = min(math.ceil(count / (1 + ratio)) - 1, count - 1)
    highest = float(squares.sum()) / (count * longer)
    lowest = max(float(squares[spare]) / (longer * edge), float(squares[spare:].mean()) / longer)
    variance = highest
    if 0 < lowest < highest:
        variance = _least_free_energy(squares, longer, edge, lowest, highest, form)
    kept = values[squares > longer * variance * edge]
    shrink = 1 - (count + longer) * variance / kept.square()
    root = (shrink.square() - 4 * count * longer * variance**2 / kept.pow(4)).clamp_min(0).sqrt()
    return kept / 2 * (shrink + root)


def _least_free_energy(
    squares: Tensor, longer: int, edge: float, lowest: float, highest: float, form: Definition
) -> float:
    from scipy.optimize import minimize_scalar

    ratio = len(squares) / longer
    scaled = squares.clamp_min(float(squares[0]) * 1e-30).cpu().numpy() / longer

    def energy(logarithms: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Of each of several variances, given as logarithms."""
        ratios = scaled / np.exp(logarithms)[..., None]
        moved = np.maximum(ratios, edge) - 1 - ratio
        signal = (moved + np.sqrt(np.maximum(moved**2 - 4 * ratio, 0))) / 2
        above = np.log(signal + 1) + ratio * np.log(signal / ratio + 1) - signal
        return np.sum(ratios - np.log(ratios) + np.where(ratios > edge, above, 0), axis=-1)

    if form == "program":
        ended = minimize_scalar(
            lambda point: float(energy(np.log(point))), bounds=(lowest, highest), method="bounded"
        )
        return float(ended.x)
    grid = np.linspace(math.log(lowest), math.log(highest), _GRID)
    energies = energy(grid)
    best = int(np.argmin(energies))
    bounds = (grid[max(0, best - 1)], grid[min(_GRID - 1, best + 1)])
    found = minimize_scalar(
        lambda point: float(energy(np.asarray(point))), bounds=bounds, method="bounded",
        options={"xatol": 1e-8},
    )  # fmt: skip
    return math.exp(found.x if found.fun <= energies[best] else grid[best])
