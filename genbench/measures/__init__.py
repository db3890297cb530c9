"""The built-in generalization measures, one family per file; `conventions` holds what the families share.

A measure is a formula of the probes that its parameters name. Published variants of one measure (batch norm
folded or not, kernels reshaped or as operators, which quantile of the margins) are its settings, and the
defaults are those of Jiang et al. 2020, "Fantastic generalization measures and where to find them", except
that nothing is divided by the number of examples unless asked for.
"""

from genbench.measures import (
    calibration,
    controls,
    distances,
    heavy_tail,
    margins,
    normalized_loss,
    norms,
    paths,
    robustness,
    smoothness,
    spectral,
    speed,
)

__all__ = [
    "calibration",
    "controls",
    "distances",
    "heavy_tail",
    "margins",
    "normalized_loss",
    "norms",
    "paths",
    "robustness",
    "smoothness",
    "spectral",
    "speed",
]
