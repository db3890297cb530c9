"""Dropout, in networks that have places for it and in those that have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import genbench
from genbench.base.constraints import Probability
from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.contract.regularizer import Regularizer
from genbench.networks.roles import module_roles

if TYPE_CHECKING:
    from torch import nn


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

    def build(self, model: nn.Module, task: Task) -> nn.Module:
        from torch import nn

        added = {
            module
            for name in module_roles(model)["generalization_layers"]
            for module in model.get_submodule(name).modules()
        }
        modules = [each for each in model.modules() if each not in added]
        own = [each for each in modules if isinstance(each, nn.modules.dropout._DropoutNd)]
        for module in own:
            module.p = self.rate
        if own or self.rate == 0:
            return model
        places = [place for place in _activations(model) if place[0] not in added]
        if not places:
            raise InvalidInput(
                "regularizer 'dropout': the network has neither dropout nor activation modules, so there is "
                "no place for it"
            )
        # One module called in several places stays one module.
        sequences = {
            activation: nn.Sequential(activation, nn.Dropout(self.rate)) for _, _, activation in places
        }
        for parent, name, activation in places:
            setattr(parent, name, sequences[activation])
        return model


def _activations(model: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Parent, name and module of each activation without parameters."""
    from torch import nn

    return [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent._modules.items()
        if child is not None
        and type(child).__module__ == nn.ReLU.__module__
        and not isinstance(child, nn.MultiheadAttention | nn.Softmax | nn.LogSoftmax | nn.Softmax2d)
        and not list(child.parameters())
    ]
