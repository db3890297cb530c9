"""What networks from other packages need to fit a task: a first layer for small images, and a trial pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from genbench.base.data import Task
from genbench.base.errors import InvalidInput

__all__ = ["adapt_stem", "check_forward"]


def adapt_stem(network: nn.Module, channels: int, small: bool) -> None:
    """Replace the first convolution in place where the images ask for it.

    Parameters
    ----------
    channels : int
        Channels of the images.
    small : bool
        Make the stem one for small images: a first convolution of 3 x 3 with stride 1, and no pooling
        straight behind it.
    """
    found = next(
        ((name, each) for name, each in network.named_modules() if isinstance(each, nn.Conv2d)), None
    )
    if found is None:
        return
    name, first = found
    if first.in_channels != channels or small:
        geometry: dict[str, Any] = {"kernel_size": 3, "stride": 1, "padding": 1}
        if not small:
            geometry = {key: getattr(first, key) for key in geometry}
        replacement = nn.Conv2d(channels, first.out_channels, bias=first.bias is not None, **geometry)
        nn.init.kaiming_normal_(replacement.weight, mode="fan_out", nonlinearity="relu")
        if replacement.bias is not None:
            nn.init.zeros_(replacement.bias)
        network.set_submodule(name, replacement)
    if small and isinstance(getattr(network, "maxpool", None), nn.Module):
        network.set_submodule("maxpool", nn.Identity())


def check_forward(network: nn.Module, task: Task, model: str) -> None:
    """Pass one image of zeros through the network, to learn now and not in training that it does not fit.

    Raises
    ------
    InvalidInput
        The network cannot take such an image, or does not return one row of outputs for it.
    """
    network.eval()
    try:
        with torch.no_grad():
            outputs = network(torch.zeros(1, *task.input_shape))
    except (RuntimeError, ValueError, AssertionError, IndexError, TypeError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InvalidInput(
            f"model '{model}' cannot take inputs of shape {task.input_shape}: {reason}"
        ) from error
    network.train()
    if not isinstance(outputs, torch.Tensor) or outputs.shape != (1, task.outputs):
        shape = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise InvalidInput(f"model '{model}' returns {shape} for one input, not {(1, task.outputs)}")
