"""The generalization layers of Taborsky & Hansen: added to any network, with a shortcut or with dropout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import nn

import genbench
from genbench.base.constraints import Fraction, NonNegative, Positive, Probability
from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.contract.regularizer import Regularizer, Step, Training
from genbench.models.layers import Activation, activation_layer
from genbench.networks.roles import module_roles
from genbench.networks.surgery import (
    add_role,
    find_module,
    insert_after,
    insert_before,
    passages,
    replace,
    zeros_of,
)
from genbench.regularizers.added_layers import (
    InitialWeights,
    SkippedBlock,
    joining_layer,
    projection,
    shape_fault,
    square_layer,
)

__all__ = ["GeneralizationLayer", "GeneralizationLayerDropout"]

SOURCE = "Taborsky & Hansen (Generalization by design)"


@dataclass(frozen=True, kw_only=True)
class _Inserting(Regularizer):
    """Where a layer goes that is added to a network."""

    after: str = ""
    bias: bool = True
    activation: Activation = "relu"
    initial_weights: InitialWeights = "torch"

    def _place(self, model: nn.Module, task: Task) -> tuple[str, bool, torch.Size]:
        """The module to insert behind, or before where the flag is False; and the shape of what passes."""
        roles = module_roles(model, zeros_of(model, task))
        if not self.after and not roles["encoder"]:
            classifier = roles["classifier"]
            if not classifier:
                self.refuse("the network has neither an encoder nor a classifier; say after which module")
            found, _ = passages(model, task, classifier)
            return classifier[0], False, self._passing(classifier[0], found[classifier[0]].inputs)
        name = self._named(model, self.after or "encoder", "after")
        found, outputs = passages(model, task, [name])
        passing = self._passing(name, found[name].outputs)
        if found[name].outputs is outputs or name in roles["classifier"]:
            self.refuse(f"after '{name}', the last layer, there is nothing to insert a layer before")
        return name, True, passing

    def _named(self, model: nn.Module, word: str, setting: str) -> str:
        try:
            return find_module(model, word, setting)
        except InvalidInput as fault:
            self.refuse(str(fault))

    def _passing(self, name: str, values: torch.Tensor | None) -> torch.Size:
        if values is None:
            self.refuse(f"at '{name}' no single tensor passes, so that no layer fits")
        if fault := shape_fault(values.shape):
            self.refuse(f"at '{name}' {fault}")
        return values.shape

    def _square(self, shape: torch.Size) -> nn.Module:
        return square_layer(
            shape, bias=self.bias, activation=self.activation, initial_weights=self.initial_weights
        )

    def _joining(self, before: torch.Size, behind: torch.Size) -> nn.Module:
        return joining_layer(before, behind, bias=self.bias, initial_weights=self.initial_weights)

    def _insert(self, model: nn.Module, name: str, behind: bool, layer: nn.Module, label: str) -> None:
        insert = insert_after if behind else insert_before
        add_role(model, "generalization_layers", insert(model, name, layer, label))


@genbench.regularizer(source=f"{SOURCE}, sections 3.1 and 4.1.1, figures 3 and 7", aliases=("gl",))
@dataclass(frozen=True, kw_only=True)
class GeneralizationLayer(_Inserting):
    """A square layer W_g put into the network, learning slowly, under a shortcut ν W_s that fades.

    Between x⁽ˡ⁾ and the layer W behind it stand the new units g = φ(W_g x⁽ˡ⁾), as many as x⁽ˡ⁾ has; what
    leaves W is W g + ν W_s x⁽ˡ⁾, W_s being the identity or, where shapes differ, a projection. With `before`
    W is that layer of the network. Otherwise the layer brings its own W (the block linear-ReLU-linear of the
    authors' figure 7): a square one, or one that leads to the shape that a stage had which it `replaces`.
    Feature maps get 3 x 3 convolutions for W_g and W. The spectral norms of these layers are to stay small:
    they learn at a lower rate, and the shortcut keeps gradients flowing while they do.

    Attributes
    ----------
    after : str
        Insert behind this module, by its name, the end of its name, or its role; the encoder where left out,
        or what enters the classifier in a network that names no encoder.
    before : str
        Insert in front of this module, and let the shortcut end behind it. With `after` too, what leaves the
        one must enter the other.
    replaces : str
        Take this module out, such as ``encoder.stage2``, and put the layer in its place.
    blocks : int
        So many of them, one behind the other; 0 leaves the network alone. More than one with `after` only.
    skip, final_skip : float
        ν at the beginning and at the end, never 0; the authors take 1 and 0.1.
    decay_start, decay_end : float
        Shares of the longest possible training between which ν falls linearly. The authors' text has ν reach
        its end with 20 % of training left, their figure 7 with 50 %.
    learning_rate_factor : float
        On the rate of W_g and of the block's own W; the authors take a tenth.
    slow_after : float
        Epochs after which that factor holds: 0 in the authors' section 3.1, 20 in section 4.1.1.
    bias : bool
        Whether the new layers have biases.
    activation : str
        φ.
    initial_weights : {"torch", "he"}
        How W_g and the block's own W are drawn. The authors do not say; ``torch``, the default of what they
        used, makes weights that are small.
    """

    before: str = ""
    replaces: str = ""
    blocks: Annotated[int, Ge(0)] = 1
    skip: Positive = 1.0
    final_skip: Positive = 0.1
    decay_start: Fraction = 0.0
    decay_end: Fraction = 0.8
    learning_rate_factor: NonNegative = 0.1
    slow_after: NonNegative = 0.0

    capturable: ClassVar[bool] = True

    def build(self, model: nn.Module, task: Task) -> nn.Module:
        """Insert the blocks where the settings say, into the network itself."""
        self._check_settings()
        if self.blocks == 0:
            return model
        if self.replaces:
            name = self._named(model, self.replaces, "replaces")
            self._around(model, task, name, keep=False)
        elif self.before:
            name = self._named(model, self.before, "before")
            if self.after:
                self._check_adjacent(model, task, self._named(model, self.after, "after"), name)
            self._around(model, task, name, keep=True)
        else:
            name, behind, shape = self._place(model, task)
            for _ in range(self.blocks):
                block = self._block(shape, shape, self._joining(shape, shape))
                self._insert(model, name, behind, block, "generalization_layer")
        return model

    def parameter_groups(self, model: nn.Module) -> Iterable[Mapping[str, Any]]:
        """A factor on the learning rate of the layers that were added, 1 before epoch `slow_after`."""
        slow = [
            parameter
            for block in self._blocks(model)
            for name in block.added
            for parameter in block.get_submodule(name).parameters()
        ]
        if not slow:
            return []
        factor, start = self.learning_rate_factor, self.slow_after
        changing = (lambda epoch: 1.0 if epoch < start else factor) if start else factor
        return [{"params": slow, "learning_rate_factor": changing}]

    def start(self, training: Training) -> list[SkippedBlock]:
        """The blocks that are in the network by this regularizer."""
        return self._blocks(training.model)

    def host_values(self, state: Any, index: int, progress: float, examples: int) -> Mapping[str, Any]:
        """ν at this step."""
        return {"skip": self.skip_at(progress)}

    def batch(self, step: Step) -> None:
        """Set ν in all blocks to its value at this step; the batch stays as it is."""
        for block in step.state:
            block.skip.copy_(torch.as_tensor(step.values["skip"]))

    def skip_at(self, progress: float) -> float:
        """ν when this share of the longest possible training is done."""
        span = self.decay_end - self.decay_start
        done = min(max((progress - self.decay_start) / span, 0.0), 1.0)
        return self.skip + done * (self.final_skip - self.skip)

    def _check_settings(self) -> None:
        if self.replaces and (self.after or self.before):
            self.refuse("'replaces' says where it goes; it stands without 'after' and 'before'")
        if self.blocks > 1 and (self.before or self.replaces):
            self.refuse(
                f"blocks = {self.blocks}: several blocks need 'after', without 'before' or 'replaces'"
            )
        if self.decay_start >= self.decay_end:
            self.refuse(f"decay_start = {self.decay_start:g} must lie below decay_end = {self.decay_end:g}")

    def _check_adjacent(self, model: nn.Module, task: Task, after: str, before: str) -> None:
        found, _ = passages(model, task, [after, before])
        if found[after].outputs is None or found[after].outputs is not found[before].inputs:
            self.refuse(f"what leaves '{after}' does not enter '{before}', so that nothing is between them")

    def _around(self, model: nn.Module, task: Task, name: str, *, keep: bool) -> None:
        """A block in the place of a module, with that module as its second layer or with a new one."""
        found, _ = passages(model, task, [name])
        before = self._passing(name, found[name].inputs)
        behind = self._passing(name, found[name].outputs)
        if name in module_roles(model, zeros_of(model, task))["classifier"] and not keep:
            self.refuse(f"replaces: '{name}' is the classifier, without which there are no outputs")
        try:
            second = model.get_submodule(name) if keep else self._joining(before, behind)
            block = self._block(before, behind, second, own_second=not keep)
        except ValueError as fault:
            self.refuse(f"at '{name}': {fault}")
        replace(model, name, block, inside="second" if keep else "")
        add_role(model, "generalization_layers", name)

    def _block(
        self, before: torch.Size, behind: torch.Size, second: nn.Module, own_second: bool = True
    ) -> SkippedBlock:
        first = self._square(before)
        activation = activation_layer(self.activation)
        block = SkippedBlock(first, activation, second, projection(before, behind), self.skip)
        block.owner = self
        block.added = ("first", "second") if own_second else ("first",)
        return block

    def _blocks(self, model: nn.Module) -> list[SkippedBlock]:
        return [each for each in model.modules() if isinstance(each, SkippedBlock) and each.owner == self]


@genbench.regularizer(source=f"{SOURCE}, section 3.2, figure 5, table 1", aliases=("gld",))
@dataclass(frozen=True, kw_only=True)
class GeneralizationLayerDropout(_Inserting):
    """Square layers put into the network, with dropout on their units and on no others.

    Each layer is φ(W_g x) with as many units as x has, of which each is dropped with probability `rate`
    while training. Behind the encoder of ResNet-20 two of them make 22 layers and 343,450 parameters, in
    ResNet-56 58 layers and 926,746, as in the authors' table 1.

    Attributes
    ----------
    after : str
        Insert behind this module, by its name, the end of its name, or its role; the encoder where left out,
        as in the authors' table, or what enters the classifier in a network that names no encoder.
    layers : int
        How many; 0 leaves the network alone. The authors' table adds two.
    rate : float
        Probability that a unit is dropped; the authors take 0.5, 0.6 and 0.75.
    drop : {"units", "channels"}
        What is dropped of feature maps: single units, as the authors write, or whole channels.
    bias : bool
        Whether the new layers have biases; in the authors' parameter counts they have none.
    activation : str
        φ.
    initial_weights : {"torch", "he"}
        How they are drawn; ``he`` as in the recipe for CIFAR that the authors' table builds on.
    """

    initial_weights: InitialWeights = "he"
    bias: bool = False
    layers: Annotated[int, Ge(0)] = 2
    rate: Probability = 0.5
    drop: Literal["units", "channels"] = "units"

    capturable: ClassVar[bool] = True

    def build(self, model: nn.Module, task: Task) -> nn.Module:
        """Insert the layers, each with activation and dropout, as one sequence into the network itself."""
        if self.layers == 0:
            return model
        name, behind, shape = self._place(model, task)
        channels = self.drop == "channels"
        if channels and len(shape) != 4:
            self.refuse(f"drop = channels: tensors of shape {tuple(shape[1:])} have none at '{name}'")
        members: list[nn.Module] = []
        for _ in range(self.layers):
            members.append(self._square(shape))
            members.append(activation_layer(self.activation))
            members.append(nn.Dropout2d(self.rate) if channels else nn.Dropout(self.rate))
        self._insert(model, name, behind, nn.Sequential(*members), "generalization_layers")
        return model
