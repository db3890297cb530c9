"""Laws of a protocol: sound settings with which a network learns."""

from __future__ import annotations

import dataclasses
import math

import torch

from genbench.base.canonical import canonical_json
from genbench.contract.components import Kind
from genbench.contract.protocol import Protocol, learning_rate
from genbench.host.settings import complete
from genbench.testing.laws import Broken, Laws
from genbench.testing.problems import PROBLEMS

__all__ = ["ProtocolLaws"]

_LONGEST = 40


class ProtocolLaws(Laws):
    """Laws of a protocol."""

    kind = Kind.PROTOCOL

    def test_its_settings_are_sound(self) -> None:
        """Its defaults are values that a suite could give."""
        try:
            complete(self.subject, self.subject.defaults())
        except Exception as fault:
            raise Broken(f"its own defaults are refused: {fault}") from fault
        if not isinstance(self.make(), Protocol):
            raise Broken("it is no genbench.Protocol")

    def test_it_is_plain_data(self) -> None:
        """All that distinguishes two of them are fields, which enter the key of a fit."""
        made = self.make()
        canonical_json(dataclasses.asdict(made))
        if made != self.make():
            raise Broken("two objects with the same settings differ")

    def test_its_learning_rate_is_positive_until_the_end(self) -> None:
        """Every step before the last one has a positive, finite learning rate."""
        made = self.make()
        steps = 7
        for index in range(made.max_epochs * steps - 1):
            rate = learning_rate(made, index, steps)
            if not (math.isfinite(rate) and rate > 0):
                raise Broken(f"the learning rate of step {index} is {rate}")

    def test_a_network_learns(self) -> None:
        """A small network ends with a smaller training loss than it began with."""
        chosen = PROBLEMS["images"]
        made = dataclasses.replace(
            self.make(), max_epochs=min(self.make().max_epochs, _LONGEST), precision="float32", compile=False
        )
        problem = chosen.with_(protocol=made)
        losses = problem.train(problem.network()).history["train_loss"]
        if losses[-1] is None or not losses[-1] < losses[0]:  # type: ignore[operator]
            raise Broken(f"the training loss goes from {losses[0]:.3g} to {losses[-1]}")

    def test_the_same_seed_gives_the_same_weights(self) -> None:
        """Trained twice, the weights are the same to the last bit."""
        made = dataclasses.replace(
            self.make(), max_epochs=1, compile=False, decay_epochs=(), warmup_epochs=0.0
        )
        problem = PROBLEMS["images"].with_(protocol=made)
        one, other = (problem.train(problem.network()).final_state for _ in range(2))
        if not all(torch.equal(one[name], other[name]) for name in one):
            raise Broken("a second training ends with other weights")
