"""Loss and error of a network of the user's own, in whatever form it comes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.measuring.engine import device_of
from genbench.measuring.examples import Examples
from genbench.measuring.guard import ModelGuard, isolated_random_state
from genbench.measuring.task import as_the_task_wants, task_of
from genbench.networks.adapting import Selection, adapt
from genbench.networks.ambient import ordinary_torch, working_precision
from genbench.networks.passes import outputs_of

__all__ = ["loss_and_error"]


def loss_and_error(
    model: nn.Module, examples: Examples, output: Selection | None = None
) -> tuple[float, float]:
    """Loss and error in evaluation mode; the network is left as it was.

    Returns
    -------
    loss : float
        Mean cross-entropy in nats; mean squared error in regression.
    error : float
        Share of misclassified examples; 1 − R² in regression, 0 where the targets do not vary.

    Raises
    ------
    UsageError
        The network does not take the examples.
    """
    guard, device = ModelGuard(model), device_of(model)
    try:
        with isolated_random_state(0, device), ordinary_torch(working_precision(model)):
            model.eval()
            adapt(model, examples.packing, output)
            task = task_of(model, examples, output)
            outputs = outputs_of(model, examples.inputs, device).cpu()
    finally:
        with ordinary_torch():
            guard.restore()
    if task.kind == "regression":
        wanted = as_the_task_wants(examples.targets.cpu(), task).double()
        return float(F.mse_loss(outputs, wanted)), _unexplained(outputs, wanted)
    if task.outputs == 1:
        outputs = torch.cat([torch.zeros_like(outputs), outputs], 1)
    wanted = as_the_task_wants(examples.targets.cpu(), task)
    return float(F.cross_entropy(outputs, wanted)), float((outputs.argmax(1) != wanted).double().mean())


def _unexplained(outputs: Tensor, wanted: Tensor) -> float:
    spread = (wanted - wanted.mean(0)).square().sum()
    return float((outputs - wanted).square().sum() / spread) if spread else 0.0
