"""The task of a network of the user's own, read off its targets and one pass."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from torch import Tensor, nn

from genbench.base.data import Task
from genbench.base.errors import NotApplicable, Remark, UsageError, first_line
from genbench.measuring.examples import Examples
from genbench.measuring.hints import hint_at_inputs, hint_at_output
from genbench.networks.adapting import Selection
from genbench.networks.passes import forward

__all__ = ["as_the_task_wants", "task_of"]


def task_of(model: nn.Module, examples: Examples, output: Selection | None) -> Task:
    """Classification where the targets are whole numbers, with an output for each class, or one for two.

    Raises
    ------
    UsageError
        The network, which has been adapted, does not take the inputs or returns no row for each.
    """
    # Two examples: some networks squeeze a single one away. Copies: some work in place.
    inputs = examples.inputs[:2].clone()
    try:
        with torch.no_grad():
            outputs = forward(model, inputs).shape[1]
    except NotApplicable as why:
        hint = "" if output is not None else hint_at_output(model, inputs)
        raise UsageError(f"model: {why}{hint}") from None
    except UsageError:
        raise
    except Exception as fault:  # the network's own code may raise anything
        hint = hint_at_inputs(model, inputs, examples.packing)
        raise UsageError(f"model: it does not take the inputs: {first_line(fault)}{hint}") from fault
    kind: Literal["classification", "regression"] = "regression"
    if not examples.targets.is_floating_point():
        kind = "classification"
    return Task(kind, tuple(examples.inputs.shape[1:]), outputs)


def as_the_task_wants(targets: Tensor, task: Task, what: str = "targets") -> Tensor:
    """The targets, int64 of shape (n,) or real of shape (n, outputs); a class without examples is remarked.

    Parameters
    ----------
    what : str
        The argument's name: errors begin with it. Of others than the targets no class has to be there.

    Raises
    ------
    UsageError
        They are not what the task asks for.
    """
    if task.kind == "regression":
        if targets.numel() != len(targets) * task.outputs:
            raise UsageError(f"{what}: {task.outputs} outputs but targets of shape {tuple(targets.shape)}")
        return targets.reshape(len(targets), task.outputs)
    if targets.ndim != 1 or targets.is_floating_point():
        raise UsageError(f"{what}: classification takes class indices of an integer type, shape (n,)")
    targets = targets.long()
    classes = max(2, task.outputs)
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < classes:
        raise UsageError(
            f"{what}: {task.outputs} outputs but classes from {int(targets.min())} to {int(targets.max())}; "
            "classes are counted from 0"
        )
    if what == "targets":
        _remark_missing(targets, classes)
    return targets


def _remark_missing(targets: Tensor, classes: int) -> None:
    there = torch.zeros(classes, dtype=torch.bool)
    there[targets.cpu()] = True
    missing = (~there).nonzero().flatten().tolist()
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        warnings.warn(
            f"targets: no example of {len(missing)} of the {classes} classes ({shown})", Remark, stacklevel=4
        )
