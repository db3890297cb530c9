"""The built-in probes: intermediate quantities of a fit that several measures share.

`outputs` and `margins` look at the training data through the network; `layers` reads the weights, batch norm
folded in by `genbench.networks.folding`; `norms`, `normalization` and `spectra` take their norms,
`eigenvalues` their whole spectra, to which `truncated_power_laws`, `random_matrices` and `low_rank` fit laws
of their own; `unrolled` is a recurrent network over time; `paths` sums over paths; `jacobians` differentiates
by the input, `gradients` and `tangent_kernel` by the weights, example by example, and `trajectory` at the
weights along training.
`objective` is the training loss as a function of the weights, which `perturbation`, `radii`, `ascent` and
`worst_case` move and `curvature`, `spectral_density` and `stability` differentiate twice, by the products of
`genbench.networks.hessian`; `fisher` has the Fisher information, `adversarial` moves the inputs.
`hidden` looks at the layers between, `hidden_jacobians` at the derivatives by them, `layer_chain` at all
Jacobians of a network without branches, and `class_pairs` looks between examples of a class.
`stiffness` reads pairs of examples off the Gram matrix of `gradients`, `validation` looks at examples held
out of training, `siblings` at the fits with other seeds.
"""

from genbench.probes import (
    adversarial,
    ascent,
    class_pairs,
    curvature,
    eigenvalues,
    fisher,
    gradients,
    hidden,
    hidden_jacobians,
    jacobians,
    layer_chain,
    layers,
    low_rank,
    margins,
    normalization,
    norms,
    objective,
    outputs,
    paths,
    perturbation,
    radii,
    random_matrices,
    siblings,
    spectra,
    spectral_density,
    stability,
    stiffness,
    tangent_kernel,
    trajectory,
    truncated_power_laws,
    unrolled,
    validation,
    worst_case,
)

__all__ = [
    "adversarial",
    "ascent",
    "class_pairs",
    "curvature",
    "eigenvalues",
    "fisher",
    "gradients",
    "hidden",
    "hidden_jacobians",
    "jacobians",
    "layer_chain",
    "layers",
    "low_rank",
    "margins",
    "normalization",
    "norms",
    "objective",
    "outputs",
    "paths",
    "perturbation",
    "radii",
    "random_matrices",
    "siblings",
    "spectra",
    "spectral_density",
    "stability",
    "stiffness",
    "tangent_kernel",
    "trajectory",
    "truncated_power_laws",
    "unrolled",
    "validation",
    "worst_case",
]
