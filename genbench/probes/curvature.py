"""The Hessian of the training loss by the weights, known through its products with vectors only."""

from __future__ import annotations

import torch

import genbench
from genbench.base.constraints import Count
from genbench.networks.hessian import Hessian
from genbench.networks.lanczos import Krylov, lanczos, rejected
from genbench.probes.perturbation import normal_direction

__all__ = ["hessian_krylov", "hessian_remainder"]

_OBJECTIVE = genbench.need(
    "objective", fold=genbench.setting("fold"), examples=genbench.setting("examples"), shared="biases"
)
_KRYLOV = genbench.need("hessian_krylov", shared=("steps", "fold", "biases", "examples"))
_SEEDS = genbench.need("direction_seeds", draws=genbench.setting("draws"))


@genbench.probe(cost="D", version=2)
def hessian_krylov(
    generator, objective=_OBJECTIVE, *, steps: Count = 30, fold: bool = False, examples: Count = 250
) -> Krylov:
    """Lanczos iteration with full reorthogonalization from a random start.

    Parameters
    ----------
    steps : int
        Products with the Hessian, at most as many as there are weights. Where the space closes before, it is
        continued with a new random vector.
    fold : bool
        Fold batch norm into the weights beside it first, see `objective`.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    start = torch.zeros_like(objective.weights)
    return lanczos(Hessian(objective).product, start, steps, generator)


@genbench.probe(cost="D", version=2)
def hessian_remainder(objective=_OBJECTIVE, krylov=_KRYLOV, seeds=_SEEDS, *, draws: Count = 12) -> float:
    """Trace of P H P, what a Krylov space leaves of the Hessian, P being the projection on its complement.

    It is Hutchinson's estimate E zᵀ P H P z for z of independent random signs. The large eigenvalues, which
    would make it noisy, lie in the Krylov space, where they are known (as in Hutch++, Meyer et al. 2021).

    Parameters
    ----------
    draws : int
        Vectors z, each for one product with the Hessian.
    """
    trace = 0.0
    hessian = Hessian(objective)
    for seed in seeds:
        signs = normal_direction(seed, objective.weights).sign()
        rest, _ = rejected(signs, krylov.basis)
        image, _ = rejected(hessian.product(rest), krylov.basis)
        trace += float((rest.double() * image.double()).sum())
    return trace / len(seeds)
