"""Curvatures of single examples' losses: how unlike they are decides where SGD can rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import grad, jvp, vmap
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Count
from genbench.contract.protocol import learning_rate
from genbench.networks.ambient import forward_mode, twice_differentiable
from genbench.networks.hessian import Hessian
from genbench.networks.lanczos import rejected
from genbench.networks.objective import Objective

__all__ = ["Momentum", "Rate", "StabilitySpace", "Step", "sgd_step", "stability_space"]

Rate = Literal["last", "peak"]
Momentum = Literal["ignored", "effective", "heavy_ball"]

_OBJECTIVE = genbench.need(
    "objective", fold=genbench.setting("fold"), examples=genbench.setting("examples"), shared="biases"
)
_KRYLOV = genbench.need(
    "hessian_krylov", steps=30, examples=genbench.setting("examples"), shared=("fold", "biases")
)
_STEP = genbench.need("sgd_step", shared=("rate", "momentum"))

# At most this many numbers of examples' products are held at a time.
_HELD = 2**25


@dataclass(frozen=True)
class Step:
    """What SGD does in a step.

    Attributes
    ----------
    rate : float
        η, the learning rate.
    spread : float
        (m − B) / (B (m − 1)), the variance of the mean of B out of m examples drawn without replacement, over
        that of one example.
    """

    rate: float
    spread: float


@genbench.probe
def sgd_step(protocol, targets, *, rate: Rate = "last", momentum: Momentum = "ignored") -> Step:
    """Learning rate and batch size of the training.

    Parameters
    ----------
    rate : {"last", "peak"}
        η of the last step that the schedule plans, or `learning_rate` of the protocol; with a constant
        schedule the same.
    momentum : {"ignored", "effective", "heavy_ball"}
        The theory is that of plain SGD. η is the protocol's; or η / (1 − β), the length of all steps that a
        gradient causes together; or η / (1 + β), with which a·η / 2 ≤ 1 is where full-batch descent with
        momentum β ceases to be stable.

    Raises
    ------
    NotApplicable
        The network was not trained by SGD; it has momentum by Nesterov's rule, which ``heavy_ball`` does not
        describe; or the training may have stopped before the end of a schedule that changes the rate.
    """
    if protocol.optimizer != "sgd":
        raise genbench.NotApplicable(
            f"the theory is that of SGD, the network was trained by {protocol.optimizer}"
        )
    m, chosen = len(targets), protocol.learning_rate
    if rate == "last" and protocol.schedule != "constant":
        if protocol.target_loss is not None:
            raise genbench.NotApplicable(
                "the protocol does not say how far the schedule came before the loss was reached: rate=peak"
            )
        steps = -(-m // protocol.batch_size)
        chosen = learning_rate(protocol, protocol.max_epochs * steps - 1, steps)
    beta = protocol.momentum
    if momentum == "heavy_ball":
        if protocol.nesterov and beta > 0:
            raise genbench.NotApplicable(
                "the network was trained with Nesterov's momentum, not with heavy-ball"
            )
        chosen /= 1 + beta
    elif momentum == "effective":
        chosen /= 1 - beta
    size = min(protocol.batch_size, m)
    return Step(chosen, (m - size) / (size * (m - 1)) if m > size else 0.0)


@dataclass(frozen=True)
class StabilitySpace:
    """Two matrices on one subspace of the weights, each searched for its largest eigenvalue.

    Attributes
    ----------
    spread : Tensor, shape (k, k)
        Σ = (1/s) Σ_i H_i² − H² as the subspace sees it, double; H_i are the Hessians of s examples' losses, H
        is their mean.
    growth : Tensor, shape (k, k)
        (I − ηH)² + η² (m − B) / (B (m − 1)) Σ − I, the same way.
    """

    spread: Tensor
    growth: Tensor


@genbench.probe(cost="D", version=2)
def stability_space(
    generator, objective=_OBJECTIVE, step=_STEP, krylov=_KRYLOV, *, steps: Count = 6, examples: Count = 50
) -> StabilitySpace:
    """A subspace that has the top of both matrices.

    It begins with the directions in which H curves most downwards and most upwards, for the learning rate is
    mostly so small that growth is −2ηH and little else. Then it is extended by the residuals of the two
    largest eigenvectors in turn. Each vector costs two products with the Hessian of every example and one
    with their mean.

    Parameters
    ----------
    steps : int
        Dimensions, at most as many as there are weights.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    weights, eta = objective.weights, step.rate
    size = min(steps, len(weights))
    basis = weights.new_zeros(size, len(weights))
    images = {name: torch.zeros_like(basis) for name in ("spread", "growth")}
    projected = {name: torch.zeros(size, size, dtype=torch.float64, device=weights.device) for name in images}
    negligible = 100 * torch.finfo(weights.dtype).eps
    hessian = Hessian(objective)
    starts, residual = [krylov.ritz_vector(-1), krylov.ritz_vector(0)], weights
    scale = one = weights.new_ones((), dtype=torch.float64)
    for place in range(size):
        if starts:
            residual, scale = starts.pop(0), one
        residual, length = rejected(residual, basis[:place])
        if length.double() <= negligible * scale:  # an eigenvector is found
            drawn = torch.randn(len(weights), generator=generator, device=weights.device, dtype=torch.float32)
            residual, length = rejected(drawn.to(weights.dtype), basis[:place])
        basis[place] = residual / length
        once, squares = _products(objective, basis[place])
        twice = hessian.product(once)
        images["spread"][place] = squares - twice
        images["growth"][place] = (
            eta**2 * twice - 2 * eta * once + eta**2 * step.spread * images["spread"][place]
        )
        rows = [(basis[: place + 1] @ images[name][place]).double() for name in projected]
        if not torch.stack(rows).isfinite().all():
            raise genbench.NotApplicable("the second derivatives of the examples' losses are not finite")
        for row, matrix in zip(rows, projected.values(), strict=True):
            matrix[place, : place + 1] = matrix[: place + 1, place] = row
        name = "growth" if place % 2 else "spread"
        values, vectors = torch.linalg.eigh(projected[name][: place + 1, : place + 1])
        top = vectors[:, -1].to(weights.dtype)
        residual = top @ images[name][: place + 1] - values[-1].to(weights.dtype) * (top @ basis[: place + 1])
        scale = torch.linalg.vector_norm(images[name][place]).double()
    return StabilitySpace(projected["spread"], projected["growth"])


def _products(objective: Objective, vector: Tensor) -> tuple[Tensor, Tensor]:
    """H v and (1/s) Σ_i H_i (H_i v), shape (parameters,) each."""

    def loss(weights: Tensor, one_input: Tensor, one_target: Tensor) -> Tensor:
        outputs = objective.called(objective.pieces(weights), one_input.unsqueeze(0)).double()
        if objective.classification:
            return F.cross_entropy(outputs, one_target.unsqueeze(0))
        return (outputs - one_target.double().reshape(outputs.shape)).square().mean()

    def product(one_vector: Tensor, one_input: Tensor, one_target: Tensor) -> Tensor:
        slope = lambda weights: grad(loss)(weights, one_input, one_target)  # noqa: E731
        return jvp(slope, (objective.weights,), (one_vector,))[1]

    # Recurrent kernels have no batching rule.
    alone = any(isinstance(module, nn.RNNBase) for module in objective.model.modules())
    mean, squares = torch.zeros_like(vector), torch.zeros_like(vector)
    size, count = max(1, _HELD // (8 * len(vector))), len(objective.inputs)
    for start in range(0, count, size):
        some = slice(start, start + size)
        part = objective.of(some)
        if not alone:
            inputs, targets = part.inputs.to(part.device), part.targets.to(part.device)
            try:
                with torch.enable_grad(), twice_differentiable(), forward_mode():
                    once = vmap(product, in_dims=(None, 0, 0))(vector, inputs, targets).detach()
                    twice = vmap(product)(once, inputs, targets).detach()
            except (NotImplementedError, RuntimeError):
                # Networks with functions of their own, or whose values decide what they do, are no vectors
                # of networks. Whatever else is wrong will be so for one example after the other too.
                alone = True
        if alone:
            once = _one_by_one(part, vector.expand(len(part.inputs), -1))
            twice = _one_by_one(part, once)
        mean += once.sum(0) / count
        squares += twice.sum(0) / count
    return mean, squares


def _one_by_one(objective: Objective, vectors: Tensor) -> Tensor:
    return torch.stack(
        [Hessian(each).product(own) for each, own in zip(objective.batches(1), vectors, strict=True)]
    )
