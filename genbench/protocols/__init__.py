"""The built-in protocols, one per file: `interpolate`, `resnet`, `wide-resnet`, `vanilla-sgd`."""

from genbench.protocols import interpolate, resnet, vanilla_sgd, wide_resnet

__all__ = ["interpolate", "resnet", "vanilla_sgd", "wide_resnet"]
