"""Laws of what is computed from a fit: measures and probes."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch

from genbench.auditing.invariance import (
    SINGLE_TOLERANCE,
    TOLERANCE,
    audit_network,
    compare,
    single_threaded,
)
from genbench.auditing.networks import AuditedNetwork
from genbench.auditing.transformations import TRANSFORMATIONS, Transformation, transformed
from genbench.base.canonical import stream_seed
from genbench.base.values import Status, Value
from genbench.contract.components import Component, Declaration, Kind, Need
from genbench.host.battery import Battery, Request
from genbench.host.settings import spell
from genbench.measuring import compute
from genbench.testing.laws import Broken, Laws, leave_out
from genbench.testing.problems import PROBLEMS, fit_of
from genbench.testing.witness import WHAT, Witness, same_tensor

__all__ = ["MeasureLaws", "ProbeLaws"]

_AS_IT_IS = Transformation("")
# Draws from which the spread of a random measure is estimated, and the deviations that are within it.
_DRAWS, _DEVIATIONS = 8, 5.0
_ABSOLUTE = 1e-4


class Computed(Laws):
    """What holds for measures and probes alike: they read, and change nothing.

    Attributes
    ----------
    problems : tuple of str
        Names of the `PROBLEMS` that it is tried on.
    """

    problems: ClassVar[tuple[str, ...]] = tuple(PROBLEMS)

    def computed(self, name: str, change: Transformation = _AS_IT_IS, draw: int = 0) -> tuple[Value, Witness]:
        """The value on a problem's fit, changed so, and what was seen; `draw` chooses the random streams."""
        roots = transformed(fit_of(name), change)
        witness = Witness(self.subject.object)
        watched = dataclasses.replace(self.subject, object=witness)

        def seed_for(component: Component, settings: Mapping[str, Any]) -> int:
            return stream_seed("measure", draw, name, spell(component, settings))

        with single_threaded(), change.computation():
            (value,) = compute(self._battery(watched), roots, seed_for)
        return value, witness

    def usual(self, name: str) -> tuple[Value, Witness]:
        """The value on a problem's fit as it is, computed once."""
        return self.once(("usual", name), lambda: self.computed(name))

    def valued(self) -> Iterator[tuple[str, Value, Witness]]:
        """Problem, value and what was seen, where it has one; leaves the law out where it nowhere has."""
        found = [(name, *self.usual(name)) for name in self.problems]
        having = [each for each in found if each[1].status is Status.OK]
        if not having:
            leave_out(f"it has no value here: {found[0][1].reason}")
        return iter(having)

    def test_it_raises_nothing_but_not_applicable(self) -> None:
        """On ordinary networks it raises no error; NotApplicable is the way to have no value."""
        for name in self.problems:
            value, witness = self.usual(name)
            told_elsewhere = witness.changes or "returned a" in value.reason
            if value.status is Status.ERROR and not told_elsewhere:
                raise Broken(f"on {name}: {value.reason}")

    def test_not_applicable_has_a_reason(self) -> None:
        """Where it has no value, it says why."""
        for name in self.problems:
            value, _ = self.usual(name)
            if value.status is Status.NOT_APPLICABLE and value.reason.endswith("without a reason"):
                raise Broken(f"on {name} it raises NotApplicable without a text")

    def test_the_same_seed_gives_the_same_value(self) -> None:
        """Computed twice, it is the same to the last bit: what it draws, it draws from `generator`."""
        for name, value, witness in self.valued():
            again, seen = self.computed(name)
            if not _same(value.value, again.value) or not _same(witness.result, seen.result):
                raise Broken(f"on {name}: {_told(value)}, and {_told(again)} the second time")

    def test_it_remembers_nothing(self) -> None:
        """What it was computed on before does not matter."""
        first = list(self.valued())
        name = first[0][0]
        for other in self.problems:
            if other != name:
                self.computed(other)
        again, seen = self.computed(name)
        if not _same(first[0][1].value, again.value) or not _same(first[0][2].result, seen.result):
            raise Broken(f"on {name}: {_told(first[0][1])}, and {_told(again)} after other networks")

    def test_weights_are_left_alone(self) -> None:
        """The parameters of the network are as they were, to the last bit."""
        self._left_alone("weights")

    def test_buffers_are_left_alone(self) -> None:
        """The buffers, such as running statistics, are as they were."""
        self._left_alone("buffers")

    def test_gradients_are_left_alone(self) -> None:
        """No parameter has a gradient that it had not before; ``torch.autograd.grad`` leaves none."""
        self._left_alone("gradients")

    def test_the_mode_is_left_alone(self) -> None:
        """The network is in evaluation mode, as it was given."""
        self._left_alone("mode")

    def test_requires_grad_is_left_alone(self) -> None:
        """Each parameter is trained, or frozen, as it was."""
        self._left_alone("frozen")

    def test_hooks_are_removed(self) -> None:
        """Hooks that it registered are gone."""
        self._left_alone("hooks")

    def test_modules_are_left_alone(self) -> None:
        """The network has the modules that it had."""
        self._left_alone("modules")

    def test_data_are_left_alone(self) -> None:
        """Inputs, targets and what probes returned are as they were."""
        self._left_alone("data")

    def test_global_random_streams_are_left_alone(self) -> None:
        """It draws from `generator` and from no global stream."""
        self._left_alone("randomness")

    def test_it_opens_no_files(self) -> None:
        """It reads the fit and nothing else: no test data, no other data set."""
        for name, _, witness in self._seen():
            if witness.files:
                raise Broken(f"on {name} it opened '{witness.files[0]}'")

    def test_its_cost_class_is_true(self) -> None:
        """It is declared as what it does: A runs no network, B differentiates nothing."""
        battery = self._battery(self.subject)
        declared = battery.cost_class(battery.requests[0])
        for name, _, witness in self._seen():
            if witness.backward_passes and declared < "C":
                raise Broken(
                    f"it is declared {declared}, and differentiates {witness.backward_passes} times "
                    f"on {name}: "
                    "declare cost C, D or E"
                )
            if witness.forward_passes and declared < "B":
                raise Broken(
                    f"it is declared {declared}, and runs the network {witness.forward_passes} times "
                    f"on {name}: "
                    "declare cost B"
                )

    def _seen(self) -> Iterator[tuple[str, Value, Witness]]:
        return ((name, *self.usual(name)) for name in self.problems)

    def _left_alone(self, what: str) -> None:
        for name, _, witness in self._seen():
            if what in witness.changes:
                raise Broken(f"on {name} it changed {WHAT[what]} ({witness.changes[what]})")

    def _battery(self, watched: Component) -> Battery:
        return Battery.resolve([Request(watched, self.chosen, self._spelling())], self.host.probe_lookup)

    def _spelling(self) -> str:
        return spell(self.subject, self.chosen)


class MeasureLaws(Computed):
    """Laws of a measure: one number, the same however it is computed, from the fit and nothing else."""

    kind = Kind.MEASURE

    def test_it_is_described(self) -> None:
        """It names its family, and a formula or a source."""
        declared = self.subject.declared
        if not declared.family:
            raise Broken("it names no family")
        if not (declared.formula or declared.source):
            raise Broken("it gives neither a formula nor a source")

    def test_it_returns_one_number(self) -> None:
        """It returns one real number: a float, or a tensor or array with one element."""
        for name, value, _ in self._seen():
            if value.status is Status.ERROR and "returned a" in value.reason:
                raise Broken(f"on {name}: {value.reason}")

    def test_its_value_is_finite(self) -> None:
        """On ordinary networks the number is finite."""
        for name, value, _ in self._seen():
            number = value.value
            if value.status is Status.NAN or (number is not None and not math.isfinite(number)):
                raise Broken(f"on {name} it is {'NaN' if number is None else number}")

    def test_it_has_a_value_in_double_precision_as_in_single(self) -> None:
        """In single precision it agrees to a thousandth, or is not applicable."""
        self._agrees("float32", SINGLE_TOLERANCE)

    def test_the_batch_size_does_not_matter(self) -> None:
        """Computed in small batches it agrees to a millionth."""
        self._agrees("batch_size", TOLERANCE)

    def test_the_device_does_not_matter(self) -> None:
        """On a GPU it agrees to a thousandth."""
        if not torch.cuda.is_available():
            leave_out("torch finds no GPU here")
        for name, value, _ in self.valued():
            roots = {key: _on_gpu(each) for key, each in transformed(fit_of(name), _AS_IT_IS).items()}
            roots["device"] = torch.device("cuda")
            (there,) = compute(self._battery(self.subject), roots, lambda *_: 0)
            if there.status is not Status.NOT_APPLICABLE:
                self._compare(name, value, there, SINGLE_TOLERANCE, "on a GPU")

    def card(self) -> dict[str, dict[str, Any]]:
        """What moves it although the network's function stays: by change, then by problem."""
        battery = self._battery(self.subject)
        found: dict[str, dict[str, Any]] = {each.title: {} for each in TRANSFORMATIONS.values()}
        for name in self.problems:
            network = AuditedNetwork(name, name, name, transformed(fit_of(name), _AS_IT_IS))
            with single_threaded():
                for _, entry in audit_network(battery, network, changed=True):
                    for change, verdict in entry.get("changes", {}).items():
                        found[TRANSFORMATIONS[change].title][name] = verdict
        return {title: verdicts for title, verdicts in found.items() if verdicts}

    def _agrees(self, change: str, tolerance: float) -> None:
        chosen = TRANSFORMATIONS[change]
        for name, value, _ in self.valued():
            after, _ = self.computed(name, chosen)
            if after.status is not Status.NOT_APPLICABLE or change == "batch_size":
                self._compare(name, value, after, tolerance, chosen.title)

    def _compare(self, name: str, before: Value, after: Value, tolerance: float, how: str) -> None:
        verdict = compare(before, after, tolerance)
        small = after.value is not None and abs(float(before) - float(after)) <= _ABSOLUTE * tolerance
        if verdict["verdict"] != "moves" or small:
            return
        if after.value is not None and abs(float(before) - float(after)) <= _DEVIATIONS * self._spread(name):
            return
        raise Broken(f"on {name}: {_told(before)}, and {_told(after)} {how}")

    def _spread(self, name: str) -> float:
        """Standard deviation over random draws, 0 where it draws nothing."""
        below = self._battery(self.subject)
        if "generator" not in below.roots_needed(below.requests[0]):
            return 0.0
        drawn = [float(self.computed(name, draw=draw)[0]) for draw in range(_DRAWS)]
        return statistics.stdev(drawn)


class ProbeLaws(Computed):
    """Laws of a probe: the same result however often it is asked for, and nothing left changed."""

    kind = Kind.PROBE

    def _battery(self, watched: Component) -> Battery:
        """A battery of one measure that needs the probe and takes no notice of what it returns."""
        name = watched.full_name

        def lookup(asked: str, plugin: str) -> Component | None:
            return watched if asked == name else self.host.probe_lookup(asked, plugin)

        need = Need(name, tuple(sorted(self.chosen.items())))
        asking = Component(
            Declaration(Kind.MEASURE, "asking", family="testing"), watched.plugin,
            lambda result: 0.0, settings={}, needs={"result": need},
        )  # fmt: skip
        return Battery.resolve([Request.of(asking)], lookup)


def _on_gpu(root: Any) -> Any:
    return root.to("cuda") if isinstance(root, torch.Tensor | torch.nn.Module) else root


def _told(value: Value) -> str:
    return f"{value.value!r}" if value.status is Status.OK else f"{value.status} ({value.reason})"


def _same(first: Any, second: Any) -> bool:
    """Whether two results have the same numbers; other objects count as the same."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return same_tensor(first.detach(), second.detach())
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return first == second or (math.isnan(first) and math.isnan(second))
    if isinstance(first, int | str | bool) or first is None:
        return type(first) is type(second) and bool(first == second)
    return True
