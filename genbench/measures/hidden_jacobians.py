"""How strongly the outputs, the margin and later layers depend on the hidden layers, at training examples.

Wei & Ma 2019 bound the test error by the norms of hidden layers and of the Jacobians between layers, taken at
the training data only; networks in which these are small are said to generalize better.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count, NonNegative
from genbench.networks.hidden import At
from genbench.networks.margins import margins_of
from genbench.networks.passes import require_classes
from genbench.probes.margins import MarginSign

__all__ = ["hidden_jacobian_norm", "interlayer_jacobian", "jac_hidden_over_margin", "margin_jacobian_sum"]

_MARGIN = genbench.need("margin_jacobians", at=genbench.setting("at"), shared="examples")
_OUTPUTS = genbench.need("hidden_jacobians", shared="examples")
_INTERLAYER = genbench.need("interlayer_jacobians", shared="examples")


@genbench.measure(
    family="hidden-jacobians", direction="+",
    source="Wei & Ma 2019 (data-dependent sample complexity), section 6",
    formula="mean_x Σ_i 1[‖J_i‖² ≥ τ] ‖J_i‖², J_i = ∂(f_y − max_{j≠y} f_j)/∂h_i",
)  # fmt: skip
def margin_jacobian_sum(jacobians=_MARGIN, *, threshold: NonNegative = 0.1, at: At = "both") -> Tensor:
    """Squared derivatives of the margin by hidden layers, those that reach a threshold, summed over layers.

    Parameters
    ----------
    threshold : float
        τ; the authors take 0.1, 0 adds up all.
    at : {"blocks", "normalizations", "both"}
        The hidden layers: outputs of blocks, of all normalizations, or both. The authors take both, of the
        normalizations those inside residual blocks; here the ones before the first block and behind the last
        count too. In a network that has normalizations but no blocks ``both`` are the normalizations alone.
    """
    squares = jacobians.norms.square()
    return torch.where(squares < threshold, torch.zeros_like(squares), squares).sum(1).mean()


@genbench.measure(
    family="hidden-jacobians", direction="+",
    source="Wei & Ma 2019 (data-dependent sample complexity), figure 1",
    formula="mean over the largest of ln(Σ_i ‖h_i‖ ‖∂f/∂h_i‖ / γ(x))",
)  # fmt: skip
def jac_hidden_over_margin(
    task, jacobians=_OUTPUTS,
    *, largest: Count = 100, norm: Literal["operator", "frobenius"] = "operator",
    margin_sign: MarginSign = "absolute",
) -> Tensor:  # fmt: skip
    """Hidden layers times the Jacobians of the outputs by them, over the example's margin.

    The leading term of the authors' bound. h_i are the outputs of the blocks; the mean is one of logarithms,
    over the `largest` examples. Infinite where one of them has no margin.

    Parameters
    ----------
    largest : int
        How many examples; the authors show 100 of the whole training set.
    norm : {"operator", "frobenius"}
        Of the Jacobian, which the authors do not name.
    margin_sign : {"absolute", "signed"}
        ``absolute`` drops the sign of the margin of a misclassified example; ``signed`` makes such a margin
        zero, and the measure infinite.

    Raises
    ------
    NotApplicable
        Of too few examples the outputs depend on a hidden layer that is not zero; or the task is regression.
    """
    require_classes(task, jacobians.outputs)
    margins = margins_of(jacobians.outputs, jacobians.targets)
    margins = margins.abs() if margin_sign == "absolute" else margins.clamp_min(0)
    sizes = jacobians.operator if norm == "operator" else jacobians.frobenius
    weighted = (jacobians.norms * sizes).sum(1)
    # Where no output depends on a hidden layer the term is zero, whatever the margin.
    terms = torch.where(weighted > 0, weighted.log() - margins.log(), -torch.inf)
    chosen = terms.topk(min(largest, len(terms))).values
    _require_logarithms(chosen, "all hidden layers are zero or leave the outputs as they are")
    return chosen.mean()


@genbench.measure(
    family="hidden-jacobians", direction="+",
    source="Wei & Ma 2019 (data-dependent sample complexity), figure 1 (J)",
    formula="mean_x Σ_i ln ‖∂f/∂h_i‖ / L",
)  # fmt: skip
def hidden_jacobian_norm(
    jacobians=_OUTPUTS, *, norm: Literal["operator", "frobenius"] = "operator"
) -> Tensor:
    """Logarithm of the norm of the Jacobian of the outputs by a hidden layer, over layers and examples.

    Raises
    ------
    NotApplicable
        At an example the outputs do not depend on a hidden layer.
    """
    logarithms = (jacobians.operator if norm == "operator" else jacobians.frobenius).log()
    _require_logarithms(logarithms.amin(1), "the outputs do not depend on a hidden layer")
    return logarithms.mean()


@genbench.measure(
    family="hidden-jacobians", direction="+",
    source="Wei & Ma 2019 (data-dependent sample complexity), Theorem 1.1 (σ)",
    formula="max or mean over pairs i < i' of max_x ‖∂h_{i'}/∂h_i‖₂",
)  # fmt: skip
def interlayer_jacobian(
    jacobians=_INTERLAYER,
    *, over_pairs: Literal["max", "mean"] = "max", over_examples: Literal["max", "mean"] = "max",
) -> Tensor:  # fmt: skip
    """Largest Jacobian between two hidden layers, the outputs counted as the last, at training examples."""
    norms = jacobians.norms
    each = norms.amax(0) if over_examples == "max" else norms.mean(0)
    return each.max() if over_pairs == "max" else each.mean()


def _require_logarithms(logarithms: Tensor, why: str) -> None:
    """Raise NotApplicable where one of an example is that of zero."""
    lost = int((logarithms == -torch.inf).sum())
    if lost:
        raise genbench.NotApplicable(
            f"at {lost} of {len(logarithms)} training examples {why}, and zero has no logarithm"
        )
