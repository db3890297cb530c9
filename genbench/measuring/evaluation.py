"""Measures of a network of the user's own, without a run around it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from genbench.base.canonical import stream_seed
from genbench.base.data import Split, Task
from genbench.base.errors import GenbenchError, UsageError, first_line
from genbench.base.values import Status, Value, Values
from genbench.host import Host
from genbench.host.battery import Battery
from genbench.host.process import kept_environment
from genbench.host.selection import select, select_measures
from genbench.host.settings import spell
from genbench.measuring.engine import compute, device_of
from genbench.measuring.examples import Examples, read_examples, read_validation
from genbench.measuring.given import (
    read_history,
    remark_layers,
    require_finite,
    require_network,
    require_snapshots,
)
from genbench.measuring.guard import ModelGuard, isolated_random_state
from genbench.measuring.progress import Report, reporting
from genbench.measuring.task import as_the_task_wants, task_of
from genbench.networks.adapting import Selection, adapt
from genbench.networks.ambient import ordinary_torch, working_precision
from genbench.networks.copying import copy_of
from genbench.networks.wrappers import unwrapped

if TYPE_CHECKING:
    from genbench.contract.components import Component
    from genbench.contract.protocol import Protocol

__all__ = ["evaluate", "own_roots", "seeds_of", "values_of"]


def evaluate(
    model: nn.Module,
    inputs: Any,
    targets: Any = None,
    initial_model: nn.Module | None = None,
    measures: str | Sequence[str] = "all",
    *,
    output: Selection | None = None,
    task: Task | None = None,
    history: Mapping[str, Sequence[Any]] | None = None,
    protocol: Protocol | None = None,
    validation: Split | None = None,
    snapshots: Sequence[tuple[int, Mapping[str, Tensor]]] | None = None,
    siblings: Sequence[nn.Module] | None = None,
    seed: int = 0,
    plugins: Sequence[str] = (),
    progress: bool | Callable[[int, int, str], object] = False,
) -> Values:
    """Compute generalization measures of any network on its training data.

    Model, data, gradients, training mode, ``requires_grad``, buffers, hooks and all global random states are
    left as they were; autocast, inference mode and the default precision around the call change nothing. A
    root that is not given makes the measures that need it not applicable. Plugins whose measures are wanted
    are imported here, where the network is, when the core has measured all of its own.

    Parameters
    ----------
    model : nn.Module
        Maps a batch of inputs to a tensor of shape (batch, outputs): logits in classification. Computed with
        in its own precision, on its own device. One output z for the classes 0 and 1 counts as the logits
        (0, z).
    inputs : array-like, shape (n, *input_shape); or dictionary, tuple, DataLoader
        The training inputs, preprocessed as the model wants them, not augmented. They may lie on another
        device: they are moved there in chunks. Several inputs are a dictionary of arrays by the names of the
        model's arguments, or a tuple of arrays by their places. A DataLoader, or a data set, is read whole
        and in its order; its batches are ``(inputs, targets)`` or dictionaries.
    targets : array-like, or str, optional
        Class indices, shape (n,), of an integer type; or real numbers, shape (n,) or (n, outputs). Left out
        where a loader brings them; a text is their key in batches that are dictionaries.
    initial_model : nn.Module, optional
        The network before training.
    measures : str or sequence of str
        ``all``, names, variants such as ``inverse_margin[quantile=0.05]``, ``family:norm``, ``cost:A-C``.
    output : str, int or callable, optional
        Of a model that returns more than its outputs: the key, attribute or place of the outputs in what it
        returns, or a function of that.
    task : Task, optional
        Read off the targets and one output where left out.
    history : mapping, optional
        Columns `epoch, step, train_loss, train_error, batch_loss, learning_rate`, lists of one length; the
        first row is at initialization, the others at the ends of epochs.
    protocol, validation, snapshots, siblings : optional
        The other roots, see ``genbench list probes``.
    seed : int
        Of the measures that draw random numbers.
    plugins : sequence of str
        Files or modules with further measures.
    progress : bool or callable
        Show a bar, in a notebook too; or call ``progress(done, all, name)`` with numbers of measures and
        what is computed next.

    Returns
    -------
    Values
        A dictionary from spelling to `Value`, in the order of the words in `measures`, that prints as a
        table. ``float(value)`` is the number, NaN where there is none; `status` and `reason` say why.

    Raises
    ------
    UsageError
        Inputs and targets that do not belong together or are not finite, or a model that is no module.
    InvalidInput
        Unknown measures or settings, with the nearest word.

    Examples
    --------
    >>> import torch, genbench
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> values = genbench.evaluate(network, torch.randn(20, 4), torch.arange(20) % 3, measures="family:norm")
    >>> float(values["param_norm"]) > 0
    True
    """
    with isolated_random_state(seed, torch.device("cpu")):  # a loader draws, and its data set may
        examples = read_examples(inputs, targets)
    host = Host.described(plugins)
    requests = select_measures(
        measures,
        host,
        lambda why: warnings.warn(f"left out: {why}", stacklevel=2),
    )
    battery = Battery.resolve(requests, host.probe_lookup)
    computed: dict[str, Value] = {}
    with reporting(progress, len(battery.requests)) as report:
        for names, part in battery.by_plugins():
            try:
                mine = _imported(names, part, host)
            except GenbenchError as fault:  # it was sound in the process that described it
                why = first_line(fault)
                computed |= {each: Value(each, None, Status.ERROR, why) for each in part.measures}
                continue
            computed |= values_of(
                model, examples, mine, report, initial_model=initial_model, output=output, task=task,
                history=history, protocol=protocol, validation=validation, snapshots=snapshots,
                siblings=siblings, seed=seed,
            )  # fmt: skip
    return Values((request.spelling, computed[request.spelling]) for request in requests)


def _imported(names: Collection[str], battery: Battery, host: Host) -> Battery:
    """The battery with the code of these plugins, which is imported now; the core's is."""
    if not names:
        return battery
    with kept_environment():
        return select(list(battery.measures), Host.of(host.sources_with(names)))


def values_of(
    model: nn.Module, examples: Examples, battery: Battery, report: Report, *, seed: int = 0, **given: Any
) -> dict[str, Value]:
    """`evaluate`, of examples that are read and measures that are chosen; for `given` see `own_roots`."""
    found: dict[str, Value] = {}
    with own_roots(model, examples, seed=seed, **given) as roots:
        for value in compute(battery, roots, seeds_of(seed), note=report.now):
            found[value.name] = value
            report.done(value)
    return found


def seeds_of(seed: int) -> Callable[[Component, Mapping[str, Any]], int]:
    """The seeds of the components that measure a network of the user's own."""
    return lambda component, settings: stream_seed("measure", seed, spell(component, settings))


@contextmanager
def own_roots(
    model: nn.Module,
    examples: Examples,
    *,
    initial_model: nn.Module | None = None,
    output: Selection | None = None,
    task: Task | None = None,
    history: Mapping[str, Sequence[Any]] | None = None,
    protocol: Protocol | None = None,
    validation: Split | None = None,
    snapshots: Sequence[tuple[int, Mapping[str, Tensor]]] | None = None,
    siblings: Sequence[nn.Module] | None = None,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """What the measures of a network of the user's own start from, by root name; see `evaluate`.

    Behind the block networks and random states are as they were before it.
    """
    _require_modules(model, initial_model, siblings)
    _check(model, examples)
    remark_layers(model)
    validation = read_validation(validation)
    if validation is not None:
        require_finite("validation", validation.inputs)
        own, theirs = tuple(examples.inputs.shape[1:]), tuple(validation.inputs.shape[1:])
        if own != theirs:
            raise UsageError(f"validation: inputs of shape {theirs}, where those trained on have {own}")
    with ordinary_torch():
        # Parameters that were made in inference mode cannot be differentiated by.
        model, initial_model = _differentiable(model), initial_model and _differentiable(initial_model)
        siblings = siblings and [_differentiable(each) for each in siblings]
    guards = [ModelGuard(each) for each in (model, initial_model, *(siblings or ())) if each is not None]
    device = device_of(model)
    try:
        with isolated_random_state(seed, device), ordinary_torch(working_precision(model)):
            model, initial_model = unwrapped(model), initial_model and unwrapped(initial_model)
            siblings = siblings and [unwrapped(each) for each in siblings]
            if snapshots is not None:
                require_snapshots(snapshots, model)
            # Measures watch what a layer returns: of a network that is one, that stays all of its outputs.
            is_layer = next(model.children(), None) is None
            for each in _distinct(model, initial_model, siblings):
                each.eval()
                adapt(each, examples.packing)
            if is_layer and output is not None:
                model, initial_model, siblings, snapshots = _enclosed(
                    model, initial_model, siblings, snapshots
                )
            for each in _distinct(model, initial_model, siblings):
                adapt(each, output=output)
            task = task or task_of(model, examples, output)
            if task.kind == "classification" and task.outputs == 1:
                task = replace(task, outputs=2)
                if is_layer and output is None:
                    model, initial_model, siblings, snapshots = _enclosed(
                        model, initial_model, siblings, snapshots
                    )
                for each in _distinct(model, initial_model, siblings):
                    adapt(each, one_logit=True)
            if validation is not None:
                wanted = as_the_task_wants(validation.targets, task, "validation")
                validation = Split(validation.inputs, wanted)
            yield {
                "model": model,
                "initial_model": initial_model,
                "inputs": examples.inputs,
                "targets": as_the_task_wants(examples.targets, task),
                "task": task,
                "history": None if history is None else read_history(history),
                "protocol": protocol,
                "validation": validation,
                "snapshots": snapshots,
                "siblings": siblings,
                "device": device,
            }
    finally:
        with ordinary_torch():
            for guard in guards:
                guard.restore()


def _distinct(
    model: nn.Module, initial_model: nn.Module | None, siblings: Sequence[nn.Module] | None
) -> list[nn.Module]:
    """The networks that are there, each once."""
    there = [each for each in (model, initial_model, *(siblings or ())) if each is not None]
    return list({id(each): each for each in there}.values())


def _enclosed(
    model: nn.Module,
    initial_model: nn.Module | None,
    siblings: Sequence[nn.Module] | None,
    snapshots: Sequence[tuple[int, Mapping[str, Tensor]]] | None,
) -> tuple[Any, ...]:
    """Networks that are one layer as networks that have one, and what was kept of their weights."""
    whole, before, *others = (
        None if each is None else nn.Sequential(each).eval()
        for each in (model, initial_model, *(siblings or ()))
    )
    kept = snapshots and [
        (step, {f"0.{name}": value for name, value in state.items()}) for step, state in snapshots
    ]
    return whole, before, siblings and others, kept


def _require_modules(model: Any, initial_model: Any, siblings: Any) -> None:
    named = [("model", model)]
    named += [] if initial_model is None else [("initial_model", initial_model)]
    named += [(f"siblings[{place}]", each) for place, each in enumerate(siblings or ())]
    for name, each in named:
        require_network(name, each)


def _check(model: nn.Module, examples: Examples) -> None:
    precision = next((each.dtype for each in model.parameters() if each.is_floating_point()), None)
    require_finite("inputs", examples.inputs, precision)
    require_finite("targets", examples.targets)


def _differentiable(model: nn.Module) -> nn.Module:
    made_there = any(each.is_inference() for each in (*model.parameters(), *model.buffers()))
    return copy_of(model) if made_there else model
