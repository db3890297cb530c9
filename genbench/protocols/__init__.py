"""The built-in protocols, a file each, or for one recipe with one thing changed.

Every setting of every protocol can be an axis; a protocol of its own is what a paper's recipe deserves.
"""

from genbench.protocols import (
    curve_fitting,
    hard_settings,
    initialization_scale,
    interpolate,
    random_labels,
    random_pretraining,
    resnet,
    vanilla_sgd,
    wide_resnet,
)

__all__ = [
    "curve_fitting",
    "hard_settings",
    "initialization_scale",
    "interpolate",
    "random_labels",
    "random_pretraining",
    "resnet",
    "vanilla_sgd",
    "wide_resnet",
]
