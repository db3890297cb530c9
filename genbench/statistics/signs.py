"""How often pairs of networks that differ in one hyperparameter are ordered wrongly."""

import numpy as np

import genbench
from genbench.ranking.design import design_from_codes
from genbench.ranking.sign_error import environment_losses


@genbench.statistic(source="Dziugaite et al. 2020, section 4")
def sign_error(values, target, axes, groups, weights):
    """Mean share of wrongly ordered pairs over pairs of configurations one axis apart, ties one half; 0 to 1.

    Pairs of fits count equally within an environment, an environment with the product of its configurations'
    weights. The values must be oriented: larger should mean a larger target.
    """
    design = design_from_codes(axes)
    found = environment_losses(np.asarray(values, dtype=float)[:, None], target, design, None, 0.0)
    of_configuration = np.zeros(design.n_configurations)
    of_configuration[design.configuration] = weights
    weight = of_configuration[found.nodes[:, 0]] * of_configuration[found.nodes[:, 1]]
    return float((weight * found.loss[:, 0]).sum() / weight.sum()) if weight.sum() > 0 else float("nan")
