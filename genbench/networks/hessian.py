"""Products of the Hessian of the training loss with vectors, many of them at the same weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from genbench.networks.ambient import twice_differentiable
from genbench.networks.derivatives import needing_derivatives, require_derivatives
from genbench.networks.freezing import require_gradients
from genbench.networks.objective import Objective

__all__ = ["Hessian"]

# A product costs about half as much where the gradient need not be computed anew. Its graph is kept for
# as many chunks of examples as fit in this many bytes.
_KEPT = 256 * 2**20


class Hessian:
    """∇²L(w) at the trained weights as a linear operator, whole or its blocks on the diagonal.

    Parameters
    ----------
    objective : Objective
    blocks : sequence of sequences of int, optional
        Places of the parameters of each block in `objective.shapes`; parameters in none are constants. One
        block with all of them where left out.
    """

    def __init__(self, objective: Objective, blocks: Sequence[Sequence[int]] | None = None):
        self._blocks = [range(len(objective.shapes))] if blocks is None else blocks
        moved = [place for block in self._blocks for place in block]
        # Each parameter is a leaf of its own, so that the product of a block does nothing for the others.
        self._pieces = [piece.detach().clone() for piece in objective.pieces(objective.weights)]
        for place in moved:
            self._pieces[place].requires_grad_()
        self._count = len(objective.inputs)
        self._parts = list(objective.parts(copies=8))
        self._kept: list[dict[int, Tensor]] = []
        room, largest = _KEPT, 0
        for part in self._parts:
            if largest > room:
                break
            saved = _Saved()
            with saved:
                self._kept.append(self._slopes(part, moved))
            room -= saved.bytes
            largest = max(largest, saved.bytes)

    def product(self, vector: Tensor, block: int = 0) -> Tensor:
        """H v for a vector of the size of the block, in its shape."""
        places = self._blocks[block]
        points = [self._pieces[place] for place in places]
        split = vector.split([point.numel() for point in points])
        directions = dict(zip(places, split, strict=True))
        result = torch.zeros_like(vector)
        for index, part in enumerate(self._parts):
            kept = index < len(self._kept)
            slopes = self._kept[index] if kept else self._slopes(part, places)
            # The loss of a linear function has no second derivative.
            curved = [place for place in places if slopes[place].requires_grad]
            if not curved:
                continue
            cotangents = [directions[place].view_as(slopes[place]) for place in curved]
            # The fast kernels of attention have no second derivative.
            with torch.enable_grad(), twice_differentiable(), needing_derivatives():
                images = torch.autograd.grad(
                    [slopes[place] for place in curved],
                    points,
                    cotangents,
                    retain_graph=kept,
                    materialize_grads=True,
                )
            result += torch.cat([image.flatten() for image in images])
        return result

    def _slopes(self, part: Objective, places: Sequence[int]) -> dict[int, Tensor]:
        """The part's share of the gradient by some of the parameters, to be differentiated again."""
        with torch.enable_grad(), twice_differentiable(), needing_derivatives():
            loss = torch.stack([losses.sum() for losses in part.losses(self._pieces)]).sum() / self._count
            require_gradients(loss)
            points = [self._pieces[place] for place in places]
            slopes = torch.autograd.grad(loss, points, create_graph=True, materialize_grads=True)
        require_derivatives(slopes)
        return dict(zip(places, slopes, strict=True))


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
