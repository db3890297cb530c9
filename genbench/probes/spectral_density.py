"""The spectrum of the Hessian as a density, layer by layer, and in proportion to the weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.hessian import Hessian
from genbench.networks.lanczos import Krylov, lanczos, rejected
from genbench.networks.objective import Objective
from genbench.probes.perturbation import normal_direction

__all__ = ["Density", "hessian_density", "layer_curvatures", "rescaled_krylov"]

_OBJECTIVE = genbench.need(
    "objective", fold=genbench.setting("fold"), examples=genbench.setting("examples"), shared="biases"
)
_OWN_OBJECTIVE = genbench.need(
    "objective",
    fold=genbench.setting("fold"),
    biases=genbench.setting("biases"),
    examples=genbench.setting("examples"),
)
_KRYLOV = genbench.need("hessian_krylov", shared=("steps", "fold", "biases", "examples"))
_SEEDS = genbench.need("direction_seeds", draws=genbench.setting("draws"))

# Weights up to which a density takes all the products that its settings name. A product costs in proportion
# to the weights: larger networks get in proportion fewer of them, but never fewer than the least.
_FREE = 2_000
_LEAST = 12


@dataclass(frozen=True)
class Density:
    """A spectrum as a sum of point masses.

    Attributes
    ----------
    values : Tensor, shape (k,)
        Where the masses are, double.
    masses : Tensor, shape (k,)
        Their sizes, of sum 1, double.
    size : int
        Number of eigenvalues that they stand for.
    """

    values: Tensor
    masses: Tensor
    size: int

    def total(self, amounts: Tensor) -> Tensor:
        """The sum over all eigenvalues of an amount that each has, given at each of `values`."""
        return self.size * (self.masses * amounts).sum()

    def at(self, points: Tensor, width: float) -> Tensor:
        """The density at points, each mass spread normally with the given standard deviation."""
        distances = (points.double().unsqueeze(-1) - self.values) / width
        return (torch.exp(-distances.square() / 2) @ self.masses) / (width * (2 * torch.pi) ** 0.5)


@genbench.probe(cost="D", version=3)
def hessian_density(
    generator, objective=_OBJECTIVE, krylov=_KRYLOV, seeds=_SEEDS,
    *, draws: Count = 2, points: Count = 32, further: Count = 60,
) -> Density:  # fmt: skip
    """Spectral density of the Hessian by stochastic Lanczos quadrature (Ghorbani et al. 2019, section 2).

    The Ritz values of a long Krylov space, at both ends of the spectrum, stand for themselves: seen by random
    vectors they would be noise. For the rest a Krylov space is grown in the complement from each of some
    vectors of independent normal numbers. The Ritz values of its first m dimensions, with the squared first
    components of their eigenvectors, integrate all polynomials of degree up to 2 m − 1 as the spectrum
    there does, seen by that vector. Much of the spectrum lies near zero, where so few points fall on one side
    or the other by chance of their number: the quadratures of all m from half of `points` up are averaged.

    Parameters
    ----------
    draws : int
        Random vectors by which the density of the rest is estimated.
    points : int
        Products with the Hessian for each, in networks of up to 2,000 weights; in larger ones in proportion
        fewer, 12 at least.
    further : int
        Dimensions by which the Krylov space is continued first, likewise: the more of a spectrum is known,
        the less is left to chance.
    """
    size = len(objective.weights)
    hessian = Hessian(objective)
    share = min(1.0, _FREE / size)
    steps = len(krylov.values) + round(share * further)
    krylov = lanczos(hessian.product, torch.zeros_like(objective.weights), steps, generator, krylov)
    known = len(krylov.values)
    values, masses = [krylov.values], [torch.full_like(krylov.values, 1 / size)]

    def product(vector: Tensor) -> Tensor:
        return rejected(hessian.product(rejected(vector, krylov.basis)[0]), krylov.basis)[0]

    points = min(max(round(share * points), min(points, _LEAST)), size - known)
    orders = range(max(1, (points + 1) // 2), points + 1)
    for seed in seeds:
        start, _ = rejected(normal_direction(seed, objective.weights), krylov.basis)
        projected = lanczos(product, start, points, generator).projected
        for order in orders:
            nodes, vectors = torch.linalg.eigh(projected[:order, :order])
            values.append(nodes)
            masses.append(vectors[0].square() * ((1 - known / size) / (len(seeds) * len(orders))))
    return Density(torch.cat(values), torch.cat(masses), size)


@genbench.probe(cost="D", version=2)
def layer_curvatures(
    generator, objective=_OBJECTIVE, *, steps: Count = 6, fold: bool = False, examples: Count = 100
) -> Tensor:
    """Largest eigenvalue of each layer's own block of the Hessian, shape (layers,), double.

    Where biases are moved, a layer's belongs to its block; normalizations have none.

    Parameters
    ----------
    steps : int
        Products for each layer, at most as many as it has weights.
    fold : bool
        Fold batch norm into the weights beside it first, see `objective`.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    tops = []
    blocks = _blocks(objective)
    hessian = Hessian(objective, blocks)
    for place, block in enumerate(blocks):
        start = objective.weights.new_zeros(sum(objective.shapes[each].numel() for each in block))
        space = lanczos(partial(hessian.product, block=place), start, steps, generator)
        tops.append(space.values[0])
    return torch.stack(tops)


@genbench.probe(cost="D", version=2)
def rescaled_krylov(
    generator, objective=_OWN_OBJECTIVE,
    *, steps: Count = 20, fold: bool = False, biases: bool = False, examples: Count = 200,
) -> Krylov:  # fmt: skip
    """Krylov space of D H D, D being diagonal with the Frobenius norm of the tensor that a weight belongs to.

    Parameters
    ----------
    steps : int
        Products with the Hessian, at most as many as there are weights.
    fold : bool
        Fold batch norm into the weights beside it first, see `objective`.
    biases : bool
        Move biases and scales too, as layers of their own, by which the values do depend on the scale of
        layers. Otherwise tensors of two dimensions and more only.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    pieces = objective.pieces(objective.weights)
    scale = torch.cat([torch.linalg.vector_norm(piece).expand(piece.numel()) for piece in pieces])
    start = torch.zeros_like(objective.weights)
    hessian = Hessian(objective)
    return lanczos(lambda vector: scale * hessian.product(scale * vector), start, steps, generator)


def _blocks(objective: Objective) -> list[list[int]]:
    """Places of each module's parameters, for the modules that have a matrix."""
    owners = [name.rpartition(".")[0] for name in objective.names]
    matrices = [owner for owner, shape in zip(owners, objective.shapes, strict=True) if len(shape) > 1]
    return [
        [place for place, other in enumerate(owners) if other == owner] for owner in dict.fromkeys(matrices)
    ]
