"""What the network says on examples that were held out of its training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.gradient_products import outputs_of
from genbench.networks.passes import evenly_spaced
from genbench.probes.gradients import GradientGram, gram_of
from genbench.probes.stiffness import PairBlock

__all__ = ["HeldOutGram", "HeldOutPairs", "held_out_gram", "require_held_out", "validation_logits"]

HeldOutPairs = Literal["train-val", "val-val"]
"""One example trained on and one held out; or two held out."""


@dataclass(frozen=True)
class HeldOutGram:
    """Gradients of training examples and, behind them, of examples that were held out.

    Attributes
    ----------
    gram : GradientGram
    trained : int
        How many of the examples are training examples.
    """

    gram: GradientGram
    trained: int

    def block(self, pairs: HeldOutPairs) -> PairBlock:
        """Their pairs, training examples in the rows of ``train-val``.

        Raises
        ------
        NotApplicable
            There is no pair, or all gradients of either side vanish.
        """
        new = slice(self.trained, None)
        old = slice(None, self.trained) if pairs == "train-val" else new
        if not (self.gram.norms[old].any() and self.gram.norms[new].any()):
            raise genbench.NotApplicable("all gradients vanish")
        same = pairs == "val-val"
        if same and len(self.gram.norms[new]) < 2:
            raise genbench.NotApplicable("needs two examples that were held out")
        targets = self.gram.targets
        return PairBlock(self.gram.cosines[old, new], targets[old], targets[new], same)


@genbench.probe(cost="B")
def validation_logits(model, validation, device) -> Tensor:
    """Outputs of the network on the examples held out, shape (n, outputs), double precision."""
    require_held_out(validation)
    return outputs_of(model, validation.inputs, device)


@genbench.probe(cost="D")
def held_out_gram(model, inputs, targets, validation, task, device, *, examples: Count = 500) -> HeldOutGram:
    """Inner products of the gradients of training examples and of examples held out, all with all.

    Parameters
    ----------
    examples : int
        At most this many of either, evenly spaced over their splits.

    Raises
    ------
    NotApplicable
        No example was held out; or some gradients are not finite.
    """
    require_held_out(validation)
    splits = ((inputs, targets), (validation.inputs, validation.targets))
    parts = [[evenly_spaced(each, examples).to(device) for each in split] for split in splits]
    picked, wanted = (torch.cat(column) for column in zip(*parts, strict=True))
    return HeldOutGram(gram_of(model, picked, wanted, task, device), len(parts[0][0]))


def require_held_out(validation) -> None:
    """Raise NotApplicable for a validation split without examples."""
    if len(validation.targets) == 0:
        raise genbench.NotApplicable("the validation split has no examples")
