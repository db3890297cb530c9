"""The built-in regularizers, a method or a family per file."""

from genbench.regularizers import (
    dropout,
    early_stopping,
    generalization_layer,
    jacobian,
    label_smoothing,
    langevin,
    noisy_data,
    none,
    normalization,
    path_norm,
    robust_mean,
    sharpness_aware,
    smoothness,
    spectral,
    weight_decay,
)

__all__ = [
    "dropout",
    "early_stopping",
    "generalization_layer",
    "jacobian",
    "label_smoothing",
    "langevin",
    "noisy_data",
    "none",
    "normalization",
    "path_norm",
    "robust_mean",
    "sharpness_aware",
    "smoothness",
    "spectral",
    "weight_decay",
]
