"""Laws of a regularizer: neutral when off, repeatable, in company with others, gone after training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from genbench.base.errors import InvalidInput
from genbench.base.values import StopReason
from genbench.contract.components import Kind
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer, check_composition, overrides
from genbench.host.settings import complete
from genbench.networks.copying import copy_of
from genbench.testing.laws import Broken, Laws, leave_out
from genbench.testing.problems import PROBLEMS, SEEDS, Problem
from genbench.testing.witness import leaves_streams, module_state
from genbench.training.loop import train
from genbench.training.outcome import Outcome

__all__ = ["RegularizerLaws"]

# What is 0 in a regularizer that does nothing: all of the first that it has, or one of the second.
_OFF = ("strength", "rate", "deviation", "noise", "smoothing", "radius", "alpha", "level")
_NOWHERE = ("layers", "blocks")
_METHODS = ("build", "parameter_groups", "batch", "loss", "penalty", "gradient", "after_update")
# A built-in regularizer has these settings beside others on this small a problem.
_BESIDE: Mapping[str, Mapping[str, Any]] = {
    "winsorized": {"level": 20, "group": 2},
    "median-of-means": {"groups": 2},
    "spectral-product": {"strength": 0.001},
    "early-stopping": {"on": "training"},
}


class RegularizerLaws(Laws):
    """Laws of a regularizer.

    Attributes
    ----------
    off : mapping, optional
        The settings with which it does nothing; a setting called `strength`, `rate` or the like at 0 where
        left out.
    """

    kind = Kind.REGULARIZER
    off: ClassVar[Mapping[str, Any] | None] = None

    def trained(self, name: str, *regularizers: Regularizer, epochs: int = 2) -> Outcome:
        """Train the network of a problem with these."""
        chosen = _short(name, epochs)
        return chosen.train(chosen.network(regularizers), regularizers)

    def alone(self, name: str) -> Outcome:
        """The outcome with the regularizer by itself, trained once."""
        return self.once(("alone", name), lambda: self.trained(name, self.make()))

    def suited(self) -> list[str]:
        """Names of the problems that it does not refuse."""
        return self.once("suited", self._suited)

    def _suited(self) -> list[str]:
        found, refusals = [], []
        for name in PROBLEMS:
            try:
                self.alone(name)
            except InvalidInput as why:
                refusals.append(f"{name}: {why}")
            else:
                found.append(name)
        if not found:
            leave_out(f"it refuses every problem here; {'; '.join(refusals)}")
        return found

    def test_it_trains(self) -> None:
        """Training with it ends with finite weights, on every task that it does not refuse."""
        for name in self.suited():
            outcome = self.alone(name)
            if outcome.stop_reason is StopReason.DIVERGED or not _is_finite(outcome):
                raise Broken(f"on {name} training diverges")

    def test_it_does_something(self) -> None:
        """With its settings training goes another way than without it."""
        made = self.make()
        if not any(overrides(made, each) for each in _METHODS):
            leave_out("it overrides no method that acts on a step")
        for name in self.suited():
            if not _same_states(self.alone(name), self.trained(name)):
                return
        raise Broken("training with it ends with the same weights as without it")

    def test_off_is_none(self) -> None:
        """At strength 0 training gives the bits that it gives without the regularizer."""
        off = self._off_settings()
        for name in self.suited():
            try:
                there = self.trained(name, self.make(**off))
            except InvalidInput as why:
                raise Broken(f"{_spelled(off)} is refused, where it should do nothing: {why}") from why
            if not _same_states(there, self.trained(name)):
                raise Broken(
                    f"on {name} training with {_spelled(off)} ends with other weights than without it"
                )

    def test_the_same_seed_gives_the_same_weights(self) -> None:
        """Trained twice, the weights are the same: it draws from `step.generator` alone."""
        for name in self.suited():
            if not _same_states(self.trained(name, self.make()), self.alone(name)):
                raise Broken(f"on {name} a second training ends with other weights")

    def test_its_state_belongs_to_the_fit(self) -> None:
        """One object serves several trainings: what changes lies in the state that `start` returns."""
        made = self.make()
        for name in self.suited():
            self.trained(name, made)
            if not _same_states(self.trained(name, made), self.alone(name)):
                raise Broken(f"on {name} the object's second training ends with other weights than the first")

    def test_global_random_streams_are_left_alone(self) -> None:
        """Behind the training the global random streams are where they were."""
        for name in self.suited():
            if not leaves_streams(partial(self.trained, name, self.make())):
                raise Broken(f"on {name} it draws from a global random stream; use step.generator")

    def test_data_are_left_alone(self) -> None:
        """The training set is what it was: `batch` returns new tensors."""
        for name in self.suited():
            chosen, made = _short(name), self.make()
            inputs, targets = chosen.inputs.clone(), chosen.targets.clone()
            # The loop hands out batches as they lie in memory where they are whole.
            whole = chosen.with_(protocol=_with(chosen, batch_size=len(inputs)))
            _train_on(whole, inputs, targets, made)
            if not torch.equal(inputs, chosen.inputs) or not torch.equal(targets, chosen.targets):
                raise Broken(f"on {name} it writes into the training set")

    def test_nothing_is_left_on_the_network(self) -> None:
        """Behind the training there are no hooks, frozen parameters or replaced methods that were not."""
        for name in self.suited():
            chosen, made = _short(name), self.make()
            model = chosen.network([made])
            before = module_state(model)
            chosen.train(model, [made])
            after = module_state(model)
            for what in ("hooks", "frozen", "modules"):
                if before[what] != after[what]:
                    raise Broken(f"on {name} it leaves {what} of the network changed")

    def test_nothing_is_left_in_evaluation(self) -> None:
        """The trained weights in a new network give the trained network's outputs, to the last bit."""
        for name in self.suited():
            chosen, made = _short(name), self.make()
            model = chosen.network([made])
            outcome = chosen.train(model, [made])
            other = chosen.network([made], seed=1)
            other.load_state_dict(outcome.final_state)
            with torch.no_grad():
                outputs = model.eval()(chosen.inputs)
                same = torch.equal(outputs, model(chosen.inputs))
                if not same or not torch.equal(outputs, other.eval()(chosen.inputs)):
                    raise Broken(f"on {name} it acts in evaluation, beyond the weights that it left")

    def test_building_changes_no_other_network(self) -> None:
        """`build` makes a network with as many outputs, and leaves those alone that were built before."""
        for name in self.suited():
            chosen, made = _short(name), self.make()
            first = chosen.network([made])
            before = {key: value.clone() for key, value in copy_of(first).state_dict().items()}
            second = chosen.network([made])
            with torch.no_grad():
                outputs = second.eval()(chosen.inputs)
            if outputs.shape != (len(chosen.inputs), chosen.task.outputs):
                raise Broken(f"on {name} the network that it builds returns {tuple(outputs.shape)}")
            if any(not torch.equal(before[key], value) for key, value in first.state_dict().items()):
                raise Broken(f"on {name} building a second network changes the first")

    def test_it_goes_with_each_built_in_regularizer_or_is_refused(self) -> None:
        """Above and below every built-in regularizer it trains, or is refused with a line before training."""
        name = self.suited()[0]
        for other in self.host.components(Kind.REGULARIZER):
            if other.plugin != "core" or other.object is self.subject.object:
                continue
            beside = other.object(**complete(other, _BESIDE.get(other.name, {})))
            for stack in ([self.make(), beside], [beside, self.make()]):
                self._together(name, other.name, stack)

    def _together(self, name: str, other: str, stack: list[Any]) -> None:
        if check_composition(stack):
            return
        try:
            outcome = self.trained(name, *stack, epochs=1)
        except InvalidInput:
            return
        except Exception as fault:
            raise Broken(f"beside '{other}' training raises {type(fault).__name__}: {fault}") from fault
        if not _is_finite(outcome):
            raise Broken(f"beside '{other}' training ends with weights that are not finite")

    def _off_settings(self) -> Mapping[str, Any]:
        if self.off is not None:
            return self.off
        found = [each for each in _OFF if each in self.subject.settings]
        found = found or [each for each in _NOWHERE if each in self.subject.settings][:1]
        if not found:
            leave_out("no setting is known that turns it off: say which with `off`")
        return {each: 0.0 if isinstance(self.chosen[each], float) else 0 for each in found}


def _short(name: str, epochs: int = 2) -> Problem:
    chosen = PROBLEMS[name]
    return chosen.with_(protocol=_with(chosen, max_epochs=epochs))


def _with(chosen: Problem, **changes: Any) -> Protocol:
    return dataclasses.replace(chosen.protocol, **changes)


def _train_on(chosen: Problem, inputs: Tensor, targets: Tensor, made: Regularizer) -> None:
    train(
        chosen.network([made]), chosen.task, inputs, targets, targets, chosen.protocol, [made], SEEDS,
        device="cpu", validation=chosen.validation,
    )  # fmt: skip


def _is_finite(outcome: Outcome) -> bool:
    return all(each.isfinite().all() for each in outcome.final_state.values())


def _same_states(first: Outcome, second: Outcome) -> bool:
    one, other = first.final_state, second.final_state
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def _spelled(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
