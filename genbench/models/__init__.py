"""The built-in models, a family per file: what builds a network for a task.

Beside the families stand `layers` (normalizations, activations and initial weights, made in one place),
`shapes` (what a task's inputs are taken for), `depths` (which depths a residual network can have),
`image_network` (the frame of the networks for images) and `foreign` (what networks of other packages need).
Each network says which of its submodules play the roles of `genbench.networks.roles`.

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
