"""Weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

import genbench
from genbench.base.constraints import NonNegative
from genbench.base.errors import InvalidInput
from genbench.contract.regularizer import Planned, Regularizer
from genbench.networks.roles import ROLES, module_roles
from genbench.networks.surgery import find_module


@genbench.regularizer(source="Krogh and Hertz 1991, eq. 2")
@dataclass(frozen=True, kw_only=True)
class WeightDecay(Regularizer):
    """Pull parameters towards zero: strength · w is added to the gradient of each.

    It takes the place of the protocol's own `weight_decay`, so that strength zero means none at all. The
    optimizer applies it; ``adamw`` shrinks the weights directly instead of adding to the gradient. Biases and
    the parameters of normalizations decay too, as in the recipes for CIFAR.

    With `on` it is selective: ``on = "generalization_layers"`` means what `generalization-layer` or
    `generalization-layer-dropout` added (Taborsky & Hansen, Generalization by design, section 5).

    Attributes
    ----------
    strength : float
        The factor λ of the penalty λ/2 · ‖w‖².
    on : str
        A module, by its name or the end of its name, or a role of modules; all parameters where left out. The
        others keep the protocol's `weight_decay`.
    """

    strength: NonNegative = 5e-4
    on: str = ""

    capturable: ClassVar[bool] = True

    def check(self, planned: Planned) -> None:
        """Refuse an `on` that means nothing in this network."""
        self._modules(planned.model)

    def parameter_groups(self, model: nn.Module) -> Iterable[Mapping[str, Any]]:
        """The strength as the optimizer's weight decay, of all parameters or of those that `on` means."""
        parameters = [each for module in self._modules(model) for each in module.parameters()]
        return [{"params": parameters, "weight_decay": self.strength}]

    def _modules(self, model: nn.Module) -> list[nn.Module]:
        if not self.on:
            return [model]
        roles = module_roles(model)
        names = roles.get(self.on, [])
        if self.on in ROLES and not names:
            self.refuse(f"on: the network has no {self.on.replace('_', ' ')}")
        try:
            return [model.get_submodule(name) for name in names or [find_module(model, self.on, "on")]]
        except InvalidInput as fault:
            self.refuse(str(fault))
