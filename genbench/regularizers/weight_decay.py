"""Weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import genbench
from genbench.constraints import NonNegative
from genbench.training.regularizer import Regularizer

if TYPE_CHECKING:
    from torch import nn


@genbench.regularizer(source="Krogh and Hertz 1991, eq. 2")
@dataclass(frozen=True, kw_only=True)
class WeightDecay(Regularizer):
    """Pull all parameters towards zero: strength · w is added to the gradient of each.

    It takes the place of the protocol's own `weight_decay`, so that strength zero means none at all. The
    optimizer applies it; ``adamw`` shrinks the weights directly instead of adding to the gradient. Biases and
    the parameters of normalizations decay too, as in the recipes for CIFAR.

    Attributes
    ----------
    strength : float
        The factor λ of the penalty λ/2 · ‖w‖².
    """

    strength: NonNegative = 5e-4

    def parameter_groups(self, model: nn.Module) -> Iterable[Mapping[str, Any]]:
        return [{"params": list(model.parameters()), "weight_decay": self.strength}]
