"""The network of a trial as it is initialized."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from genbench.base.data import Task
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer

__all__ = ["build_network"]


def build_network(
    build: Callable[[Task], nn.Module],
    task: Task,
    regularizers: Sequence[Regularizer],
    protocol: Protocol,
    seed: int,
) -> nn.Module:
    """Build and initialize a network on the CPU; the caller's random state stays as it was.

    Parameters
    ----------
    build : callable
        A model component with its settings filled in.
    task : Task
    regularizers : sequence of Regularizer
        Each may change the architecture, in this order.
    protocol : Protocol
        Its `initialization_std` replaces, and its `initialization_scale` multiplies, all weights with two
        dimensions or more.
    seed : int
        Of the stream ``initialization``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        model = build(task)
        for regularizer in regularizers:
            model = regularizer.build(model, task)
        weights = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
        if protocol.initialization_std is not None:
            for weight in weights:
                nn.init.normal_(weight, std=protocol.initialization_std)
    if protocol.initialization_scale != 1:
        with torch.no_grad():
            for weight in weights:
                weight.mul_(protocol.initialization_scale)
    return model
