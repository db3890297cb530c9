"""What the network says on the training data: logits, losses, errors, from one forward pass."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

import genbench
from genbench.networks.passes import outputs_of, require_classes

__all__ = ["errors", "logits", "losses", "sample_size"]


@genbench.probe(cost="B")
def logits(model, inputs, device) -> Tensor:
    """Outputs of the network on the training inputs, shape (n, outputs), double precision."""
    return outputs_of(model, inputs, device)


@genbench.probe
def losses(logits, targets, task) -> Tensor:
    """Cross-entropy in nats of each training example, in regression its mean squared error, shape (n,)."""
    targets = targets.to(logits.device)
    if task.kind == "classification":
        require_classes(task, logits)
        return F.cross_entropy(logits, targets, reduction="none")
    return (logits - targets.double().reshape(logits.shape)).square().mean(1)


@genbench.probe
def errors(logits, targets, task) -> Tensor:
    """Error of the training split as one number: the share misclassified, 1 − R² in regression.

    Raises
    ------
    NotApplicable
        Some outputs are not finite; or the targets of a regression are all the same, and R² is not defined.
    """
    targets = targets.to(logits.device)
    if task.kind == "classification":
        require_classes(task, logits)
    if not logits.isfinite().all():
        raise genbench.NotApplicable("the outputs of the network are not finite")
    if task.kind == "classification":
        return (logits.argmax(1) != targets).double().mean()
    targets = targets.double().reshape(logits.shape)
    if (targets == targets[0]).all():
        raise genbench.NotApplicable("the targets do not vary")
    return (logits - targets).square().sum() / (targets - targets.mean(0)).square().sum()


@genbench.probe
def sample_size(targets) -> int:
    """Number of training examples, m in the bounds."""
    return len(targets)
