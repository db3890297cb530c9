"""Classical bounds on the test error, as numbers; they are vacuous for the networks of today.

Probabilities and losses are bounded with probability 1 − δ over the training data of m examples. A value of 1
or more, 0 as a logarithm, says nothing about an error rate. What they are for is their order over networks.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count, Fraction, Positive, Risk
from genbench.measures.conventions import FOLDED_MODEL, LAYERS
from genbench.measures.norms import l1_rademacher_bound
from genbench.measures.smoothness import lipschitz_lower
from genbench.networks.copying import copy_of
from genbench.networks.homogeneity import require_homogeneous
from genbench.networks.passes import require_classes, require_real_weights
from genbench.probes.layer_chain import require_gentle_slopes
from genbench.probes.margins import low_quantile

__all__ = ["bit_count_bound", "covering_bound", "margin_rademacher_bound", "robustness_bound"]

# With slopes of up to 1, and 0 at 0.
_AS_GENTLE = (nn.Tanh, nn.Softsign, nn.Hardtanh, nn.Softshrink, nn.Tanhshrink)


@genbench.measure(
    family="bound", direction="+", source="Zhang et al. 2017 (Theory of deep learning III), eq. 14",
    formula="√(2 (b ω ln 2 + ln(2/δ)) / m)",
)  # fmt: skip
def bit_count_bound(model, sample_size, *, bits: Count = 32, delta: Risk = 0.05) -> float:
    """Bound on the gap by the number of bits in which all ω weights and biases are written.

    Vacuous, above 1, unless there are some 50 times as many examples as parameters.

    Parameters
    ----------
    bits : int
        b, bits per parameter.
    """
    numbers = _parameter_count(model)
    return math.sqrt(2 * (bits * numbers * math.log(2) + math.log(2 / delta)) / sample_size)


@genbench.measure(
    family="bound", direction="+", source="Zhang et al. 2017 (Theory of deep learning III), section 8.2",
    formula="√(ω ln(3 G / ε) / m), G = ‖w − w⁰‖₂",
)  # fmt: skip
def covering_bound(model, initial_model, sample_size, *, epsilon: Positive = 0.01) -> float:
    """Order of the bound by the covering number of the ball around the initial weights that training reached.

    The paper asks for a radius G that holds for all training sets; here it is that of this fit, the length of
    the sum of all steps, weights and biases together. Vacuous, above 1, unless there are more examples than
    parameters. Zero for a ball of radius at most ε, which one ball covers.

    Parameters
    ----------
    epsilon : float
        Radius of the covering balls.
    """
    require_real_weights(model)
    now, then = dict(model.named_parameters()), dict(initial_model.named_parameters())
    if {name: each.shape for name, each in now.items()} != {name: each.shape for name, each in then.items()}:
        raise genbench.NotApplicable("the initial network has other parameters than the trained one")
    if not now:
        raise genbench.NotApplicable("the network has no parameters")
    changes = [(now[name].double() - then[name].double()).flatten() for name in now]
    radius = float(torch.linalg.vector_norm(torch.cat(changes)))
    if radius <= epsilon:
        return 0.0
    return math.sqrt(_parameter_count(model) * math.log(3 * radius / epsilon) / sample_size)


@genbench.measure(
    family="bound", direction="+", source="Zhang et al. 2017 (Theory of deep learning III), eqs. 57 and 60",
    formula="ln[ #{γ_i < γ}/m + 2 R/γ + √(ln ln(4C/γ) / m) + √(ln(1/δ) / 2m) ]", version=2,
)  # fmt: skip
def margin_rademacher_bound(
    margins, inputs, layers=LAYERS, model=FOLDED_MODEL, *, quantile: Fraction = 0.1, delta: Risk = 0.05
) -> Tensor:
    """Logarithm of the bound on the test error by a margin γ and the Rademacher complexity.

    R is the bound of `l1_rademacher_bound` times max ‖x‖_∞, the assumption of inputs in [−1, 1] being met by
    scaling: it bounds twice the complexity, of which the theorem takes four times. C is the largest margin in
    absolute value. The theorem is for two classes with outputs ±1; here the margin f_y − max_{j≠y} f_j stands
    for y f. Biases do not enter. Vacuous, above 0, for all but the smallest norms; infinite where γ is not
    positive.

    Parameters
    ----------
    quantile : float
        γ is this quantile of the training margins; the bound holds for all γ at once.

    Raises
    ------
    NotApplicable
        The network is no chain of layers, or an activation has a slope above 1 or is not 0 at 0.
    """
    require_homogeneous(_with_relus(model), layers, inputs)
    require_gentle_slopes(model)
    count = len(margins)
    gamma = low_quantile(margins, quantile)
    if gamma <= 0:
        return gamma.new_tensor(torch.inf)
    largest_input = inputs.abs().max().double().to(gamma.device)
    log_complexity = l1_rademacher_bound(inputs, layers) + largest_input.log()
    complexity = math.log(2) - gamma.log() + log_complexity
    below = (margins < gamma).double().mean()
    scale = ((4 * margins.abs().max() / gamma).log().log() / count).sqrt()
    rest = below + scale + math.sqrt(math.log(1 / delta) / (2 * count))
    return torch.logaddexp(complexity, rest.log())


def _with_relus(model: nn.Module) -> nn.Module:
    """A copy with ReLUs for activations that the lemma allows besides: it is homogeneous if it is a chain."""
    copied = copy_of(model)
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if isinstance(child, _AS_GENTLE):
                setattr(module, name, nn.ReLU())
    return copied


@genbench.measure(
    family="bound", direction="+",
    source="Xu & Mannor 2012; Zhang et al. 2017 (Theory of deep learning III), eqs. 18 and 19",
    formula="min_k ln[ ε_k + M √((2 K_k ln 2 + 2 ln(1/(π_k δ))) / m) ], K_k = classes · 2^{kd}", cost="B",
)  # fmt: skip
def robustness_bound(
    losses, logits, inputs, task, jacobians=genbench.need("input_jacobians"),
    *, delta: Risk = 0.05, granularities: Count = 8,
) -> Tensor:  # fmt: skip
    """Logarithm of the bound on the loss gap by how much the loss varies within cells of the input space.

    The box of the training inputs is cut into 2^k parts along each of its d sides. Within a cell the
    cross-entropy varies by ε_k = √2 L times the cell's diagonal, L being `lipschitz_lower`: an estimate from
    below, so that the value is no certificate. M is the largest training loss plus ε_k, the prior π_k ∝
    1/(k+1)². Cells are so many that k = 0, one cell for each class, is nearly always the best; vacuous then
    by its first term.

    Parameters
    ----------
    granularities : int
        Tries k from 0 to this number less one.
    """
    require_classes(task, logits)
    count, features = len(losses), inputs[:1].numel()
    sides = (inputs.amax(0) - inputs.amin(0)).double()
    slope = math.sqrt(2) * lipschitz_lower(jacobians)
    largest = losses.max()
    bounds = []
    for k in range(granularities):
        vary = slope * torch.linalg.vector_norm(sides).to(slope.device) / 2**k
        prior = 6 / (math.pi * (k + 1)) ** 2
        # ln of 2 K ln 2 + 2 ln(1/(π δ)), of which the first term alone may overflow.
        log_cells = math.log(2 * math.log(2) * logits.shape[1]) + k * features * math.log(2)
        log_rest = math.log(2 * math.log(1 / (prior * delta)))
        log_root = 0.5 * (_log_add(log_cells, log_rest) - math.log(count))
        bounds.append(torch.logaddexp(vary.log(), (largest + vary).log() + log_root))
    return torch.stack(bounds).min()


def _parameter_count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _log_add(first: float, second: float) -> float:
    """ln(eᵃ + eᵇ)."""
    high, low = max(first, second), min(first, second)
    return high + math.log1p(math.exp(low - high))
