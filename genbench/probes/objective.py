"""The training loss and accuracy as functions of the weights, for whatever moves the weights.

Perturbations, ascent and curvature all see the network as one vector of weights. They work on a copy, so that
the network itself is never touched.
"""

from __future__ import annotations

import torch

import genbench
from genbench.base.constraints import Count
from genbench.networks.copying import copy_of
from genbench.networks.kinds import is_batch_norm
from genbench.networks.objective import Objective
from genbench.networks.passes import evenly_spaced, forward, require_classes
from genbench.networks.watching import called

__all__ = ["objective"]

_FOLDED = genbench.need("folded_model", fold=genbench.setting("fold"))


@genbench.probe(cost="B")
def objective(
    model, inputs, targets, task, device, folded=_FOLDED,
    *, fold: bool = True, biases: bool = True, examples: Count = 10_000,
) -> Objective:  # fmt: skip
    """The training sample as a function of the weights.

    Parameters
    ----------
    fold : bool
        Fold batch norm into the weights beside it; what is left of it is not moved. Otherwise the weights are
        the network's own parameters, those of batch norm included.
    biases : bool
        Whether biases and scales are moved too, or tensors of two dimensions and more only.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        There is nothing to move; the weights are not finite; a batch norm keeps no running statistics; the
        network does not return one row of outputs for each example, or not one output for each class.
    """
    norms = {name: module for name, module in folded.named_modules() if is_batch_norm(module)}
    if any(norm.running_var is None for norm in norms.values()):
        raise genbench.NotApplicable("a batch norm keeps no running statistics")
    moved = {
        name: parameter
        for name, parameter in folded.named_parameters()
        if parameter.is_floating_point()
        and parameter.numel()
        and not (fold and name.rpartition(".")[0] in norms)
        and (biases or parameter.ndim > 1)
    }
    matrices = [name for name, parameter in moved.items() if parameter.ndim > 1]
    if not matrices:
        raise genbench.NotApplicable("the network has no weight layers")
    owners = {name.rpartition(".")[0] for name in matrices}
    seen = [name for name in called(folded, inputs[:2]) if name in owners]
    last = seen[-1] if seen else matrices[-1].rpartition(".")[0]
    if last != matrices[-1].rpartition(".")[0]:
        # The weights of the layer that is called last come last, wherever they are defined.
        own = {name: each for name, each in moved.items() if name.rpartition(".")[0] == last}
        moved = {name: each for name, each in moved.items() if name not in own} | own
    precision = torch.promote_types(next(iter(model.parameters())).dtype, torch.float32)
    weights = torch.cat([parameter.detach().flatten() for parameter in moved.values()]).to(precision)
    if not weights.isfinite().all():
        raise genbench.NotApplicable("the weights are not finite")
    picked = evenly_spaced(inputs, examples)
    if task.kind == "classification":
        require_classes(task, forward(model, inputs[:2]))
    names = tuple(moved)
    final = next(name for name in reversed(names) if name in matrices and name.rpartition(".")[0] == last)
    before = [name for name in names[: names.index(final)] if name.rpartition(".")[0] != last]
    return Objective(
        weights=weights,
        top=sum(moved[name].numel() for name in before),
        model=copy_of(folded).to(precision),
        names=names,
        shapes=tuple(parameter.shape for parameter in moved.values()),
        inputs=picked.to(precision) if picked.is_floating_point() else picked,
        targets=evenly_spaced(targets, examples),
        classification=task.kind == "classification",
        device=device,
    )
