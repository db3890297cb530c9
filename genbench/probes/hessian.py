"""Products of the Hessian of the training loss with vectors, many of them at the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel

from genbench.probes.objective import Objective
from genbench.probes.sample import chunks

__all__ = ["Hessian"]

# A product costs about half as much where the gradient need not be computed anew. Its graph is kept for
# as many chunks of examples as fit in this many bytes.
_KEPT = 512 * 2**20


class Hessian:
    """∇²L(w) at the trained weights as a linear operator, whole or its blocks on the diagonal.

    Parameters
    ----------
    objective : Objective
    blocks : sequence of slice, optional
        Ranges of the weights, rising and apart; weights in none of them are constants. One block with all
        weights where left out.
    """

    def __init__(self, objective: Objective, blocks: Sequence[slice] = (slice(None),)):
        self._weights = objective.weights.detach()
        self._bounds = [each.indices(len(self._weights))[:2] for each in blocks]
        self._points = [self._weights[first:last].clone().requires_grad_() for first, last in self._bounds]
        self._count = len(objective.inputs)
        self._parts = [
            replace(objective, inputs=objective.inputs[part], targets=objective.targets[part])
            for part in chunks(objective.inputs, objective.device, copies=4)
        ]
        self._kept: list[tuple[Tensor, ...]] = []
        room, largest = _KEPT, 0
        for part in self._parts:
            if largest > room:
                break
            saved = _Saved()
            with saved:
                self._kept.append(self._slopes(part, range(len(self._points))))
            room -= saved.bytes
            largest = max(largest, saved.bytes)

    def product(self, vector: Tensor, block: int = 0) -> Tensor:
        """H v for a vector of the size of the block, in its shape."""
        result = torch.zeros_like(vector)
        for place, part in enumerate(self._parts):
            kept = place < len(self._kept)
            slope = self._kept[place][block] if kept else self._slopes(part, [block])[0]
            if slope.requires_grad:  # the loss of a linear function has no second derivative
                # The fast kernels of attention have no second derivative.
                with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
                    result += torch.autograd.grad(slope @ vector, self._points[block], retain_graph=kept)[0]
        return result

    def _slopes(self, part: Objective, blocks: Sequence[int]) -> tuple[Tensor, ...]:
        """The part's share of the gradient by each of the blocks, to be differentiated again."""
        points = [self._points[block] for block in blocks]
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            pieces, reached = [], 0
            for (first, last), point in zip([self._bounds[block] for block in blocks], points, strict=True):
                pieces += [self._weights[reached:first], point]
                reached = last
            weights = torch.cat([*pieces, self._weights[reached:]])
            loss = torch.stack([losses.sum() for losses in part.losses(weights)]).sum() / self._count
            return torch.autograd.grad(loss, points, create_graph=True, materialize_grads=True)


class _Saved(saved_tensors_hooks):
    """Counts the bytes that autograd keeps for later derivatives, each memory once."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        super().__init__(self._count, lambda kept: kept)

    @property
    def bytes(self) -> int:
        return sum(self._sizes.values())

    def _count(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        self._sizes[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # a node must not hold its own output
