"""Normalizations, put into a network that comes without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import nn

import genbench
from genbench.base.data import Task
from genbench.contract.regularizer import Regularizer
from genbench.models.layers import NoNormalization, Normalization, normalization_layer
from genbench.networks.roles import in_order_of_calls, module_roles
from genbench.networks.surgery import insert_after, passages, replace, zeros_of
from genbench.networks.watching import called

__all__ = ["BatchNorm", "GroupNorm", "LayerNorm"]


@dataclass(frozen=True, kw_only=True)
class _Normalizing(Regularizer):
    """A normalization where the network has a place for one, else behind each layer but the classifier."""

    layers: Annotated[int, Ge(0)] | None = None

    kind: ClassVar[Normalization]
    capturable: ClassVar[bool] = True

    def build(self, model: nn.Module, task: Task) -> nn.Module:
        if self.layers == 0:
            return model
        roles = module_roles(model, zeros_of(model, task))
        if roles["normalizations"]:
            self.refuse(
                f"the network has normalizations already ('{roles['normalizations'][0]}'); "
                "it is for one that comes without"
            )
        places = [name for name, each in model.named_modules() if isinstance(each, NoNormalization)]
        slots = bool(places)
        calls = called(model, zeros_of(model, task))
        if not slots:
            weighted = [
                name for name, each in model.named_modules() if isinstance(each, nn.Linear | nn.Conv2d)
            ]
            places = [name for name in weighted if name not in roles["classifier"]]
        if not places:
            self.refuse("the network has no layer before its classifier to put a normalization behind")
        places = in_order_of_calls(places, calls)[: self.layers]
        found, _ = passages(model, task, places)
        for name in places:
            outputs = found[name].outputs
            if outputs is None or outputs.dim() not in (2, 4):
                self.refuse(f"at '{name}' neither vectors nor feature maps pass")
            layer = normalization_layer(self.kind, outputs.shape[1], spatial=outputs.dim() == 4)
            if slots:
                replace(model, name, layer)
            else:
                insert_after(model, name, layer, "normalization")
        return model


@genbench.regularizer(
    name="batch-norm", source="Ioffe & Szegedy 2015, algorithm 1; Wei & Ma 2019, section 6 and table 1"
)
@dataclass(frozen=True, kw_only=True)
class BatchNorm(_Normalizing):
    """Batch normalization in a network that comes without, as an intervention.

    It goes where the network keeps a place for one (the built-in models with ``normalization = "none"``), so
    that the layers keep their names, or else behind each linear layer and convolution but the classifier.
    Their biases stay, though a normalization behind them makes them idle.

    Attributes
    ----------
    layers : int or None
        Only the first so many, counted from the inputs; 0 leaves the network alone.
    """

    kind: ClassVar[Normalization] = "batch"


@genbench.regularizer(name="layer-norm", source="Ba et al. 2016, eq. 3; Wei & Ma 2019, section 6 and table 1")
@dataclass(frozen=True, kw_only=True)
class LayerNorm(_Normalizing):
    """Layer normalization in a network that comes without: over channels and positions of one example.

    It goes where `batch-norm` would.

    Attributes
    ----------
    layers : int or None
        Only the first so many, counted from the inputs; 0 leaves the network alone.
    """

    kind: ClassVar[Normalization] = "layer"


@genbench.regularizer(name="group-norm", source="Wu & He 2018, eq. 7")
@dataclass(frozen=True, kw_only=True)
class GroupNorm(_Normalizing):
    """Group normalization in a network that comes without: over positions and groups of 16 channels.

    It goes where `batch-norm` would. Where 16 does not divide the channels, groups are fewer and larger.

    Attributes
    ----------
    layers : int or None
        Only the first so many, counted from the inputs; 0 leaves the network alone.
    """

    kind: ClassVar[Normalization] = "group"
