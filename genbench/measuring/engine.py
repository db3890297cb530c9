"""One pass of a battery over a fit: each probe once, on demand, freed behind its last use."""

from __future__ import annotations

import math
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from genbench.base.errors import NotApplicable, first_line
from genbench.base.files import disk_full
from genbench.base.names import CORE
from genbench.base.values import Status, Value
from genbench.contract.components import Component
from genbench.host.battery import Battery, Failure, Node
from genbench.measuring.cost import Cost, metered
from genbench.measuring.guard import Fingerprint, ModelGuard, kept_random_state, seed_random_state
from genbench.measuring.preparing import prepare
from genbench.measuring.returned import as_number
from genbench.measuring.watch import Watch
from genbench.networks.ambient import ordinary_torch, working_precision
from genbench.networks.draws import drawn_on_cpu
from genbench.networks.exact import full_precision
from genbench.networks.wrappers import unwrapped, without_checkpoints

__all__ = ["as_number", "compute", "device_of"]

_MODELS = ("model", "initial_model", "siblings")


def compute(
    battery: Battery,
    roots: Mapping[str, Any],
    seed_for: Callable[[Component, Mapping[str, Any]], int],
    note: Callable[[str, str], None] | None = None,
    spent: Callable[[str, str, float, int], None] | None = None,
    skip: Mapping[str, str | Failure] | None = None,
    only: Iterable[str] | None = None,
    spoilt: Callable[[str, str, str], None] | None = None,
) -> Iterator[Value]:
    """Compute the measures on one fit and yield each as it is finished.

    Every component runs without gradients (one that differentiates says ``with torch.enable_grad():``), with
    its own `generator` and its own global random streams, on models in evaluation mode.

    Parameters
    ----------
    battery : Battery
        The measures and the probes below them.
    roots : mapping
        Name to object; one that is absent or None makes what needs it not applicable, as does one that is
        a `NotApplicable`, which says why there is none. `generator` is made here, `device` where it is
        not given is that of the model's first parameter.
    seed_for : callable
        ``seed_for(component, settings)`` seeds that component's `generator`, so that a value depends
        neither on the order nor on what else is computed.
    note : callable, optional
        ``note(spelling, kind)`` is called before each probe and measure starts.
    spent : callable, optional
        ``spent(spelling, kind, seconds, bytes)`` is called when each probe and measure has ended; the sum
        of the seconds is the cost of the battery.
    skip : mapping, optional
        Spellings of measures and probes that are not to be started, with the reason, or with a `Failure`
        where the status is to be another than ``skipped``.
    only : iterable of str, optional
        Spellings of the measures to compute; all where left out.
    spoilt : callable, optional
        ``spoilt(spelling, kind, reason)`` is called when a component of another plugin than the core's has
        changed what all share; then nothing more is computed, because this process is not to be trusted.
        Without it what can be put back is, and the pass goes on.

    Yields
    ------
    Value
    """
    yield from _Engine(battery, roots, seed_for, note, spent, skip or {}, only, spoilt).run()


class _Engine:
    """The state of one pass; see `compute` for the arguments."""

    def __init__(
        self,
        battery: Battery,
        roots: Mapping[str, Any],
        seed_for: Callable[[Component, Mapping[str, Any]], int],
        note: Callable[[str, str], None] | None,
        spent: Callable[[str, str, float, int], None] | None,
        skip: Mapping[str, str | Failure],
        only: Iterable[str] | None,
        spoilt: Callable[[str, str, str], None] | None,
    ):
        wanted = None if only is None else set(only)
        self._requests = [each for each in battery.requests if wanted is None or each.spelling in wanted]
        self._battery = battery
        self._absent = {name: str(why) for name, why in roots.items() if isinstance(why, NotApplicable)}
        self._roots = {
            name: root for name, root in roots.items() if root is not None and name not in self._absent
        }
        self._device = torch.device(self._roots.get("device") or device_of(self._roots.get("model")))
        self._roots["device"] = self._device
        self._dtype = working_precision(self._roots.get("model"))
        self._seed_for = seed_for
        self._note = note
        self._spent = spent
        self._skip = {
            name: why if isinstance(why, Failure) else Failure(Status.SKIPPED, why)
            for name, why in skip.items()
        }
        self._results: dict[str, Any] = {}
        self._failures: dict[str, Failure] = {}
        self._costs: dict[str, Cost] = {}
        self._fingerprints: dict[str, Fingerprint] = {}
        self._spoiled_roots: dict[str, Failure] = {}
        self._uses = self._count_uses()
        self._spoilt = spoilt
        self._spoiling: tuple[str, str, str] | None = None
        self._guards: list[tuple[str, ModelGuard]] = []
        self._close_look: Watch | None = None
        self._reached: dict[tuple[str, str], frozenset[str]] = {}

    def run(self) -> Iterator[Value]:
        """Compute the measures one by one."""
        for name, root in list(self._roots.items()):
            if name in _MODELS:
                if isinstance(root, list | tuple):
                    models = self._roots[name] = [unwrapped(each) for each in root]
                else:
                    models = [unwrapped(root)]
                    self._roots[name] = models[0]
                for model in models:
                    model.eval().zero_grad(set_to_none=True)
                    prepare(model, self._roots.get("inputs"), self._device, self._dtype)
                    self._guards.append((name, ModelGuard(model)))
            else:
                self._fingerprints[name] = Fingerprint(root)
        # Kept once for all components, each of which is seeded: to read and write NumPy's state takes longer
        # than many a measure. Whoever takes the values draws nothing of it meanwhile.
        with kept_random_state(self._device), without_checkpoints():
            yield from self._values()

    def _values(self) -> Iterator[Value]:
        for request in self._requests:
            node = self._battery.measures[request.spelling]
            outcome = self._run_measure(node)
            yield self._value(node, outcome)
            if self._spoilt is not None and self._spoiling is not None:
                self._spoilt(*self._spoiling)
                return
            self._release(node)

    def _value(self, node: Node, outcome: float | Failure) -> Value:
        own = self._costs.get("measure " + node.spelling, Cost())
        keys = self._battery.below[node.spelling]
        below = [self._costs[key] for key in keys if key in self._costs]
        if isinstance(outcome, float) and math.isnan(outcome):
            outcome = Failure(Status.NAN, "returned NaN")
        failure = outcome if isinstance(outcome, Failure) else None
        return Value(
            name=node.spelling,
            value=None if isinstance(outcome, Failure) else outcome,
            status=failure.status if failure else Status.OK,
            reason=failure.reason if failure else "",
            seconds=own.seconds + sum(cost.seconds for cost in below),
            own_seconds=own.seconds,
            peak_memory=max([own.memory, *(cost.memory for cost in below)]),
            detail=failure.detail if failure else "",
        )

    def _run_measure(self, node: Node) -> float | Failure:
        if node.spelling in self._skip:
            return self._skip[node.spelling]
        outcome = self._call(node, "measure " + node.spelling)
        if isinstance(outcome, Failure):
            return outcome
        try:
            return as_number(outcome)
        except Exception as fault:  # an object of the plugin's may raise anything when read as a number
            return Failure(Status.ERROR, f"{node.spelling} {first_line(fault)}")

    def _probe(self, key: str) -> Any:
        """The result of a probe, computed now if it is not there; or its failure."""
        if key in self._failures:
            return self._failures[key]
        if key not in self._results:
            node = self._battery.probes[key]
            outcome = self._skip[key] if key in self._skip else self._call(node, key)
            if not isinstance(outcome, Failure):
                outcome = self._keep(key, outcome)
            if isinstance(outcome, Failure):
                self._failures[key] = outcome
            self._release(node)
        return self._failures[key] if key in self._failures else self._results[key]

    def _keep(self, key: str, outcome: Any) -> Any:
        try:
            self._fingerprints[key] = Fingerprint(outcome)
        except Exception as fault:  # the result's own code runs here, and a container may hold itself
            text = f"the result of probe {key} cannot be looked through: {type(fault).__name__}"
            return Failure(Status.ERROR, text, traceback.format_exc())
        self._results[key] = outcome
        return outcome

    def _call(self, node: Node, cost_key: str) -> Any:
        """What the component returns, or a failure: its own or that of something that it needs."""
        arguments = self._arguments(node)
        if isinstance(arguments, Failure):
            return arguments
        kind = str(node.component.kind)
        if self._note is not None:
            self._note(node.spelling, kind)
        seed = self._seed_for(node.component, node.settings)
        if "generator" in node.roots:
            for parameter, source in node.arguments.items():
                if source == "generator":
                    arguments[parameter] = torch.Generator().manual_seed(seed)
        watch = self._watch(node)
        changes: list[str] = []
        outcome: Any
        try:
            seed_random_state(seed, self._device)
            with (
                ordinary_torch(self._dtype),
                drawn_on_cpu(self._device),
                full_precision(self._device),
                torch.no_grad(),
                # Within all that, which puts much back without a word.
                nullcontext() if watch is None else _watched(watch, self._given(node, arguments), changes),
                metered(self._device) as cost,
            ):
                self._costs[cost_key] = cost
                outcome = node.component.object(**arguments, **node.own_settings)
                if kind == "measure" and isinstance(outcome, Tensor):
                    outcome = outcome.detach().cpu()  # waits for the device, inside the clock
        except NotApplicable as why:
            outcome = Failure(Status.NOT_APPLICABLE, str(why) or f"{node.spelling} says so, without a reason")
        except (Exception, SystemExit) as fault:
            if full := disk_full(fault):
                raise full from fault
            text = f"{kind} {node.spelling} raised {type(fault).__name__}: {first_line(fault)}"
            outcome = Failure(Status.ERROR, text, traceback.format_exc())
        if self._spent is not None and cost_key in self._costs:
            self._spent(node.spelling, kind, self._costs[cost_key].seconds, self._costs[cost_key].memory)
        return self._changed(node, watch, changes) or outcome

    def _watch(self, node: Node) -> Watch | None:
        """For a close look at what a component of a plugin's could change; the core's are tested for it."""
        if node.component.plugin == CORE:
            return None
        if self._close_look is None:
            self._close_look = Watch(
                {name: each for name, each in self._roots.items() if name not in _MODELS},
                alone=self._spoilt is not None,
            )
        return self._close_look

    def _given(self, node: Node, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What probes returned and the component is given."""
        sources = node.arguments.items()
        return {source: arguments[name] for name, source in sources if source in self._battery.probes}

    def _arguments(self, node: Node) -> dict[str, Any] | Failure:
        arguments: dict[str, Any] = {}
        for root in node.roots:
            if root in self._spoiled_roots:
                return self._spoiled_roots[root]
            if root not in self._roots and root != "generator":
                reason = self._absent.get(root, f"needs {root}, which was not given")
                return Failure(Status.NOT_APPLICABLE, reason)
        for parameter, source in node.arguments.items():
            if source in self._battery.probes:
                result = self._probe(source)
                if isinstance(result, Failure):
                    return result
                arguments[parameter] = result
            elif source != "generator":
                arguments[parameter] = self._roots[source]
        return arguments

    def _changed(self, node: Node, watch: Watch | None, changed: list[str]) -> Failure | None:
        """Put right what the component changed beside its surroundings; the failure says what it was."""
        # What is not built in may have kept a network that it was given before.
        reached = self._reach(node) if node.component.plugin == CORE else _MODELS
        restored = [guard.restore() for name, guard in self._guards if name in reached]
        if any(restored):
            changed.append("the network")
        given = [key for key in node.arguments.values() if key in self._fingerprints]
        # Whoever writes to what it was given may have written to what shares memory with it; only then is it
        # worth looking at everything.
        rewritten = [] if watch is None else watch.changed_objects()
        for key in list(self._fingerprints) if rewritten or any(map(self._differs, given)) else []:
            if key not in rewritten and not self._differs(key):
                continue
            changed.append(key)
            if key in self._results:
                self._forget(key)
            else:
                del self._fingerprints[key]
                self._spoiled_roots[key] = Failure(Status.ERROR, f"{node.spelling} changed {key}")
        if not changed:
            return None
        text = f"{node.spelling} changed {', '.join(changed)}, which is read-only"
        if watch is not None:
            self._spoiling = self._spoiling or (node.spelling, str(node.component.kind), text)
        return Failure(Status.ERROR, text)

    def _reach(self, node: Node) -> frozenset[str]:
        """The roots that a component was given, itself or within what it was given."""
        known = str(node.component.kind), node.spelling
        if known not in self._reached:
            below = (self._reach(self._battery.probes[key]) for key in node.probes)
            self._reached[known] = frozenset(node.roots).union(*below)
        return self._reached[known]

    def _differs(self, key: str) -> bool:
        return self._fingerprints[key].differs()

    def _count_uses(self) -> Counter[str]:
        """How many measures and probes still want the result of each probe."""
        uses: Counter[str] = Counter()
        below: dict[str, None] = {}
        for request in self._requests:
            uses.update(self._battery.measures[request.spelling].probes)
            below.update(dict.fromkeys(self._battery.below[request.spelling]))
        for key in below:
            uses.update(self._battery.probes[key].probes)
        return uses

    def _release(self, node: Node) -> None:
        """The node is done with the probes directly below it; free those that nobody else wants."""
        for key in node.probes:
            self._uses[key] -= 1
            if self._uses[key] > 0:
                continue
            never_computed = key not in self._results and key not in self._failures
            self._results.pop(key, None)
            self._fingerprints.pop(key, None)
            if never_computed and self._uses[key] == 0:
                self._release(self._battery.probes[key])

    def _forget(self, key: str) -> None:
        """Drop a result that was changed; who asks next has it computed again, with what it needs."""
        self._results.pop(key, None)
        self._fingerprints.pop(key, None)
        for below in self._battery.probes[key].probes:
            self._uses[below] += 1
            if below not in self._results and below not in self._failures:
                self._forget(below)


@contextmanager
def _watched(watch: Watch, given: Mapping[str, Any], changes: list[str]) -> Iterator[None]:
    """Around a component: what it changed of its surroundings is put back, and added to `changes`."""
    watch.look(given)
    try:
        yield
    finally:
        changes += watch.changed_surroundings()


def device_of(model: nn.Module | None) -> torch.device:
    """Where the network lies; the processor for one without parameters."""
    if model is not None:
        for tensor in (*model.parameters(), *model.buffers()):
            return tensor.device
    return torch.device("cpu")
