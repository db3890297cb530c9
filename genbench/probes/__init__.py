"""The built-in probes: intermediate quantities of a fit that several measures share.

`sample`, `outputs` and `margins` look at the training data through the network; `layers` reads the weights,
batch norm folded in by `folding`; `norms`, `normalization` and `spectra` take their norms, `eigenvalues`
their whole spectra; `paths` sums over paths; `jacobians` differentiates by the input, `gradients` and
`tangent_kernel` by the weights, example by example.
`objective` is the training loss as a function of the weights, which `perturbation` and `ascent` move and
`curvature` differentiates.
"""

from genbench.probes import (
    ascent,
    curvature,
    eigenvalues,
    folding,
    gradient_products,
    gradients,
    hidden,
    jacobians,
    layer_chain,
    layer_gradients,
    layers,
    margins,
    normalization,
    norms,
    objective,
    outputs,
    paths,
    perturbation,
    sample,
    spectra,
    tangent_kernel,
)

__all__ = [
    "ascent",
    "curvature",
    "eigenvalues",
    "folding",
    "gradient_products",
    "gradients",
    "hidden",
    "jacobians",
    "layer_chain",
    "layer_gradients",
    "layers",
    "margins",
    "normalization",
    "norms",
    "objective",
    "outputs",
    "paths",
    "perturbation",
    "sample",
    "spectra",
    "tangent_kernel",
]
