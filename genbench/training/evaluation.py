"""Loss and error of a network on a set of examples."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.base.data import Task

__all__ = ["evaluate", "task_loss"]

# Numbers fed forward at once: 8 MiB of float32 inputs, whose activations fit in memory.
CHUNK = 2**21


def task_loss(task: Task, outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy (targets: class indices or probabilities), or mean squared error in regression."""
    if task.kind == "regression":
        return F.mse_loss(outputs, targets)
    return F.cross_entropy(outputs, targets)


def evaluate(
    model: nn.Module, inputs: Tensor, targets: Tensor, task: Task, *, device: torch.device | str
) -> tuple[float, float]:
    """Loss and error in evaluation mode, in float32, without augmentation.

    Parameters
    ----------
    model : Module
        On `device`; its mode is left as it was.
    inputs : Tensor, shape (n, *task.input_shape)
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
    total_loss = torch.zeros((), dtype=torch.float64, device=device)
    total_error = torch.zeros((), dtype=torch.float64, device=device)
    chunk = max(1, CHUNK // max(1, math.prod(inputs.shape[1:])))
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for some_inputs, some_targets in zip(inputs.split(chunk), targets.split(chunk), strict=True):
                # A copy, also where nothing is moved: some networks work in place.
                outputs = model(some_inputs.to(device, copy=True)).float()
                wanted = some_targets.to(device)
                if task.kind == "regression":
                    total_loss += (outputs - wanted).double().square().sum()
                else:
                    total_loss += F.cross_entropy(outputs, wanted, reduction="none").double().sum()
                    total_error += (outputs.argmax(1) != wanted).sum()
    finally:
        model.train(was_training)
    if task.kind == "regression":
        return total_loss.item() / targets.numel(), _unexplained(total_loss.item(), targets)
    return total_loss.item() / len(targets), total_error.item() / len(targets)


def _unexplained(squares: float, targets: Tensor) -> float:
    """1 − R²: the residual sum of squares over that of the deviations from the mean."""
    wanted = targets.double()
    spread = (wanted - wanted.mean(0)).square().sum().item()
    if spread == 0:
        return 0.0 if squares == 0 else 1.0
    return squares / spread
