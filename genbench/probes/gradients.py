"""Gradients of the training examples' losses by the parameters that are trained: inner products and moments.

The gradient of a loss is that of ⟨u, f(x)⟩ with u = ∂ℓ/∂f held fixed. u is taken in double precision and
scaled to size 1 before the network is differentiated, so that the tiny gradients of well fitted examples
neither vanish in single precision nor lose their direction. Batch norm is frozen: in evaluation mode with its
running statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

import genbench
from genbench.base.constraints import Count
from genbench.networks.gradient_products import (
    common_scale,
    gradient_pieces,
    gradient_products,
    has_small_factors,
    outputs_of,
    trained_parameters,
)
from genbench.networks.layer_gradients import Factors, power_sums
from genbench.networks.passes import evenly_spaced, forward, require_classes

__all__ = [
    "BatchGradients",
    "GradientGram",
    "GradientMoments",
    "batch_gradients",
    "gradient_gram",
    "gradient_moments",
    "gram_of",
    "loss_derivatives",
    "squared_norms",
]


@dataclass(frozen=True)
class GradientGram:
    """Gradients g_i of the losses of s training examples, as their inner products.

    Attributes
    ----------
    cosines : Tensor, shape (s, s)
        ⟨g_i, g_j⟩ / (‖g_i‖ ‖g_j‖), double; 0 where one of the two vanishes.
    norms : Tensor, shape (s,)
        ‖g_i‖, double.
    targets : Tensor, shape (s,) or (s, outputs)
    """

    cosines: Tensor
    norms: Tensor
    targets: Tensor

    @property
    def products(self) -> Tensor:
        """⟨g_i, g_j⟩, shape (s, s), double."""
        return self.cosines * self.norms.unsqueeze(1) * self.norms


@dataclass(frozen=True)
class GradientMoments:
    """Moments of the gradients g_i of the losses of s training examples.

    Attributes
    ----------
    squared_norms : Tensor, shape (s,)
        ‖g_i‖², double.
    powers : Tensor, shape (k, parameters)
        Means of the first k powers of the gradients' entries, double, a layer after the other.
    """

    squared_norms: Tensor
    powers: Tensor

    @property
    def mean(self) -> Tensor:
        """Mean gradient, shape (parameters,), double."""
        return self.powers[0]


@dataclass(frozen=True)
class BatchGradients:
    """How gradients w_b of the mean loss of batches differ that s examples are divided up into at random.

    Attributes
    ----------
    spread : Tensor, shape ()
        Σ_b n_b ‖w_b − ḡ‖², n_b being the examples in batch b, double; mean over the orders of the examples.
    squared_norm_of_mean : Tensor, shape ()
        ‖ḡ‖², ḡ being the mean gradient of all s examples, double.
    batches : int
        In each order.
    examples : int
        s.
    """

    spread: Tensor
    squared_norm_of_mean: Tensor
    batches: int
    examples: int


@genbench.probe(cost="D")
def gradient_gram(model, inputs, targets, task, device, *, examples: Count = 500) -> GradientGram:
    """Inner products of the examples' gradients, without storing a gradient of a large layer.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    return gram_of(model, evenly_spaced(inputs, examples), evenly_spaced(targets, examples), task, device)


def gram_of(model, inputs: Tensor, targets: Tensor, task, device: torch.device) -> GradientGram:
    """Inner products of the gradients of the losses of any examples.

    Raises
    ------
    NotApplicable
        Some gradients are not finite.
    """
    derivatives = loss_derivatives(outputs_of(model, inputs, device), targets, task)
    products = gradient_products(model, inputs, derivatives, device)
    if not (derivatives.isfinite().all() and products.isfinite().all()):
        raise genbench.NotApplicable("the gradients of the examples' losses are not finite")
    lengths = products.diagonal().clamp_min(0).sqrt()
    norms = lengths * derivatives.abs().amax(1)
    inverse = torch.where(norms == 0, 0.0, lengths.reciprocal())
    return GradientGram(products * torch.outer(inverse, inverse), norms, targets)


@genbench.probe(cost="D")
def gradient_moments(
    model, inputs, targets, task, device, *, examples: Count = 2000, powers: Count = 1
) -> GradientMoments:
    """Norms of the examples' gradients and moments of their entries, from one backward pass.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split.
    powers : int
        Of each entry the means of so many powers.
    """
    some, wanted = evenly_spaced(inputs, examples), evenly_spaced(targets, examples)

    def derivatives(outputs: Tensor, part: slice) -> Tensor:
        return loss_derivatives(outputs, wanted[part], task)

    return _moments(model, some, derivatives, device, powers=powers)


def _moments(
    model, inputs: Tensor, derivatives: Callable[[Tensor, slice], Tensor], device: torch.device,
    *, together: int = 1, powers: int = 1,
) -> GradientMoments:  # fmt: skip
    """Moments of the gradients of ⟨u_i, f(x_i)⟩, see `gradient_pieces`, or of the sums of so many of them."""
    norms: list[Tensor] = []
    sums: dict[str, Tensor] = {}
    for scale, pieces in gradient_pieces(model, inputs, derivatives, device, together=together):
        of_examples = torch.zeros_like(scale)
        for name, piece in pieces:
            of_examples = of_examples + squared_norms(piece)
            found = _power_sums(piece, powers) if powers > 1 else _total(piece).unsqueeze(0)
            if name not in sums:
                sums[name] = torch.zeros_like(found, dtype=torch.float64)
            for exponent, (total, more) in enumerate(zip(sums[name], found, strict=True), start=1):
                total.add_(more, alpha=float(scale) ** exponent)
        norms.append(of_examples * scale**2)
    count = len(inputs) // together
    return GradientMoments(torch.cat(norms), torch.cat(list(sums.values()), 1) / count)


@genbench.probe(cost="C", version=3)
def batch_gradients(
    model, inputs, targets, task, device, generator,
    *, batch: Count = 10, batches: Count = 40, examples: Count = 2000,
) -> BatchGradients:  # fmt: skip
    """Gradients of batches: where the layers allow it from one pass, else a backward pass for each.

    Parameters
    ----------
    batch : int
        Examples in a batch, at least: all are divided up, into batches whose sizes differ by one at most.
    batches : int
        If there are fewer, the examples are divided up several times, each time in another order.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        There are not enough examples for two batches.
    """
    taken = evenly_spaced(torch.arange(len(inputs)), examples)
    count = len(taken) // batch
    if count < 2:
        raise genbench.NotApplicable(f"{len(taken)} examples make no two batches of {batch}")
    at_once = has_small_factors(model, inputs, batch)
    sizes = torch.full((count,), len(taken) // count)
    sizes[: len(taken) % count] += 1
    spreads, of_means = [], []
    for _ in range(-(-batches // count)):
        order = taken[torch.randperm(len(taken), generator=generator, device=generator.device).cpu()]
        divided = order.split(sizes.tolist())
        norms, mean = _in_batches(model, inputs, targets, task, device, divided, at_once=at_once)
        of_means.append((mean * count / len(taken)).square().sum())
        spreads.append((norms / sizes.to(norms.device)).sum() - len(taken) * of_means[-1])
    spread, of_mean = (torch.stack(each).mean() for each in (spreads, of_means))
    return BatchGradients(spread.clamp_min(0), of_mean, count, len(taken))


def _in_batches(
    model, inputs: Tensor, targets: Tensor, task, device: torch.device, divided: Sequence[Tensor],
    *, at_once: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Squared norms of the gradients of the batches' summed losses, and the mean of these gradients."""
    if at_once:
        padded = pad_sequence(list(divided), batch_first=True, padding_value=-1).flatten()
        wanted = targets[padded.to(targets.device)]
        present = (padded >= 0).double().unsqueeze(1).to(device)  # where not, any example stands with u = 0

        def derivatives(outputs: Tensor, part: slice) -> Tensor:
            return loss_derivatives(outputs, wanted[part], task) * present[part]

        longest = len(padded) // len(divided)
        some = inputs[padded.to(inputs.device)]
        moments = _moments(model, some, derivatives, device, together=longest)
        return moments.squared_norms, moments.mean
    parameters = list(trained_parameters(model).values())
    sizes = [each.numel() for each in parameters]
    total = torch.zeros(sum(sizes), dtype=torch.float64, device=device)
    norms = []
    for some in divided:
        entries, scale = _gradient_of_batch(model, parameters, inputs, targets, some, task, device)
        norm = torch.zeros((), dtype=torch.float64, device=device)
        # A parameter at a time: several passes over all gradients at once would be as slow as memory is.
        for sum_of_part, part in zip(total.split(sizes), entries, strict=True):
            gradient = part.flatten().double() * scale
            norm += torch.dot(gradient, gradient)
            sum_of_part += gradient
        norms.append(norm)
    return torch.stack(norms), total / len(norms)


def _gradient_of_batch(
    model, parameters: Sequence[Tensor], inputs: Tensor, targets: Tensor, chosen: Tensor, task,
    device: torch.device,
) -> tuple[tuple[Tensor, ...], Tensor]:  # fmt: skip
    """Gradient of the chosen examples' summed losses over a scale, by each parameter, and that scale."""
    with torch.enable_grad():
        outputs = forward(model, inputs[chosen.to(inputs.device)].to(device))
    wanted = targets[chosen.to(targets.device)]
    cotangents, scale = common_scale(loss_derivatives(outputs.detach().double(), wanted, task))
    entries = torch.autograd.grad(
        outputs, parameters, cotangents.to(outputs.dtype), allow_unused=True, materialize_grads=True
    )
    return entries, scale


def loss_derivatives(outputs: Tensor, targets: Tensor, task) -> Tensor:
    """u = ∂ℓ/∂f of each example's loss, shape (n, outputs): p − e_y, in regression 2 (f − y) / outputs."""
    targets = targets.to(outputs.device)
    if task.kind != "classification":
        return 2 * (outputs - targets.double().reshape(outputs.shape)) / outputs.shape[1]
    require_classes(task, outputs)
    own = F.one_hot(targets, outputs.shape[1]).double()
    others = outputs.softmax(1) * (1 - own)
    # 1 − p_y as the sum of the other probabilities is exact also where p_y is near 1.
    return others - own * others.sum(1, keepdim=True)


def squared_norms(piece: Factors | Tensor) -> Tensor:
    """‖g_i‖² of one layer's part of the gradients, shape (n,), double."""
    return piece.squared_norms() if isinstance(piece, Factors) else piece.double().square().sum(1)


def _total(piece: Factors | Tensor) -> Tensor:
    return piece.total() if isinstance(piece, Factors) else piece.sum(0)


def _power_sums(piece: Factors | Tensor, count: int) -> Tensor:
    return piece.power_sums(count) if isinstance(piece, Factors) else power_sums(piece, count)
