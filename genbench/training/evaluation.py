"""Loss and error of a network on a set of examples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.base.data import Task
from genbench.training.pixels import Inputs

__all__ = ["evaluate", "evaluation_totals", "loss_and_error", "task_loss", "totals_as_it_is"]

# Numbers fed forward at once: 8 MiB of float32 inputs, whose activations fit in memory.
CHUNK = 2**21
# On CUDA so many times as much: there a pass costs its launches, whatever it holds.
CHUNKS_ON_CUDA = 8


def task_loss(task: Task, outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy (targets: class indices or probabilities), or mean squared error in regression."""
    if task.kind == "regression":
        return F.mse_loss(outputs, targets)
    return F.cross_entropy(outputs, targets)


def evaluate(
    model: nn.Module, inputs: Inputs, targets: Tensor, task: Task, *, device: torch.device | str
) -> tuple[float, float]:
    """Loss and error in evaluation mode, in float32, without augmentation.

    Parameters
    ----------
    model : Module
        On `device`; its mode is left as it was.
    inputs : Tensor or Pixels, shape (n, *task.input_shape)
        As the network reads them; moved to `device` in chunks where they are elsewhere.
    targets : Tensor, shape (n,) int64, or (n, outputs) in regression
    task : Task
    device : torch.device or str

    Returns
    -------
    loss : float
        Mean cross-entropy in nats; mean squared error in regression.
    error : float
        Share of misclassified examples; 1 − R² of these examples in regression, the squares summed over all
        outputs. Constant targets have the R² of scikit-learn: 1 if all are met, else 0.
    """
    totals = evaluation_totals(model, inputs, targets, task, device=device)
    return loss_and_error(totals.tolist(), targets, task)


def evaluation_totals(
    model: nn.Module, inputs: Inputs, targets: Tensor, task: Task, *, device: torch.device | str
) -> Tensor:
    """What `evaluate` sums up, left on the device, so that nothing waits for it.

    Returns
    -------
    Tensor of float64, shape (2,)
        Losses and errors; in regression squared residuals and squared deviations of the targets from their
        mean.
    """
    was_training = model.training
    model.eval()
    try:
        return totals_as_it_is(model, inputs, targets, task, torch.device(device))
    finally:
        model.train(was_training)


def totals_as_it_is(
    model: nn.Module, inputs: Inputs, targets: Tensor, task: Task, device: torch.device
) -> Tensor:
    """`evaluation_totals` of a network that is in evaluation mode: setting it takes as long as a pass."""
    sums = where_doubles_are(device)
    total_loss = torch.zeros((), dtype=torch.float64, device=sums)
    total_error = torch.zeros((), dtype=torch.float64, device=sums)
    numbers = CHUNK * (CHUNKS_ON_CUDA if device.type == "cuda" else 1)
    chunk = max(1, numbers // max(1, math.prod(inputs.shape[1:])))
    with torch.no_grad():
        for start in range(0, len(targets), chunk):
            some = slice(start, start + chunk)
            # A copy, also where nothing is moved: some networks work in place.
            outputs = model(inputs[some].to(device, copy=True)).float()
            wanted = targets[some].to(device)
            if task.kind == "regression":
                total_loss += (outputs - wanted).to(sums).double().square().sum()
            else:
                losses = F.cross_entropy(outputs, wanted, reduction="none")
                total_loss += losses.to(sums).double().sum()
                total_error += (outputs.argmax(1) != wanted).sum().to(sums)
    if task.kind == "regression":
        wanted = targets.to(where_doubles_are(targets.device)).double()
        total_error = (wanted - wanted.mean(0)).square().sum().to(sums)
    return torch.stack([total_loss, total_error])


def where_doubles_are(device: torch.device) -> torch.device:
    """The device to sum up in float64 on: the same, or the CPU for Apple's, which has no such numbers."""
    return torch.device("cpu") if device.type == "mps" else device


def loss_and_error(totals: Sequence[float], targets: Tensor, task: Task) -> tuple[float, float]:
    """What `evaluate` returns, from its totals."""
    total_loss, total_error = totals
    if task.kind != "regression":
        return total_loss / len(targets), total_error / len(targets)
    if total_error == 0:
        return total_loss / targets.numel(), 0.0 if total_loss == 0 else 1.0
    return total_loss / targets.numel(), total_loss / total_error  # 1 − R²
