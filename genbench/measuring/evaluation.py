"""Measures of a network of the user's own, without a run around it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from genbench.base.canonical import stream_seed
from genbench.base.data import Split, Task
from genbench.base.errors import NotApplicable, UsageError, first_line
from genbench.base.values import Value
from genbench.host import Host
from genbench.host.battery import Battery
from genbench.host.selection import select_measures
from genbench.host.settings import spell
from genbench.measuring.engine import compute, device_of
from genbench.measuring.given import as_tensor, require_finite
from genbench.measuring.guard import ModelGuard, isolated_random_state
from genbench.networks.ambient import ordinary_torch, working_precision
from genbench.networks.copying import copy_of
from genbench.networks.passes import forward

if TYPE_CHECKING:
    from genbench.contract.protocol import Protocol

__all__ = ["evaluate"]


def evaluate(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    initial_model: nn.Module | None = None,
    measures: str | Sequence[str] = "all",
    *,
    task: Task | None = None,
    history: Mapping[str, Sequence[Any]] | None = None,
    protocol: Protocol | None = None,
    validation: Split | None = None,
    snapshots: Sequence[tuple[int, Mapping[str, Tensor]]] | None = None,
    siblings: Sequence[nn.Module] | None = None,
    seed: int = 0,
    plugins: Sequence[str] = (),
) -> dict[str, Value]:
    """Compute generalization measures of any network on its training data.

    Model, data, gradients, training mode, ``requires_grad``, buffers, hooks and all global random states are
    left as they were; autocast, inference mode and the default precision around the call change nothing. A
    root that is not given makes the measures that need it not applicable.

    Parameters
    ----------
    model : nn.Module
        Maps a batch of inputs to a tensor of shape (batch, outputs): logits in classification. Computed with
        in its own precision, on its own device.
    inputs : array-like, shape (n, *input_shape)
        The training inputs, preprocessed as the model wants them, not augmented. They may lie on another
        device: they are moved there in chunks.
    targets : array-like
        Class indices, shape (n,), of an integer type; or real numbers, shape (n,) or (n, outputs).
    initial_model : nn.Module, optional
        The network before training.
    measures : str or sequence of str
        ``all``, names, variants such as ``inverse_margin[quantile=0.05]``, ``family:norm``, ``cost:A-C``.
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

    Returns
    -------
    dict from spelling to Value
        In the order of the words in `measures`. ``float(value)`` is the number, NaN where there is none;
        `status` and `reason` say why.

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
    with ordinary_torch():
        inputs, targets = as_tensor("inputs", inputs), as_tensor("targets", targets)
    _check(model, inputs, targets)
    if validation is not None:
        require_finite("validation", validation.inputs)
    host = Host.load(plugins)
    requests = select_measures(
        measures,
        host,
        lambda why: warnings.warn(f"left out: {why}", stacklevel=2),
    )
    battery = Battery.resolve(requests, host.probe_lookup)
    with ordinary_torch():
        # Parameters that were made in inference mode cannot be differentiated by.
        model, initial_model = _differentiable(model), initial_model and _differentiable(initial_model)
        siblings = siblings and [_differentiable(each) for each in siblings]
    models = [each for each in (model, initial_model, *(siblings or ())) if each is not None]
    guards = [ModelGuard(each) for each in models]
    device = device_of(model)
    try:
        for each in models:
            each.eval()
        with isolated_random_state(seed, device), ordinary_torch(working_precision(model)):
            task = task or _task_of(model, inputs, targets)
            roots = {
                "model": model,
                "initial_model": initial_model,
                "inputs": inputs,
                "targets": _as_the_task_wants(targets, task),
                "task": task,
                "history": history and {name: list(column) for name, column in history.items()},
                "protocol": protocol,
                "validation": validation,
                "snapshots": snapshots,
                "siblings": siblings,
                "device": device,
            }
            computed = {
                value.name: value
                for value in compute(
                    battery,
                    roots,
                    lambda component, settings: stream_seed("measure", seed, spell(component, settings)),
                )
            }
    finally:
        with ordinary_torch():
            for guard in guards:
                guard.restore()
    return {request.spelling: computed[request.spelling] for request in requests}


def _check(model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    if not isinstance(model, nn.Module):
        raise UsageError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    if len(inputs) == 0 or inputs.ndim < 2:
        raise UsageError(f"inputs: expected shape (n, *input_shape) with n > 0, got {tuple(inputs.shape)}")
    if targets.ndim == 0 or len(inputs) != len(targets):
        raise UsageError(f"inputs and targets: {len(inputs)} examples but targets of {tuple(targets.shape)}")
    precision = next((each.dtype for each in model.parameters() if each.is_floating_point()), None)
    require_finite("inputs", inputs, precision)
    require_finite("targets", targets)


def _differentiable(model: nn.Module) -> nn.Module:
    made_there = any(each.is_inference() for each in (*model.parameters(), *model.buffers()))
    return copy_of(model) if made_there else model


def _task_of(model: nn.Module, inputs: Tensor, targets: Tensor) -> Task:
    """Classification where the targets are whole numbers, with an output for each class."""
    try:
        with torch.no_grad():
            # Two examples: some networks squeeze a single one away. Copies: some work in place.
            outputs = forward(model, inputs[:2].clone()).shape[1]
    except NotApplicable as why:
        raise UsageError(f"model: {why}") from None
    except Exception as fault:  # the network's own code may raise anything
        raise UsageError(f"model: it does not take the inputs: {first_line(fault)}") from fault
    kind: Literal["classification", "regression"] = "regression"
    if not targets.is_floating_point():
        kind = "classification"
    return Task(kind, tuple(inputs.shape[1:]), outputs)


def _as_the_task_wants(targets: Tensor, task: Task) -> Tensor:
    if task.kind == "regression":
        if targets.numel() != len(targets) * task.outputs:
            raise UsageError(f"targets: {task.outputs} outputs but targets of shape {tuple(targets.shape)}")
        return targets.reshape(len(targets), task.outputs)
    if targets.ndim != 1 or targets.is_floating_point():
        raise UsageError("targets: classification takes class indices of an integer type, shape (n,)")
    if task.outputs > 1 and not 0 <= int(targets.min()) <= int(targets.max()) < task.outputs:
        raise UsageError(
            f"targets: {task.outputs} outputs but classes from {int(targets.min())} to {int(targets.max())}"
        )
    return targets.long()
