"""The built-in models, a family per file: what builds a network for a task.

Beside the families stand `layers` (normalizations, activations and initial weights, made in one place),
`depths` (which depths a residual network can have) and `roles` (which submodules are the blocks, the
normalizations, the encoder and the classifier, for those who hook into them).

A network's weights are drawn from torch's global generator, which the caller seeds. Every activation and
normalization is a module of its own, so that hooks and graph transformations find each one.
"""

from genbench.models import (
    alexnet,
    convnet,
    flattened_convnets,
    inception,
    mlp,
    network_in_network,
    residual_mlp,
    resnet,
    rnn,
    timm,
    torchvision,
    walkers,
    wide_resnet,
)

__all__ = [
    "alexnet",
    "convnet",
    "flattened_convnets",
    "inception",
    "mlp",
    "network_in_network",
    "residual_mlp",
    "resnet",
    "rnn",
    "timm",
    "torchvision",
    "walkers",
    "wide_resnet",
]
