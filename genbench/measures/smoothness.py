"""How much the outputs move when the input does, from the input-output Jacobians J of training examples.

Functions that vary less around the training data are said to generalize better. All measures here share one
Jacobian pass over `examples` training examples.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count
from genbench.networks.kinds import is_batch_norm
from genbench.networks.passes import evenly_spaced, forward, require_classes
from genbench.networks.watching import counted
from genbench.probes.jacobians import InputJacobians
from genbench.probes.margins import low_quantile, median

__all__ = [
    "geometric_complexity",
    "geometric_complexity_projected",
    "input_jacobian_norm",
    "input_margin_linearised",
    "lipschitz_lower",
    "pullback_lambda_max",
    "spectral_product_bound",
]

_JACOBIANS = genbench.need("input_jacobians", shared="examples")
_PROJECTED = genbench.need("projected_jacobians", shared=("projections", "examples"))
_SPECTRAL = genbench.need("spectral_norms", fold=genbench.setting("fold"), shared="kernel")
_MODEL = genbench.need("folded_model", fold=genbench.setting("fold"))

# Layers whose slopes no norm of their weights bounds. Batch norm is one of them where it is not folded.
# Below it numbers of double precision have fewer digits, and then none.
_LEAST_LOG = -600.0

_UNBOUNDED = (
    nn.RNNBase, nn.RNNCellBase, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.LocalResponseNorm,
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
)  # fmt: skip


@genbench.measure(
    family="smoothness", direction="+", source="Dherin et al. 2022; Walker 2023, definition 6.1",
    formula="mean_x ‖∂f/∂x‖_F²",
)  # fmt: skip
def geometric_complexity(jacobians=_JACOBIANS) -> Tensor:
    """Mean squared Frobenius norm of the Jacobian of the logits, by exact differentiation."""
    return _trace(jacobians.gram).mean()


@genbench.measure(
    family="smoothness", direction="+", source="Dherin et al. 2022; Walker 2023, definition 6.1",
    formula="mean_x k ‖Jᵀ u_x‖², J = ∂f/∂x, u_x random of length 1",
)  # fmt: skip
def geometric_complexity_projected(squares=_PROJECTED) -> Tensor:
    """`geometric_complexity` of more examples at the price of few backward passes, by random projections."""
    return squares.mean()


@genbench.measure(
    family="smoothness", direction="+", source="Novak et al. 2018", formula="mean_x ‖∂softmax(f)/∂x‖"
)
def input_jacobian_norm(
    task, jacobians=_JACOBIANS,
    *, outputs: Literal["probabilities", "logits"] = "probabilities",
    norm: Literal["frobenius", "operator"] = "frobenius",
) -> Tensor:  # fmt: skip
    """Mean norm of the Jacobian of the class probabilities, or of the logits, by the input."""
    gram = jacobians.gram
    if outputs == "probabilities":
        require_classes(task, jacobians.outputs)
        softmax = _softmax_jacobian(jacobians.outputs)
        gram = softmax @ gram @ softmax
    squares = _trace(gram) if norm == "frobenius" else _largest_eigenvalues(gram)
    return squares.clamp_min(0).sqrt().mean()


@genbench.measure(family="smoothness", direction="+", source="Walker 2023, eq. 3", formula="max_x ‖∂f/∂x‖₂")
def lipschitz_lower(jacobians=_JACOBIANS) -> Tensor:
    """Largest local Lipschitz constant at a training example, a lower bound of the network's."""
    return _largest_eigenvalues(jacobians.gram).max().clamp_min(0).sqrt()


@genbench.measure(
    family="smoothness", direction="-",
    source="Zhang et al. 2017 (Theory of deep learning III), eq. 11, to first order",
    formula="(f_y − max_j f_j) / ‖∂(f_y − f_j)/∂x‖₂",
)  # fmt: skip
def input_margin_linearised(
    task, jacobians=_JACOBIANS, *, aggregate: Literal["mean", "median", "p10"] = "mean"
) -> Tensor:
    """Distance, to first order, from a training example to where its prediction turns into the runner-up.

    Negative for an example that is misclassified. Where the derivatives of its margin by the input are all
    zero it is infinitely far, on its side.

    Parameters
    ----------
    aggregate : {"mean", "median", "p10"}
        Over the s examples; ``p10`` is the ⌊s/10⌋-th smallest distance, the smallest one below 20 examples.

    Raises
    ------
    NotApplicable
        Infinite distances make the aggregate infinite; or a margin is zero along with its derivatives.
    """
    require_classes(task, jacobians.outputs)
    margin, squares = _runner_up(jacobians)
    distances = margin / squares.clamp_min(0).sqrt()
    unmoved = squares <= 0
    if (unmoved & (margin == 0)).any():
        raise genbench.NotApplicable("some margin and its derivatives by the input are all zero")
    if aggregate == "mean":
        value = distances.mean()
    else:
        value = median(distances) if aggregate == "median" else low_quantile(distances, 0.1)
    if unmoved.any() and not value.isfinite():
        raise genbench.NotApplicable(f"no input moves the margin of {int(unmoved.sum())} examples")
    return value


@genbench.measure(
    family="smoothness", direction="+",
    source="Taborsky & Hansen (Generalization by design), proposition 3.1",
    formula="λ_max(Jᵀ ∇²ψ(f(x)) J) over x",
)  # fmt: skip
def pullback_lambda_max(
    task, jacobians=_JACOBIANS, *, aggregate: Literal["mean", "max"] = "mean", trace: bool = False
) -> Tensor:
    """Largest eigenvalue of the metric that the loss pulls back to the inputs, over training examples.

    ∇²ψ is the Hessian of the loss by the outputs: diag(p) − ppᵀ for cross-entropy, the identity for squared
    errors.

    Parameters
    ----------
    trace : bool
        The trace of that metric in place of its largest eigenvalue, which it bounds.
    """
    gram = jacobians.gram
    if task.kind == "classification":
        require_classes(task, jacobians.outputs)
        curvature = _softmax_jacobian(jacobians.outputs)
        # Curvature times Gram matrix has the eigenvalues of the metric; the root makes it symmetric.
        root = _root(curvature)
        gram = root @ gram @ root
    each = _trace(gram) if trace else _largest_eigenvalues(gram)
    return each.mean() if aggregate == "mean" else each.max()


@genbench.measure(
    family="smoothness", direction="+",
    source="Taborsky & Hansen (Generalization by design), corollary 3.0.1",
    formula="mean_x ln λ_max(∇²ψ(f(x))) + Σ_l 2 ln σ_l", version=2,
)  # fmt: skip
def spectral_product_bound(
    logits, task, inputs, spectral=_SPECTRAL, model=_MODEL, *, examples: Count = 500, fold: bool = True
) -> Tensor:
    """Logarithm of the bound on `pullback_lambda_max` by the spectral norms, averaged over training examples.

    It bounds a chain of layers with activations of slopes of at most 1; with skip connections or parallel
    branches it is a number of the same kind. Where the training data are fitted well the Hessian vanishes,
    and with it the first term.

    Raises
    ------
    NotApplicable
        The network has a recurrent layer or a normalization that is not folded, or uses a weight twice.
    """
    _require_layers_of_one_use(model, inputs, fold)
    if task.kind == "regression":
        return 2 * spectral.log().sum()
    require_classes(task, logits)
    chosen = evenly_spaced(logits, examples)
    return _log_curvatures(chosen).mean() + 2 * spectral.log().sum()


def _require_layers_of_one_use(model: nn.Module, inputs: Tensor, fold: bool) -> None:
    for module in model.modules():
        if isinstance(module, _UNBOUNDED) or (is_batch_norm(module) and not fold):
            name = type(module).__name__
            raise genbench.NotApplicable(f"the norms of its weights do not bound the slopes of a {name}")
    modules = dict(model.named_modules())
    with counted(modules) as calls:
        forward(model, inputs[:2])
    uses: Counter[int] = Counter()
    for name, count in calls.items():
        uses.update({id(each): count for each in modules[name].parameters(recurse=False)})
    if max(uses.values(), default=0) > 1:
        raise genbench.NotApplicable("a layer of the network is used twice")


def _log_curvatures(outputs: Tensor) -> Tensor:
    """Logarithm of the largest eigenvalue of the loss's Hessian by each example's outputs."""
    found = _largest_eigenvalues(_softmax_jacobian(outputs)).log()
    fitted = found < _LEAST_LOG
    if fitted.any():
        logs = outputs[fitted].log_softmax(1)
        top = logs.argmax(1, keepdim=True)
        scale = logs.scatter(1, top, -torch.inf).logsumexp(1)  # ln (1 − p) of the likeliest class
        pairs = logs.unsqueeze(2) + logs.unsqueeze(1) - scale[:, None, None]
        pairs.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
        products = pairs.exp()
        found[fitted] = scale + _largest_eigenvalues(torch.diag_embed(products.sum(2)) - products).log()
    return found


def _largest_eigenvalues(matrices: Tensor) -> Tensor:
    """Of each symmetric matrix; NaN where an entry is not finite, at which the decomposition would stop."""
    finite = matrices.isfinite().all(2).all(1)
    safe = torch.where(finite[:, None, None], matrices, torch.zeros_like(matrices))
    return torch.linalg.eigvalsh(safe)[:, -1].masked_fill(~finite, torch.nan)


def _root(matrices: Tensor) -> Tensor:
    """Symmetric square root of each positive semidefinite matrix; NaN where an entry is not finite."""
    finite = matrices.isfinite().all(2).all(1)
    safe = torch.where(finite[:, None, None], matrices, torch.zeros_like(matrices))
    values, vectors = torch.linalg.eigh(safe)
    root = (vectors * values.clamp_min(0).sqrt().unsqueeze(1)) @ vectors.transpose(1, 2)
    return root.masked_fill(~finite[:, None, None], torch.nan)


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2).sum(1)


def _softmax_jacobian(outputs: Tensor) -> Tensor:
    """diag(p) − ppᵀ, shape (s, k, k); the diagonal p_i (1 − p_i) is exact also where p_i is near 1."""
    probabilities = outputs.softmax(1)
    products = probabilities.unsqueeze(2) * probabilities.unsqueeze(1)
    products = products - torch.diag_embed(products.diagonal(dim1=1, dim2=2))
    return torch.diag_embed(products.sum(2)) - products


def _runner_up(jacobians: InputJacobians) -> tuple[Tensor, Tensor]:
    """Margins of the examples and the squared norms of their gradients by the input, both shape (s,)."""
    column = jacobians.targets.to(jacobians.outputs.device).unsqueeze(1)
    own = jacobians.outputs.gather(1, column).squeeze(1)
    best, other = jacobians.outputs.scatter(1, column, -torch.inf).max(1)
    direction = torch.zeros_like(jacobians.outputs).scatter(1, column, 1.0)
    direction = direction.scatter(1, other.unsqueeze(1), -1.0)
    squares = torch.einsum("si,sij,sj->s", direction, jacobians.gram, direction)
    return own - best, squares
