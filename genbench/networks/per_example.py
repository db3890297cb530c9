"""Gradients of the loss of single examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import grad_and_value, vmap

from genbench.base.errors import InvalidInput
from genbench.networks.functional import call_with
from genbench.networks.kinds import is_batch_norm

__all__ = ["per_example_gradients"]


def per_example_gradients(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    criterion: Callable[[Tensor, Tensor], Tensor],
    *,
    chunk: int | None = None,
    names: Sequence[str] | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Gradient and loss of each example, by vectorizing the gradient of one.

    Parameters
    ----------
    model : Module
    inputs : Tensor, shape (n, *input_shape)
    targets : Tensor, shape (n,) or (n, outputs)
    criterion : callable (outputs, targets) -> scalar Tensor
        The mean loss of a batch; called with batches of one.
    chunk : int, optional
        How many examples at once; all where left out.
    names : sequence of str, optional
        The parameters to differentiate by; all that are trained where left out.

    Returns
    -------
    gradients : dict from parameter name to Tensor, shape (n, *parameter.shape)
        Of the parameters that are trained, or of those named.
    losses : Tensor, shape (n,)

    Raises
    ------
    InvalidInput
        The network has batch normalization in training mode.
    """
    _refuse_batch_normalization(model)
    constants = {name: each.detach() for name, each in model.named_parameters()}
    trained = {
        name: constants.pop(name)
        for name, each in model.named_parameters()
        if each.requires_grad and (names is None or name in names)
    }

    def example_loss(parameters: dict[str, Tensor], one_input: Tensor, one_target: Tensor) -> Tensor:
        outputs = call_with(model, {**constants, **parameters}, one_input.unsqueeze(0))
        return criterion(outputs, one_target.unsqueeze(0))

    gradient = grad_and_value(example_loss)
    # torch's recurrent kernels have no batching rule, and some fail under vmap.
    if not any(isinstance(module, nn.RNNBase) for module in model.modules()):
        vectorized = vmap(gradient, in_dims=(None, 0, 0), randomness="different", chunk_size=chunk)
        try:
            return vectorized(trained, inputs, targets)
        except (NotImplementedError, RuntimeError):
            pass  # functions of a network's own, and values that decide what it does, fail there too
    pairs = [gradient(trained, *example) for example in zip(inputs, targets, strict=True)]
    stacked = {name: torch.stack([each[name] for each, _ in pairs]) for name in trained}
    return stacked, torch.stack([loss for _, loss in pairs])


def _refuse_batch_normalization(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if is_batch_norm(module) and module.training:
            raise InvalidInput(
                f"per-example gradients do not exist for a network with batch normalization in training mode "
                f"('{name}'): each output depends on the whole batch; choose normalization 'layer', 'group' "
                "or 'none'"
            )
