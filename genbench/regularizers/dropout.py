"""Dropout, in networks that have places for it and in those that have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

import genbench
from genbench.base.constraints import Probability
from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.contract.regularizer import Regularizer
from genbench.networks.surgery import with_dropout


@genbench.regularizer(source="Srivastava et al. 2014, section 4")
@dataclass(frozen=True, kw_only=True)
class Dropout(Regularizer):
    """Set each activation to zero with probability `rate` while training, and scale the others up.

    A network that has dropout modules gets this rate in all of them, zero included; those of layers that
    another regularizer added keep their own. Any other network gets
    dropout after each of its activation modules: the activation ``name`` becomes a sequence of itself,
    ``name.0``, and the dropout, ``name.1``. Activations have no parameters, so the names in the state dict
    stay; those that have (PReLU) are left alone.

    Attributes
    ----------
    rate : float
        From 0 to 1, 1 excluded.
    """

    rate: Probability = 0.5

    capturable: ClassVar[bool] = True

    def build(self, model: nn.Module, task: Task) -> nn.Module:
        """Set the rate of the network's dropout modules, or put dropout behind its activations."""
        try:
            return with_dropout(model, self.rate)
        except InvalidInput as fault:
            raise InvalidInput(f"regularizer 'dropout': {fault}") from None
