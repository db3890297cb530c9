"""How well the classes of the training data are told apart in a hidden layer.

Classes that form tight and distant clusters are said to generalize better (Natekar & Sharma 2020, the winners
of the contest "Predicting generalization in deep learning"). Classes without an example in the sample are
left out. Clusters need more examples than classes, and a layer that varies by more than rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.hidden import LayerChoice
from genbench.probes.hidden import Representation

__all__ = [
    "calinski_harabasz",
    "davies_bouldin",
    "dbi_x_mixup",
    "feature_effective_rank",
    "feature_norm",
    "feature_variance",
    "fisher_ratio",
    "nc1",
    "silhouette",
]

_FEATURES = genbench.need("representation", shared=("layer", "pool", "examples"))
_OF_LAYER = genbench.need("representation", layer=genbench.setting("layer"), shared=("pool", "examples"))
_POOLED = genbench.need("representation", pool=genbench.setting("pool"), shared=("layer", "examples"))

_MIDPOINT_ERROR = genbench.need("midpoint_error", shared="midpoints")

_NATEKAR = "Natekar & Sharma 2020 (PGDL winner)"


@genbench.measure(
    family="representation", direction="+", source=f"Davies & Bouldin 1979; {_NATEKAR}",
    formula="mean_a max_{b≠a} (s_a + s_b) / ‖c_a − c_b‖, s_a = mean_{y_i = a} ‖h_i − c_a‖",
)  # fmt: skip
def davies_bouldin(
    task, features=_OF_LAYER, *, over_pairs: Literal["max", "mean"] = "max", layer: LayerChoice = "first"
) -> Tensor:
    """Spread of the classes against the distance of their centres c_a, at the worst other class.

    Infinite where two classes have the same centre.

    Parameters
    ----------
    over_pairs : {"max", "mean"}
        The worst other class, as published and in scikit-learn; ``mean``, as in the winners' last program,
        averages over the other classes.
    """
    return _davies_bouldin(_clusters(features, task), over_pairs)


@genbench.measure(
    family="representation", direction="+", source=f"{_NATEKAR}, score 22.92",
    formula="davies_bouldin · mean_i 1[argmax f((x_i + x_{i'}) / 2) ≠ y_i]", cost="B", version=2,
)  # fmt: skip
def dbi_x_mixup(
    task, features=_OF_LAYER, error=_MIDPOINT_ERROR,
    *, over_pairs: Literal["max", "mean"] = "max", layer: LayerChoice = "first",
) -> Tensor:  # fmt: skip
    """`davies_bouldin` at the first hidden layer times the error on midpoints, see `label_wise_mixup`.

    It is zero for all networks that take no midpoint for another class.
    """
    index = _davies_bouldin(_clusters(features, task), over_pairs)
    return index * error.to(index.device)


@genbench.measure(
    family="representation", direction="-", source=f"Rousseeuw 1987; {_NATEKAR}",
    formula="mean_i (b_i − a_i) / max(a_i, b_i)",
)  # fmt: skip
def silhouette(task, features=_FEATURES) -> Tensor:
    """Mean silhouette: a_i is the mean distance to the own class, b_i to the nearest other class.

    An example that is alone in its class counts as 0.
    """
    clusters = _clusters(features, task)
    distances = torch.cdist(clusters.features, clusters.features, compute_mode="donot_use_mm_for_euclid_dist")
    sums = distances @ clusters.members  # the distance to itself is zero
    own_size = clusters.members @ clusters.sizes
    own = (sums * clusters.members).sum(1) / (own_size - 1).clamp_min(1)
    nearest = (sums / clusters.sizes).masked_fill(clusters.members.bool(), torch.inf).amin(1)
    larger = torch.maximum(own, nearest)
    scores = torch.where(larger > 0, (nearest - own) / larger, torch.zeros_like(own))
    return torch.where(own_size > 1, scores, torch.zeros_like(scores)).mean()


@genbench.measure(
    family="representation", direction="-", source=f"Caliński & Harabasz 1974; {_NATEKAR}",
    formula="[tr S_B / (k − 1)] / [tr S_W / (s − k)]",
)  # fmt: skip
def calinski_harabasz(task, features=_FEATURES) -> Tensor:
    """Variance between the k classes against the variance within them, as the F statistic of s examples."""
    clusters = _clusters(features, task)
    count, classes = clusters.members.shape
    between, within = _scatter(clusters)
    return (between.sum() / (classes - 1)) / (within.sum() / (count - classes))


@genbench.measure(
    family="representation", direction="-", source="Fisher 1936",
    formula="mean over units of (variance between classes) / (variance within)",
)  # fmt: skip
def fisher_ratio(task, features=_FEATURES) -> Tensor:
    """Ratio of the variances between and within classes, unit by unit: it does not depend on their scales.

    Units that never vary are left out; infinite where one varies between classes only.
    """
    between, within = _scatter(_clusters(features, task))
    # Rounding leaves a constant unit a variance of its square times the precision.
    level = features.features.square().sum(0) * 1e-24
    varying = between + within > level
    if not varying.any():
        raise genbench.NotApplicable("no unit of the layer varies over the training examples")
    return (between[varying] / within[varying]).mean()


@genbench.measure(
    family="representation", direction="+", source="Papyan, Han & Donoho 2020 (neural collapse), NC1",
    formula="tr(Σ_W Σ_B⁺) / k",
)  # fmt: skip
def nc1(task, features=_FEATURES) -> Tensor:
    """Variability within the classes in the directions in which their centres differ; 0 at full collapse.

    Σ_W is the covariance of examples about the centre of their class, Σ_B that of the k centres about their
    mean; singular values of the centres below 1e-6 of the largest count as zero in Σ_B⁺.
    """
    clusters = _clusters(features, task)
    classes = len(clusters.sizes)
    spread = clusters.centres - clusters.centres.mean(0)
    _, sizes, directions = torch.linalg.svd(spread, full_matrices=False)
    if sizes[0] <= features.noise:
        raise genbench.NotApplicable("the classes have the same centre in this layer")
    kept = sizes > 1e-6 * sizes[0]
    residuals = clusters.features - clusters.members @ clusters.centres
    along = (residuals @ directions[kept].T).square().mean(0)
    return (along / (sizes[kept].square() / classes)).sum() / classes


@genbench.measure(
    family="representation", direction="+",
    source="Wei & Ma 2019 (data-dependent sample complexity), Theorem 5.1 (t)",
    formula="mean or max of ‖h_i‖₂", aliases=("activation_norm",),
)  # fmt: skip
def feature_norm(features=_POOLED, *, aggregate: Literal["mean", "max"] = "mean", pool: Count = 1) -> Tensor:
    """Euclidean norm of a hidden layer at training examples."""
    norms = torch.linalg.vector_norm(features.features, dim=1)
    return norms.mean() if aggregate == "mean" else norms.max()


@genbench.measure(
    family="representation", direction="+", source="Jiang et al. 2019 (margin distributions), section 3",
    formula="mean_i ‖h_i − mean h‖²",
)  # fmt: skip
def feature_variance(features=_POOLED, *, pool: Count = 1) -> Tensor:
    """Total variance of a hidden layer over training examples: the square of its scale, without the mean.

    Like the norm it grows with the weights below, and with them, it is said, the gap.
    """
    return (features.features - features.features.mean(0)).square().sum(1).mean()


@genbench.measure(
    family="representation", direction="?", source="Roy & Vetterli 2007 (effective rank)",
    formula="exp(−Σ_i p_i ln p_i), p_i = λ_i / Σ λ",
)  # fmt: skip
def feature_effective_rank(features=_FEATURES) -> Tensor:
    """Effective number of directions in which a hidden layer varies; λ are those of its covariance."""
    features.require_variation()
    centred = features.features - features.features.mean(0)
    if centred.shape[0] > centred.shape[1]:
        centred = centred.T
    if not centred.isfinite().all():
        return centred.new_tensor(torch.nan)
    eigenvalues = torch.linalg.eigvalsh(centred @ centred.T).clamp_min(0)
    shares = eigenvalues / eigenvalues.sum()
    return torch.special.entr(shares).sum().exp()


@dataclass(frozen=True)
class _Clusters:
    """Features (s, d), members (s, k) of zeros and ones, sizes (k,) and centres (k, d) of the classes."""

    features: Tensor
    members: Tensor
    sizes: Tensor
    centres: Tensor


def _clusters(found: Representation, task) -> _Clusters:
    if task.kind != "classification":
        raise genbench.NotApplicable("defined for classification only")
    classes, index = found.targets.unique(return_inverse=True)
    if len(classes) < 2:
        raise genbench.NotApplicable("needs examples of two classes")
    if not found.features.isfinite().all():
        raise genbench.NotApplicable("the outputs of this layer are not finite")
    if len(index) <= len(classes):
        raise genbench.NotApplicable("needs more examples than classes")
    found.require_variation()
    members = torch.nn.functional.one_hot(index, len(classes)).double()
    sizes = members.sum(0)
    centres = members.T @ found.features / sizes.unsqueeze(1)
    return _Clusters(found.features, members, sizes, centres)


def _scatter(clusters: _Clusters) -> tuple[Tensor, Tensor]:
    """Sums of squares between and within the classes, for each unit, shape (d,)."""
    deviations = clusters.centres - clusters.features.mean(0)
    residuals = clusters.features - clusters.members @ clusters.centres
    return clusters.sizes @ deviations.square(), residuals.square().sum(0)


def _davies_bouldin(clusters: _Clusters, over_pairs: str) -> Tensor:
    residuals = torch.linalg.vector_norm(clusters.features - clusters.members @ clusters.centres, dim=1)
    spread = clusters.members.T @ residuals / clusters.sizes
    distances = torch.cdist(clusters.centres, clusters.centres, compute_mode="donot_use_mm_for_euclid_dist")
    sums = spread.unsqueeze(0) + spread.unsqueeze(1)
    if ((sums == 0) & (distances == 0)).fill_diagonal_(False).any():
        raise genbench.NotApplicable("two classes are one and the same point in this layer")
    ratios = (sums / distances).fill_diagonal_(0)
    others = len(clusters.sizes) - 1
    return (ratios.amax(1) if over_pairs == "max" else ratios.sum(1) / others).mean()
