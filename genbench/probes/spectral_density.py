"""The spectrum of the Hessian as a density, layer by layer, and in proportion to the weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

import genbench
from genbench.constraints import Count
from genbench.probes.curvature import Krylov, lanczos
from genbench.probes.hessian import Hessian
from genbench.probes.objective import Objective
from genbench.probes.perturbation import normal_direction

__all__ = ["Density", "hessian_density", "layer_curvatures", "rescaled_krylov"]

_SAMPLE = {name: genbench.setting(name) for name in ("fold", "biases", "examples")}
_OBJECTIVE = genbench.need("objective", **_SAMPLE)


@dataclass(frozen=True)
class Density:
    """A spectrum as a sum of point masses.

    Attributes
    ----------
    values : Tensor, shape (k,)
        Where the masses are, double.
    masses : Tensor, shape (k,)
        Their sizes, of sum 1, double.
    """

    values: Tensor
    masses: Tensor

    def at(self, points: Tensor, width: float) -> Tensor:
        """The density at points, each mass spread normally with the given standard deviation."""
        distances = (points.double().unsqueeze(-1) - self.values) / width
        return (torch.exp(-distances.square() / 2) @ self.masses) / (width * (2 * torch.pi) ** 0.5)


@genbench.probe(cost="D")
def hessian_density(
    generator, objective=_OBJECTIVE, seeds=genbench.need("direction_seeds", draws=genbench.setting("draws")),
    *, draws: Count = 4, steps: Count = 15, fold: bool = False, biases: bool = True, examples: Count = 100,
) -> Density:  # fmt: skip
    """Spectral density of the Hessian by stochastic Lanczos quadrature (Ghorbani et al. 2019, section 2).

    From each of some random vectors of independent normal numbers a Krylov space is grown. Its Ritz values
    with the squared first components of their eigenvectors integrate all polynomials of degree up to
    2 · steps − 1 as the spectrum does, seen by that vector; in the mean, as the spectrum does.

    Parameters
    ----------
    draws : int
        Random vectors.
    steps : int
        Products with the Hessian for each, at most as many as there are weights.
    fold, biases, examples
        As of `objective`.
    """
    product = Hessian(objective).product
    starts = (normal_direction(seed, objective.weights) for seed in seeds)
    spaces = [lanczos(product, start, steps, generator) for start in starts]
    values = torch.cat([each.values for each in spaces])
    return Density(values, torch.cat([each.weights for each in spaces]) / len(spaces))


@genbench.probe(cost="D")
def layer_curvatures(
    generator, objective=_OBJECTIVE,
    *, steps: Count = 6, fold: bool = False, biases: bool = True, examples: Count = 100,
) -> Tensor:  # fmt: skip
    """Largest eigenvalue of each layer's own block of the Hessian, shape (layers,), double.

    Parameters
    ----------
    steps : int
        Products for each layer, at most as many as it has weights.
    fold, biases, examples
        As of `objective`. Where biases are moved, a layer's belongs to its block; normalizations have none.
    """
    tops = []
    blocks = _blocks(objective)
    hessian = Hessian(objective, blocks)
    for place, block in enumerate(blocks):
        start = objective.weights.new_zeros(sum(objective.shapes[each].numel() for each in block))
        space = lanczos(partial(hessian.product, block=place), start, steps, generator)
        tops.append(space.values[0])
    return torch.stack(tops)


@genbench.probe(cost="D")
def rescaled_krylov(
    generator, objective=_OBJECTIVE,
    *, steps: Count = 20, fold: bool = False, biases: bool = False, examples: Count = 200,
) -> Krylov:  # fmt: skip
    """Krylov space of D H D, D being diagonal with the Frobenius norm of the tensor that a weight belongs to.

    Parameters
    ----------
    steps : int
        Products with the Hessian, at most as many as there are weights.
    fold, biases, examples
        As of `objective`.
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
