"""Gradients and evaluations of a training on the CPU, by the operators alone that were seen to make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from genbench.networks.replayed import Replayed
from genbench.training.composition import Composition
from genbench.training.evaluation import totals_as_it_is
from genbench.training.pixels import HeldTraining

__all__ = ["Replays"]


class Replays:
    """What a training calls again and again; nobody who takes part asks in which step it is.

    Parameters
    ----------
    training : HeldTraining
    composition : Composition
        It is `replayable`.
    parameters : sequence of Parameter
        Those that are moved.
    """

    def __init__(self, training: HeldTraining, composition: Composition, parameters: Sequence[nn.Parameter]):
        self._training, self._composition, self._parameters = training, composition, parameters
        model = training.model
        self._tensors = [*model.parameters(), *model.buffers()]
        self._places: list[tuple[int, bool]] = []
        self._gradients: dict[int, Replayed] = {}
        self._evaluation: Replayed | None = None

    def look(self) -> None:
        """Forget what was seen, where somebody has put weights elsewhere, or frozen some, since."""
        places = [(each.data_ptr(), each.requires_grad) for each in self._tensors]
        if places != self._places:
            self._places = places
            self._gradients.clear()
            self._evaluation = None

    def gradient(self, inputs: Tensor, targets: Tensor) -> Any:
        """As `Composition.gradient`."""
        if len(targets) not in self._gradients:
            self._gradients[len(targets)] = self._gradient_of_batches()
        loss, *gradients = self._gradients[len(targets)](inputs, targets)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return loss

    def totals(self) -> Tensor:
        """As `totals_as_it_is`, of the training set and the weights where they lie now."""
        self.look()
        if self._evaluation is None:
            self._evaluation = self._evaluation_of_all()
        (totals,) = self._evaluation()
        assert totals is not None
        return totals

    def _gradient_of_batches(self) -> Replayed:
        composition, parameters = self._composition, self._parameters

        def loss_and_gradients(inputs: Tensor, targets: Tensor) -> tuple[Tensor | None, ...]:
            loss = composition.gradient(inputs, targets, 0, 0, 0.0)
            return (loss, *(each.grad for each in parameters))

        return Replayed(loss_and_gradients, composition.generators)

    def _evaluation_of_all(self) -> Replayed:
        training = self._training

        def totals() -> tuple[Tensor]:
            held = training.held, training.targets
            return (totals_as_it_is(training.model, *held, training.task, training.device),)

        return Replayed(totals)
