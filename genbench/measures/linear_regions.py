"""Networks of ReLUs are linear piece by piece: how many pieces there are, and how near their borders.

Only networks whose activations are ReLUs, leaky or not, have pieces; others are refused, and so are those
that bend elsewhere, as in max-pooling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count, Fraction
from genbench.networks.linear_pieces import PreActivations, require_linear_pieces
from genbench.networks.passes import chunks, evenly_spaced, forward
from genbench.probes.margins import low_quantile

__all__ = ["inverse_preactivation", "linear_regions"]


@genbench.measure(
    family="linear-regions", direction="+",
    source="Taborsky & Hansen (Generalization by design), figure 4; Walker 2023, section 6",
    formula="mean over segments of the ReLUs that switch along the segment", cost="B",
)  # fmt: skip
def linear_regions(model, inputs, device, *, segments: Count = 50, steps: Count = 40) -> Tensor:
    """Borders between linear pieces that are crossed on the way from one training example to another.

    Each switch of a ReLU between two neighbouring points of a grid is one border. Two switches of one unit
    between neighbours are not seen, so that the count is a lower bound of all switches, which `steps`
    tightens. A switch counts whether or not an output sees it: a unit that nothing reads has borders too.

    Parameters
    ----------
    segments : int
        At most this many segments: evenly spaced training examples, each joined to the next, the last to the
        first.
    steps : int
        Intervals of the grid on each segment.

    Raises
    ------
    NotApplicable
        The network is not linear between ReLUs; or there is but one example.
    """
    if not inputs.is_floating_point():
        raise genbench.NotApplicable(f"there are no points between inputs of type {inputs.dtype}")
    ends = evenly_spaced(inputs, segments)
    if len(ends) < 2:
        raise genbench.NotApplicable("a segment takes two examples, there is one")
    require_linear_pieces(model, ends[:1])
    following = ends.roll(-1, 0)
    shares = torch.arange(steps + 1, dtype=torch.float64, device=inputs.device) / steps
    shares = shares.to(inputs.dtype).reshape(-1, *[1] * (inputs.ndim - 1))
    switches = torch.zeros((), dtype=torch.float64, device=device)
    for part in chunks(ends, device, copies=steps + 1):
        starts, stops = ends[part].unsqueeze(1), following[part].unsqueeze(1)
        grid = starts + shares * (stops - starts)
        for values in _pre_activations(model, grid.flatten(0, 1).to(device)):
            active = (values > 0).reshape(len(grid), steps + 1, -1)
            switches += (active[:, 1:] != active[:, :-1]).sum()
    return switches / len(ends)


@genbench.measure(
    family="linear-regions", direction="+",
    source="after Nagarajan & Kolter 2019 and Wei & Ma 2019, section 2; the quantile is ours",
    formula="Σ_l −ln q_l, q_l a low quantile of |pre-activation| at the l-th ReLU", cost="B",
)  # fmt: skip
def inverse_preactivation(
    model, inputs, device, *, quantile: Fraction = 0.01, examples: Count = 100
) -> Tensor:
    """How near to the kinks of the ReLUs the training examples lie, as the logarithm of a product over them.

    Bounds for ReLU networks that are polynomial in depth contain the inverse of the smallest pre-activation
    of each layer. That is a matter of single numbers; a quantile over units and examples is not. Infinite
    where such a quantile is exactly zero. It depends on the scale of the layers.

    Parameters
    ----------
    quantile : float
        The ⌊q n⌋-th smallest of the n pre-activations of a layer; 0 takes the smallest.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        The network is not linear between ReLUs.
    """
    picked = evenly_spaced(inputs, examples)
    if inputs.is_floating_point():
        require_linear_pieces(model, picked[:1])
    parts = [_pre_activations(model, picked[part].to(device)) for part in chunks(picked, device)]
    layers = [torch.cat(each).abs().flatten().double() for each in zip(*parts, strict=True)]
    return -torch.stack([low_quantile(layer, quantile) for layer in layers]).log().sum()


def _pre_activations(model: nn.Module, inputs: Tensor) -> list[Tensor]:
    with PreActivations() as recorded:
        forward(model, inputs)
    if not recorded.values:
        raise genbench.NotApplicable("the network has no ReLUs")
    return recorded.values
