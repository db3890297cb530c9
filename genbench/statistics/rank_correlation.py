"""Kendall's tau, over all pairs and along one axis at a time."""

import genbench
from genbench.ranking.design import design_from_codes
from genbench.ranking.granulated import granulated_tau
from genbench.ranking.kendall import tau_a, tau_b


@genbench.statistic(source="Jiang et al. 2020, eq. 4")
def kendall_tau_a(values, target, axes, groups, weights):
    """Mean of sign(μ_i − μ_j)·sign(g_i − g_j) over pairs, sign(0) = 0; from −1 to 1, 0 for a constant."""
    return tau_a(values, target, weights)


@genbench.statistic(source="Kendall 1945")
def kendall_tau_b(values, target, axes, groups, weights):
    """Tau with ties taken out of the norm; from −1 to 1, NaN for a constant measure."""
    return tau_b(values, target, weights)


@genbench.statistic(source="Jiang et al. 2020, eq. 5-7")
def granulated_kendall(values, target, axes, groups, weights):
    """Ψ: tau-a within groups that agree on all other axes, averaged over groups and then over axes."""
    return float(granulated_tau(values, target, design_from_codes(axes), weights).mean[0])
