"""The built-in probes: intermediate quantities of a fit that several measures share.

`sample`, `outputs` and `margins` look at the training data through the network; `layers` reads the weights,
batch norm folded in by `folding`; `norms`, `normalization` and `spectra` take their norms, `eigenvalues`
their whole spectra; `paths` sums over paths; `jacobians` differentiates by the input.
"""

from genbench.probes import (
    eigenvalues,
    folding,
    jacobians,
    layers,
    margins,
    normalization,
    norms,
    outputs,
    paths,
    sample,
    spectra,
)

__all__ = [
    "eigenvalues",
    "folding",
    "jacobians",
    "layers",
    "margins",
    "normalization",
    "norms",
    "outputs",
    "paths",
    "sample",
    "spectra",
]
