"""Stiffness of pairs of examples: how their gradients agree, by class and by the distance of the inputs.

Everything here is read off inner products of gradients that are there already; nothing is differentiated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Count
from genbench.networks.passes import evenly_spaced
from genbench.probes.gradients import GradientGram

__all__ = [
    "Agreement",
    "ClassStiffness",
    "PairBlock",
    "StiffnessProfile",
    "all_pairs",
    "class_matrix",
    "class_stiffness",
    "stiffness_profile",
]

Agreement = Literal["cosine", "sign"]
"""Of two gradients the cosine of their angle, or the sign of their inner product; 0 if one vanishes."""

_GRAM = genbench.need("gradient_gram", shared="examples")
_OWN_GRAM = genbench.need("gradient_gram", examples=genbench.setting("examples"))


@dataclass(frozen=True)
class PairBlock:
    """Pairs of examples, one of the rows and one of the columns.

    Attributes
    ----------
    cosines : Tensor, shape (rows, columns)
        Of the gradients, double; 0 where one of the two vanishes.
    rows, columns : Tensor
        Targets of the examples.
    same : bool
        Rows and columns are the same examples; one is no pair with itself.
    """

    cosines: Tensor
    rows: Tensor
    columns: Tensor
    same: bool

    def stiffness(self, agreement: Agreement) -> Tensor:
        """S(g_i, g_j) of each pair, shape (rows, columns)."""
        return self.cosines if agreement == "cosine" else self.cosines.sign()

    def mean(self, agreement: Agreement) -> Tensor:
        """Mean over all pairs."""
        values = self.stiffness(agreement)
        if not self.same:
            return values.mean()
        n = len(values)
        return (values.sum() - values.diagonal().sum()) / (n * (n - 1))


@dataclass(frozen=True)
class ClassStiffness:
    """Mean stiffness C_ab of an example of class a and one of class b.

    Attributes
    ----------
    matrix : Tensor, shape (classes, classes)
        Double; NaN where there is no pair.
    pairs : Tensor, shape (classes, classes)
        Number of ordered pairs.
    """

    matrix: Tensor
    pairs: Tensor

    def within(self) -> Tensor:
        """Mean of C_aa over the classes that have a pair.

        Raises
        ------
        NotApplicable
            None has one.
        """
        found = self.pairs.diagonal() > 0
        if not found.any():
            raise genbench.NotApplicable("no class has two examples among those taken")
        return self.matrix.diagonal()[found].mean()

    def between(self) -> Tensor:
        """Mean of C_ab over the ordered pairs of different classes that have examples.

        Raises
        ------
        NotApplicable
            There is no such pair.
        """
        found = self.pairs > 0
        found.fill_diagonal_(False)
        if not found.any():
            raise genbench.NotApplicable("the examples taken are of one class")
        return self.matrix[found].mean()


@dataclass(frozen=True)
class StiffnessProfile:
    """Mean stiffness of the pairs whose inputs are about as far apart; empty bins are left out.

    Attributes
    ----------
    distances : Tensor, shape (bins,)
        Mean distance 1 − cos(x_i, x_j) in each bin, ascending, double.
    stiffness : Tensor, shape (bins,)
    pairs : Tensor, shape (bins,)
        Number of pairs i < j.
    """

    distances: Tensor
    stiffness: Tensor
    pairs: Tensor


def all_pairs(gram: GradientGram) -> PairBlock:
    """The pairs of the examples of a Gram matrix.

    Raises
    ------
    NotApplicable
        There is one example only, or all gradients vanish.
    """
    if len(gram.norms) < 2:
        raise genbench.NotApplicable("needs two examples")
    if not gram.norms.any():
        raise genbench.NotApplicable("all gradients vanish")
    return PairBlock(gram.cosines, gram.targets, gram.targets, same=True)


def class_matrix(task, block: PairBlock, agreement: Agreement) -> ClassStiffness:
    """The pairs of a block, averaged class by class.

    Raises
    ------
    NotApplicable
        The task is regression.
    """
    if task.kind != "classification":
        raise genbench.NotApplicable("defined for classification only")
    values = block.stiffness(agreement)
    rows, columns = (
        F.one_hot(each.to(values.device), task.outputs).double() for each in (block.rows, block.columns)
    )
    counts = torch.outer(rows.sum(0), columns.sum(0))
    if block.same:
        counts = counts - torch.diag(rows.sum(0))
        values = values - torch.diag(values.diagonal())
    return ClassStiffness(rows.T @ values @ columns / counts, counts)


@genbench.probe
def class_stiffness(task, gram=_GRAM, *, agreement: Agreement = "cosine") -> ClassStiffness:
    """Class stiffness matrix of the training examples; Walker 2023, definition 3.4.

    Parameters
    ----------
    agreement : {"cosine", "sign"}
        Of two gradients the cosine of their angle, or the sign of their inner product.
    """
    return class_matrix(task, all_pairs(gram), agreement)


@genbench.probe
def stiffness_profile(
    inputs, task, gram=_OWN_GRAM,
    *, agreement: Agreement = "cosine", pairs: Literal["all", "within"] = "all", bins: Count = 10,
    examples: Count = 500,
) -> StiffnessProfile:  # fmt: skip
    """Stiffness against the distance 1 − cos(x_i, x_j) of the inputs, in bins of equal width.

    The bins divide the range of distances that occur. Inputs are taken as the network reads them, normalized
    and flattened; one that is 0 has no direction, and its pairs are left out.

    Parameters
    ----------
    agreement : {"cosine", "sign"}
        Of two gradients the cosine of their angle, or the sign of their inner product.
    pairs : {"all", "within"}
        All pairs, or those of one class only.
    bins : int
        Of equal width between the smallest and the largest distance; those without a pair are left out.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        There is no pair; the inputs are no real vectors; ``within`` in regression.
    """
    block = all_pairs(gram)
    if not inputs.is_floating_point():
        raise genbench.NotApplicable("the inputs are whole numbers, which have no angles")
    chosen = evenly_spaced(inputs, examples)
    rows = chosen.flatten(1).to(block.cosines.device, torch.float64)
    lengths = torch.linalg.vector_norm(rows, dim=1)
    wanted = torch.outer(lengths > 0, lengths > 0).triu(1)
    if pairs == "within":
        if task.kind != "classification":
            raise genbench.NotApplicable("pairs of one class are defined for classification only")
        wanted &= (block.rows.unsqueeze(1) == block.columns).to(wanted.device)
    if not wanted.any():
        raise genbench.NotApplicable("no pair of examples is left to take a distance of")
    directions = F.normalize(rows, dim=1)
    distances = (1 - directions @ directions.T)[wanted].clamp(0, 2)
    return _in_bins(distances, block.stiffness(agreement)[wanted], bins)


def _in_bins(distances: Tensor, values: Tensor, bins: int) -> StiffnessProfile:
    low, high = distances.min(), distances.max()
    width = torch.where(high > low, high - low, 1.0) / bins
    place = ((distances - low) / width).long().clamp_max(bins - 1)
    counts = torch.bincount(place, minlength=bins)
    found = counts > 0
    inside, agreeing = (
        torch.bincount(place, each, minlength=bins)[found] / counts[found] for each in (distances, values)
    )
    return StiffnessProfile(inside, agreeing, counts[found])
