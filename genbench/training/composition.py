"""The regularizers of one training, composed once, so that a method that nobody overrides costs nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from genbench.base.canonical import stream_seed
from genbench.base.errors import InvalidInput
from genbench.contract.regularizer import (
    Epoch,
    Planned,
    Regularizer,
    Step,
    Training,
    check_composition,
    check_planned,
    overrides,
    regularizer_name,
)
from genbench.networks.ambient import twice_differentiable
from genbench.networks.kinds import BatchNorm
from genbench.training.captures import captured_modules, capturing
from genbench.training.evaluation import task_loss
from genbench.training.plain_steps import plain_backward

__all__ = ["Composition"]

# Methods that can see or run the network within a step.
STEP_METHODS = ("batch", "loss", "penalty", "gradient")


class Composition:
    """Runs the methods of the regularizers around the passes of one training.

    A context manager: on leaving it, hooks are gone and batch normalization is as it was.

    Parameters
    ----------
    regularizers : sequence of Regularizer
        In the suite's order.
    seed : int
        Of the stream ``regularizer``; each regularizer's generator is seeded from it by name and place.
    training : Training
        Given to `start`, with each regularizer's own generator.
    compiled : Module or None
        The compiled network, for the training pass.

    Raises
    ------
    InvalidInput
        The regularizers cannot be used together, or capture what the network does not have.
    """

    def __init__(
        self,
        regularizers: Sequence[Regularizer],
        seed: int,
        training: Training,
        compiled: Callable[[Tensor], Tensor] | None = None,
    ):
        if problems := check_composition(regularizers):
            raise InvalidInput(problems)
        model = training.model
        captured = captured_modules(model, regularizers, training.task)
        held_out = 0 if training.validation is None else len(training.validation.targets)
        planned = Planned(
            model=model, task=training.task, protocol=training.protocol,
            examples=len(training.targets), validation=held_out,
        )  # fmt: skip
        check_planned(regularizers, planned)
        self._regularizers = tuple(regularizers)
        self._model = model
        self._parameters = [each for each in model.parameters() if each.requires_grad]
        # Hooks do their work outside a compiled graph, and its outputs cannot be differentiated twice.
        inspected = any(captured) or any(each.reads_outputs for each in regularizers)
        self._network = model if compiled is None or inspected else compiled
        self._autocast = training.protocol.precision == "bfloat16"
        self._device_type = training.device.type
        shape = training.task.input_shape
        self._inputs, self._targets = torch.empty(0, *shape, device=training.device), training.targets[:0]

        criterion: Callable[[Tensor, Tensor], Tensor] = partial(task_loss, training.task)
        self._steps = tuple(
            Step(model=model, inputs=self._inputs, targets=self._targets, criterion=criterion)
            for _ in self._regularizers
        )
        for place, (regularizer, step) in enumerate(zip(self._regularizers, self._steps, strict=True)):
            own_seed = stream_seed("regularizer", seed, regularizer_name(regularizer), place)
            step.generator = torch.Generator(training.device).manual_seed(own_seed)
            step.state = regularizer.start(dataclasses.replace(training, generator=step.generator))

        self._host_values = self._methods("host_values")
        self._with_host_values = [step for _, step in self._host_values]
        self._batch_changes = self._methods("batch")
        self._penalties = self._methods("penalty")
        self._after_update = self._methods("after_update")
        self._after_epoch = [pair for pair in self._pairs() if overrides(pair[0], "after_epoch")]
        self._criterion = criterion
        for wrap, step in reversed(self._methods("loss")):
            self._criterion = partial(_wrapped_loss, wrap, step, self._criterion)
        for step in self._steps:
            step.criterion = self._criterion
        self._inspected = inspected
        self._captured: dict[int, dict[str, Tensor]] = {}
        self._output_readers = [step for each, step in self._pairs() if each.reads_outputs]
        self._gradient = self._composed_gradient()
        # Steps nobody reads are not written.
        busy = (*STEP_METHODS, "after_update")
        self._read_steps = [step for each, step in self._pairs() if any(overrides(each, m) for m in busy)]
        self._normalizations = self._once_only_normalizations()
        self._first_pass = True
        for module in self._normalizations:
            module.track_running_stats = False
        self._hooks = ExitStack()
        self._hooks.enter_context(capturing(model, captured, self._steps))

    def __enter__(self) -> Composition:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hooks.close()
        for module in self._normalizations:
            module.track_running_stats = True
        del self._gradient  # it holds this, whose memory is to be free without a search for circles

    def gradient(
        self, inputs: Tensor, targets: Tensor, epoch: int, index: int, progress: float,
        values: Sequence[Mapping[str, Any]] | None = None,
    ) -> Any:  # fmt: skip
        """Leave the gradient of one batch in ``.grad``; return the loss, detached.

        Parameters
        ----------
        values : sequence of mappings, optional
            What `host_values` returned for this step, beforehand.
        """
        for step in self._read_steps:
            step.inputs, step.targets = inputs, targets
            step.epoch, step.index, step.progress = epoch, index, progress
            step.example_losses = None
        if self._with_host_values:
            values = values if values is not None else self.host_values(index, progress, len(targets))
            for step, made in zip(self._with_host_values, values, strict=True):
                step.values = made
        for change, step in self._batch_changes:
            changed = change(step)
            if changed is not None:
                inputs, targets = changed
                for each in self._read_steps:
                    each.inputs, each.targets = inputs, targets
        self._inputs, self._targets = inputs, targets
        self._first_pass = True
        return self._gradient()

    def host_values(self, index: int, progress: float, examples: int) -> list[Mapping[str, Any]]:
        """What the regularizers that need it make on the host for one step; in the order of the steps."""
        return [make(step.state, index, progress, examples) for make, step in self._host_values]

    @property
    def replayable(self) -> bool:
        """Whether `gradient` reads and changes nothing but tensors and generators, on the CPU too, and nobody
        asks later what was in the batch."""
        on_host = self._host_values or self._after_update
        return not on_host and all(each.capturable is True for each in self._regularizers)

    @property
    def generators(self) -> list[torch.Generator]:
        """The regularizers' own generators, on the device."""
        return [step.generator for step in self._steps if step.generator is not None]

    def after_update(self) -> None:
        """Run all `after_update` methods, in the suite's order."""
        for act, step in self._after_update:
            act(step)

    def after_epoch(self, number: int, steps: int, progress: float, history: Any) -> str:
        """Run all `after_epoch` methods; return the reasons to stop that they gave, with their names."""
        reasons = []
        for regularizer, step in self._after_epoch:
            if reason := regularizer.after_epoch(self._epoch(step, number, steps, progress, history)):
                reasons.append(f"{regularizer_name(regularizer)}: {reason}")
        return "; ".join(reasons)

    def finish(self, number: int, steps: int, progress: float, history: Any) -> bool:
        """Run all `finish` methods; return whether there are any."""
        finishing = [pair for pair in self._pairs() if overrides(pair[0], "finish")]
        for regularizer, step in finishing:
            regularizer.finish(self._epoch(step, number, steps, progress, history))
        return bool(finishing)

    def _epoch(self, step: Step, number: int, steps: int, progress: float, history: Any) -> Epoch:
        assert step.generator is not None
        return Epoch(
            model=self._model, number=number, steps=steps, progress=progress,
            history=history, state=step.state, generator=step.generator,
        )  # fmt: skip

    def _pairs(self) -> list[tuple[Regularizer, Step]]:
        return list(zip(self._regularizers, self._steps, strict=True))

    def _methods(self, name: str) -> list[tuple[Callable[..., Any], Step]]:
        return [(getattr(each, name), step) for each, step in self._pairs() if overrides(each, name)]

    def _composed_gradient(self) -> Callable[[], Any]:
        gradient: Callable[[], Any] = self._loss_and_backward
        for regularizer, step in reversed(self._pairs()):
            if not overrides(regularizer, "gradient"):
                continue
            gradient = partial(regularizer.gradient, step, gradient)
            if regularizer.replaces_gradient and self._penalties:
                gradient = partial(self._with_penalties, gradient)
        if any(overrides(each, "gradient") for each in self._regularizers):
            gradient = partial(self._as_weights_lie, gradient)
        return gradient

    def _once_only_normalizations(self) -> list[BatchNorm]:
        """Batch normalizations that must not count further passes of a step; none if there can be none."""
        if not any(overrides(each, method) for each in self._regularizers for method in STEP_METHODS):
            return []
        return [
            module
            for module in self._model.modules()
            if isinstance(module, BatchNorm) and module.track_running_stats
        ]

    def _forward(self) -> Tensor:
        # Who looks at outputs or hidden layers may differentiate by them twice.
        with twice_differentiable() if self._inspected else nullcontext():
            return self._pass()

    def _pass(self) -> Tensor:
        tracked: Iterable[BatchNorm] = self._normalizations if self._first_pass else ()
        self._first_pass = False
        for module in tracked:
            module.track_running_stats = True
        if self._autocast:
            # A capture may not keep casts for later; for shared weights on the CPU they give other bits.
            cache = self._device_type == "cpu"
            with torch.autocast(self._device_type, dtype=torch.bfloat16, cache_enabled=cache):
                outputs = self._network(self._inputs).float()
        else:
            outputs = self._network(self._inputs)
        for module in tracked:
            module.track_running_stats = False
        for step in self._output_readers:
            step.outputs = outputs
        self._captured = {id(step): dict(step.hidden) for step in self._steps}
        return outputs

    def _penalty(self) -> Tensor | None:
        total = None
        for penalize, step in self._penalties:
            # A penalty before this one may have run the network, and filled it anew.
            step.hidden.update(self._captured.get(id(step), {}))
            penalty = penalize(step)
            if penalty is not None:
                total = penalty if total is None else total + penalty
        return total

    def _loss_and_backward(self) -> Tensor:
        for parameter in self._parameters:
            parameter.grad = None
        loss = self._criterion(self._forward(), self._targets)
        penalty = self._penalty()
        if penalty is not None:
            loss = loss + penalty
        plain_backward(loss)
        return loss.detach()

    def _as_weights_lie(self, gradient: Callable[[], Any]) -> Any:
        """Have gradients that a regularizer made itself lie in memory as the weights do.

        Autograd leaves its own so. Fused updates refuse others on CUDA, and on the CPU misread them.
        """
        loss = gradient()
        for each in self._parameters:
            if each.grad is not None and each.grad.stride() != each.stride():
                each.grad = torch.empty_like(each).copy_(each.grad)
        return loss

    def _with_penalties(self, gradient: Callable[[], Any]) -> Any:
        """Add the gradients of the penalties to one that a regularizer made itself."""
        loss = gradient()
        if self._inspected:
            self._forward()
        penalty = self._penalty()
        if penalty is None:
            return loss
        penalty.backward()
        return loss + penalty.detach()


def _wrapped_loss(
    wrap: Callable[..., Tensor], step: Step, inner: Callable[[Tensor, Tensor], Tensor],
    outputs: Tensor, targets: Tensor,
) -> Tensor:  # fmt: skip
    return wrap(step, outputs, targets, inner)
