"""What a regularizer is, what its methods get, and which regularizers may stand together.

Importing this module imports no torch: plugins are listed and suites are planned without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from genbench.base.data import Split, Task
from genbench.base.errors import InvalidInput
from genbench.contract.components import declaration
from genbench.contract.protocol import Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "Epoch",
    "Planned",
    "Regularizer",
    "Step",
    "Training",
    "check_composition",
    "check_planned",
    "overrides",
    "regularizer_name",
]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What `Regularizer.check` gets: a training that is planned, or about to begin.

    Attributes
    ----------
    model : Module
        The network, built by all regularizers; when planning it may have shapes only, and no values (it is
        then on torch's meta device).
    task : Task
    protocol : Protocol
    examples : int or None
        Size of the training set; None where planning does not know it.
    validation : int
        Examples held out of the training split.
    """

    model: nn.Module
    task: Task
    protocol: Protocol
    examples: int | None
    validation: int = 0


@dataclass(frozen=True, kw_only=True)
class Training:
    """What `Regularizer.start` gets: the training that is about to begin.

    Attributes
    ----------
    model : Module
        The network, built by all regularizers, on its device.
    task : Task
    inputs : Tensor, shape (n, *task.input_shape)
    targets : Tensor, shape (n,) or (n, outputs)
        The training set as trained on, on the device, not augmented.
    protocol : Protocol
    device : torch.device
    steps_per_epoch : int
    generator : torch.Generator
        The regularizer's own, on the device; the same one as `Step.generator`.
    validation : Split or None
        Held out of the training split and never trained on, preprocessed like the inputs.
    """

    model: nn.Module
    task: Task
    inputs: Tensor
    targets: Tensor
    protocol: Protocol
    device: torch.device
    steps_per_epoch: int
    generator: torch.Generator
    validation: Split | None = None


@dataclass(kw_only=True, slots=True)
class Step:
    """What the methods of a regularizer get at each step; each regularizer has its own.

    The training loop writes the attributes anew at every step.

    Attributes
    ----------
    model : Module
        The network. A regularizer may run it as often as it likes: batch normalization updates its running
        statistics in the loop's own first pass of the step only.
    inputs : Tensor, shape (b, *input_shape)
    targets : Tensor, shape (b,) or (b, outputs)
        The batch as it is trained on, after all `batch` methods.
    epoch : int
        Whole epochs trained before this step.
    index : int
        Updates made before this step.
    progress : float
        Share of the longest possible training that lies before this step, from 0 to 1.
    state
        What `start` returned.
    generator : torch.Generator
        The regularizer's own random stream, on the training device.
    hidden : dict from module name to Tensor
        Outputs of the captured modules in the last forward pass, still in the graph; in bfloat16 where the
        forward pass is.
    outputs : Tensor, shape (b, outputs), or None
        What the last forward pass of the loop yielded, in the graph, for regularizers with `reads_outputs`.
    criterion : callable (outputs, targets) -> scalar Tensor
        The mean loss of a batch with the wrappers of all regularizers around it, penalties left out.
    example_losses : Tensor, shape (b,), or None
        The loss of each example, after `per_example_gradients` was called.
    values : mapping from name to float or Tensor
        What `Regularizer.host_values` made for this step: as it made it on the CPU, tensors of float64 on
        another device.
    """

    model: nn.Module
    inputs: Tensor
    targets: Tensor
    criterion: Callable[[Tensor, Tensor], Tensor]
    epoch: int = 0
    index: int = 0
    progress: float = 0.0
    state: Any = None
    generator: torch.Generator | None = None
    hidden: dict[str, Tensor] = field(default_factory=dict)
    outputs: Tensor | None = None
    example_losses: Tensor | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def per_example_gradients(
        self, chunk: int | None = None, names: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Gradients of the loss of each example of the batch, in float32 whatever the protocol's precision.

        Parameters
        ----------
        chunk : int, optional
            How many examples are differentiated at once; all where left out.
        names : sequence of str, optional
            The parameters to differentiate by; all that are trained where left out.

        Returns
        -------
        dict from parameter name to Tensor, shape (b, *parameter.shape)
            Their mean over the examples is the gradient of `criterion` on the batch. The losses
            themselves are left in `example_losses`.

        Raises
        ------
        InvalidInput
            The network has batch normalization in training mode: its loss is no sum over examples.
        """
        from genbench.networks.per_example import per_example_gradients

        gradients, self.example_losses = per_example_gradients(
            self.model, self.inputs, self.targets, self.criterion, chunk=chunk, names=names
        )
        for each in self.hidden.copy():
            del self.hidden[each]  # what was captured belongs to single examples, and their graph is gone
        return gradients


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """What `Regularizer.after_epoch` gets.

    Attributes
    ----------
    model : Module
        In evaluation mode.
    number : int
        Whole epochs trained, from 1.
    steps : int
        Updates made.
    progress : float
        Share of the longest possible training that is done, from 0 to 1.
    history : mapping from column to sequence
        What was recorded so far, this epoch included; see `Outcome.history`.
    state
        What `start` returned.
    generator : torch.Generator
    """

    model: nn.Module
    number: int
    steps: int
    progress: float
    history: Mapping[str, Sequence[float | None]]
    state: Any
    generator: torch.Generator


@dataclass(frozen=True, kw_only=True)
class Regularizer:
    """Base of all components that intervene in training.

    A regularizer is a frozen dataclass derived from this one; its fields are hyperparameters. Every method
    has a neutral default, and a method that is not overridden costs nothing. What changes during training
    belongs into the state that `start` returns, not into the object.

    Several regularizers compose in the order in which the suite names them: `build` and `batch` run in
    that order, `loss` and `gradient` wrap like middleware with the first one outermost.

    Attributes
    ----------
    captures : tuple of str
        Names of modules, or roles of modules such as ``block_outputs`` and ``normalizations``, whose outputs
        appear in `Step.hidden`. A property where it depends on a field. With captures, the training pass is
        not compiled.
    reads_outputs : bool
        `penalty` or `loss` differentiates `Step.outputs`. The training pass is then not compiled.
    replaces_gradient : bool
        `gradient` makes the gradient itself and does not build on what ``inner()`` leaves. One such
        regularizer at most, and nothing that wraps gradients below it. Gradients of penalties are added
        to what it makes.
    step_cost : float
        What the arithmetic of a step costs with it, in steps without it; for predicting times only. A
        property where it depends on a field.
    capturable : bool, str or None
        Whether a step with it can be captured once and replayed, as a CUDA graph does: it looks at no value
        of a tensor, reads of `Step.epoch`, `index` and `progress` nothing but through `host_values`, and
        changes its state in place. A text says why not. None: found out by a trial on the CPU. A property
        where it depends on a field.
    """

    captures: ClassVar[tuple[str, ...]] = ()
    replaces_gradient: ClassVar[bool] = False
    reads_outputs: ClassVar[bool] = False
    step_cost: ClassVar[float] = 1.0
    capturable: ClassVar[bool | str | None] = None

    def check(self, planned: Planned) -> None:
        """Raise `InvalidInput` where it cannot be used so; called when planning, and before training."""

    def gradient_memory(self, parameters: int, batch: int) -> float:
        """Bytes that a step of `batch` examples holds for more gradients; for predicting memory only."""
        return 0.0

    def build(self, model: nn.Module, task: Task) -> nn.Module:
        """Change the architecture, before the initial weights are scaled; returns the network to train."""
        return model

    def parameter_groups(self, model: nn.Module) -> Iterable[Mapping[str, Any]]:
        """Settings of the optimizer for some parameters.

        Returns
        -------
        iterable of mappings
            ``params`` (iterable of Parameter) with ``learning_rate_factor`` (number, or function of the
            epochs trained so far, fractions included), ``weight_decay`` (replaces the protocol's), or both.
            Where two settings meet in a parameter, the later one counts.
        """
        return ()

    def start(self, training: Training) -> Any:
        """Make the mutable state of this fit, given to the other methods as ``step.state``."""
        return None

    def host_values(self, state: Any, index: int, progress: float, examples: int) -> Mapping[str, Any]:
        """Numbers of one step that are known before it: of a schedule, or drawn by a generator of `state`.

        They come back as `Step.values`. Steps are asked for in their order, on the CPU one by one, elsewhere
        all of an epoch before it begins; hence nothing else may draw from that generator.

        Parameters
        ----------
        state
            What `start` returned.
        index, progress
            As in `Step`.
        examples : int
            Size of the batch.

        Returns
        -------
        mapping from name to float or NumPy array
            The same names at every step, and the same shapes for the same number of examples.
        """
        return {}

    def batch(self, step: Step) -> tuple[Tensor, Tensor] | None:
        """Other inputs and targets for this step, or None. Targets may be class probabilities."""
        return None

    def loss(
        self, step: Step, outputs: Tensor, targets: Tensor, inner: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Mean loss of the batch; ``inner(outputs, targets)`` is the loss below, in the end cross-entropy
        (class indices or probabilities) or mean squared error."""
        return inner(outputs, targets)

    def penalty(self, step: Step) -> Tensor | None:
        """A scalar added to the loss, or None. Runs after the forward pass: `Step.hidden` is filled."""
        return None

    def gradient(self, step: Step, inner: Callable[[], Tensor]) -> Tensor:
        """Leave the gradient of this step in ``.grad`` and return the loss, detached.

        ``inner()`` clears the gradients, runs the forward and the backward pass at the present weights, and
        returns the loss. It may be called several times, or never.
        """
        return inner()

    def after_update(self, step: Step) -> None:
        """Act after the optimizer's update: noise on the weights, a projection, a schedule."""

    def after_epoch(self, epoch: Epoch) -> str | None:
        """Act after each epoch; a returned text is a reason to stop."""
        return None

    def finish(self, epoch: Epoch) -> None:
        """Act when training has ended, for whatever reason, as in putting earlier weights in place."""

    def refuse(self, why: str) -> NoReturn:
        """Raise `InvalidInput` with a line that begins with the regularizer's name."""
        raise InvalidInput(f"regularizer '{regularizer_name(self)}': {why}")


def overrides(regularizer: Regularizer, method: str) -> bool:
    """Whether a regularizer has its own version of a method."""
    return getattr(type(regularizer), method) is not getattr(Regularizer, method)


def regularizer_name(regularizer: Regularizer) -> str:
    """The name that a suite calls it by; the class's name where it was not declared as a component."""
    declared = declaration(type(regularizer))
    return declared.name if declared else type(regularizer).__name__


def check_composition(regularizers: Sequence[Regularizer]) -> list[str]:
    """Say why these regularizers cannot be used together, in this order.

    Returns
    -------
    list of str
        One line for each problem; empty when there is none.
    """
    problems = []
    replacing = [place for place, each in enumerate(regularizers) if each.replaces_gradient]
    for first, second in itertools.pairwise(replacing):
        problems.append(
            f"regularizers '{regularizer_name(regularizers[first])}' and "
            f"'{regularizer_name(regularizers[second])}' both replace the gradient; only one can"
        )
    for place in replacing:
        outer = regularizer_name(regularizers[place])
        for below in regularizers[place + 1 :]:
            if overrides(below, "gradient") and not below.replaces_gradient:
                inner = regularizer_name(below)
                problems.append(
                    f"regularizer '{outer}' replaces the gradient and would swallow what '{inner}' below it "
                    f"does to it; put '{inner}' before '{outer}'"
                )
    return problems


def check_planned(regularizers: Sequence[Regularizer], planned: Planned) -> None:
    """Let each regularizer look at what it is to be used on.

    Raises
    ------
    InvalidInput
        With the problems of all of them.
    """
    problems: dict[str, None] = {}
    for each in regularizers:
        try:
            each.check(planned)
        except InvalidInput as fault:
            problems.update(dict.fromkeys(fault.problems))
    if problems:
        raise InvalidInput(problems)
