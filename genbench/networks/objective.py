"""The training loss and accuracy as functions of the weights, for whatever moves the weights.

Perturbations, ascent and curvature all see the network as one vector of weights. They work on a copy, so that
the network itself is never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.base.errors import NotApplicable
from genbench.networks.freezing import require_gradients
from genbench.networks.functional import Replaceable
from genbench.networks.passes import chunks

__all__ = ["Objective"]


@dataclass(frozen=True)
class Objective:
    """Loss and accuracy on s training examples at any weights.

    Attributes
    ----------
    weights : Tensor, shape (parameters,)
        The trained weights that may be moved, one behind the other, in the network's own precision.
    top : int
        Where in `weights` those of the last layer begin.
    model : Module
        A copy of the network; what is not in `weights` stays as it is there.
    names, shapes : tuple
        Of the parameters in `weights`.
    inputs, targets : Tensor
    classification : bool
    device : torch.device
    called : Replaceable
        Made of `model` and `names`: calls the network with other weights.
    """

    weights: Tensor
    top: int
    model: nn.Module
    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    inputs: Tensor
    targets: Tensor
    classification: bool
    device: torch.device
    called: Replaceable = field(default=None, repr=False, compare=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        known: Replaceable | None = self.called
        if known is None or known.model is not self.model or known.names != self.names:
            object.__setattr__(self, "called", Replaceable(self.model, self.names))

    def losses(
        self, weights: Tensor | Sequence[Tensor], *, normalized: bool = False, copies: int = 1
    ) -> Iterator[Tensor]:
        """Losses of the examples of each chunk, double: their sum over chunks, divided by s, is the loss.

        Parameters
        ----------
        weights : Tensor, shape (parameters,)
            Or a tensor of each of `shapes`.
        normalized : bool
            Centre the logits of each example and divide them by their Euclidean norm first.
        copies : int
            As in `chunks`.
        """
        for outputs, targets in self._passes(weights, copies):
            values = outputs.double()
            if normalized:
                values = F.normalize(values - values.mean(1, keepdim=True), dim=1)
            if self.classification:
                yield F.cross_entropy(values, targets, reduction="none")
            else:
                yield (values - targets.double().reshape(values.shape)).square().mean(1)

    def loss(self, weights: Tensor, *, normalized: bool = False) -> float:
        """Mean cross-entropy in nats, in regression the mean squared error."""
        return float(self.unread_loss(weights, normalized=normalized))

    def unread_loss(self, weights: Tensor, *, normalized: bool = False) -> Tensor:
        """`loss`, shape (), double, still on the device: reading a number there waits for all before it."""
        parts = [part.sum() for part in self.losses(weights, normalized=normalized)]
        return torch.stack(parts).sum() / len(self.inputs)

    def accuracy(self, weights: Tensor) -> float:
        """Share of the examples that are classified correctly.

        Raises
        ------
        NotApplicable
            The task is regression.
        """
        return float(self.unread_accuracy(weights))

    def unread_accuracy(self, weights: Tensor) -> Tensor:
        """`accuracy`, shape (), double, still on the device."""
        self.require_classification()
        correct = [(out.argmax(1) == targets).sum() for out, targets in self._passes(weights)]
        return torch.stack(correct).sum().double() / len(self.inputs)

    def gradient(self, weights: Tensor) -> Tensor:
        """Gradient of `loss`, shape (parameters,), in the precision of the weights."""
        return self._loss_and_gradient(weights, normalized=False)[1]

    def loss_and_gradient(self, weights: Tensor, *, normalized: bool = False) -> tuple[float, Tensor]:
        """`loss` and its gradient from one pass."""
        loss, gradient = self._loss_and_gradient(weights, normalized=normalized)
        return float(loss), gradient

    def _loss_and_gradient(self, weights: Tensor, *, normalized: bool) -> tuple[Tensor, Tensor]:
        loss = torch.zeros((), dtype=torch.float64, device=self.device)
        with torch.enable_grad():
            point = weights.detach().clone().requires_grad_()
            total = torch.zeros_like(point)
            for part in self.losses(point, normalized=normalized, copies=2):
                require_gradients(part)
                share = part.sum() / len(self.inputs)
                total += torch.autograd.grad(share, point)[0]
                loss += share.detach()
        return loss, total

    def parts(self, copies: int) -> Iterator[Objective]:
        """The objectives of chunks of examples, one behind the other; `copies` as in `chunks`."""
        for part in chunks(self.inputs, self.device, copies):
            yield self.of(part)

    def batches(self, size: int) -> Iterator[Objective]:
        """The objectives of batches of up to `size` examples, which lie apart as the examples do.

        Of n batches the k-th has every n-th example, beginning with the k-th, so that sorted classes are
        spread over all.
        """
        count = -(-len(self.inputs) // size)
        for start in range(count):
            yield self.of(slice(start, None, count))

    def of(self, some: slice) -> Objective:
        """The objective of some of the examples."""
        return replace(self, inputs=self.inputs[some], targets=self.targets[some])

    def require_classification(self) -> None:
        """Raise NotApplicable in regression."""
        if not self.classification:
            raise NotApplicable("accuracy is defined for classification only")

    def pieces(self, weights: Tensor) -> list[Tensor]:
        """Views of a vector of weights in the parameters' shapes."""
        parts = weights.split_with_sizes([shape.numel() for shape in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def _passes(self, weights: Tensor | Sequence[Tensor], copies: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        pieces = self.pieces(weights) if isinstance(weights, Tensor) else weights
        for part in chunks(self.inputs, self.device, copies):
            outputs = self.called(pieces, self.inputs[part].to(self.device))
            yield outputs, self.targets[part].to(self.device)
