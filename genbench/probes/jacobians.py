"""Derivatives of the outputs by the input, one Jacobian pass for all measures that need them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import genbench
from genbench.constraints import Count
from genbench.probes.sample import chunks, evenly_spaced, forward

__all__ = ["InputJacobians", "input_jacobians"]


@dataclass(frozen=True)
class InputJacobians:
    """Input-output Jacobians J = ∂f/∂x of s training examples, as their Gram matrices.

    Attributes
    ----------
    gram : Tensor, shape (s, outputs, outputs)
        J Jᵀ, double: its trace is ‖J‖_F², its largest eigenvalue ‖J‖₂², and uᵀ J Jᵀ u the squared norm of the
        gradient of uᵀ f.
    outputs : Tensor, shape (s, outputs)
        f(x), double.
    targets : Tensor, shape (s,) or (s, outputs)
    """

    gram: Tensor
    outputs: Tensor
    targets: Tensor


@genbench.probe(cost="C")
def input_jacobians(model, inputs, targets, task, device, *, examples: Count = 500) -> InputJacobians:
    """Jacobians of the outputs (logits) by the input.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split. The cost is that of as
        many backward passes as there are outputs.

    Raises
    ------
    NotApplicable
        The inputs are not numbers that one can differentiate by.
    """
    if not inputs.is_floating_point():
        raise genbench.NotApplicable(f"one cannot differentiate by inputs of type {inputs.dtype}")
    chosen = evenly_spaced(len(inputs), examples).to(inputs.device)
    picked = inputs[chosen]
    grams, outputs = [], []
    for part in chunks(picked, device, copies=2 + task.outputs):
        with torch.enable_grad():
            point = picked[part].to(device, copy=True).requires_grad_()
            values = forward(model, point)
            rows = [
                torch.autograd.grad(values[:, output].sum(), point, retain_graph=True)[0].flatten(1)
                for output in range(values.shape[1])
            ]
        jacobian = torch.stack(rows, dim=1).double()
        grams.append(jacobian @ jacobian.transpose(1, 2))
        outputs.append(values.detach().double())
    return InputJacobians(torch.cat(grams), torch.cat(outputs), targets[chosen.to(targets.device)])
