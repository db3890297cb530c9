"""The built-in generalization measures, one family per file; `conventions` holds what the families share.

A measure is a formula of the probes that its parameters name. Published variants of one measure (batch norm
folded or not, kernels reshaped or as operators, which quantile of the margins) are its settings, and the
defaults are those of Jiang et al. 2020, "Fantastic generalization measures and where to find them", except
that nothing is divided by the number of examples unless asked for.
"""

from genbench.measures import (
    bounds,
    calibration,
    controls,
    curvature,
    distances,
    gradient_interaction,
    heavy_tail,
    hidden_jacobians,
    linear_regions,
    lipschitz_augmentation,
    margins,
    normalized_loss,
    norms,
    pac_bayes,
    paths,
    pgdl,
    representation,
    robustness,
    sharpness,
    smoothness,
    spectral,
    speed,
    tangent_kernel,
)

__all__ = [
    "bounds",
    "calibration",
    "controls",
    "curvature",
    "distances",
    "gradient_interaction",
    "heavy_tail",
    "hidden_jacobians",
    "linear_regions",
    "lipschitz_augmentation",
    "margins",
    "normalized_loss",
    "norms",
    "pac_bayes",
    "paths",
    "pgdl",
    "representation",
    "robustness",
    "sharpness",
    "smoothness",
    "spectral",
    "speed",
    "tangent_kernel",
]
