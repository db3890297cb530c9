"""What the order of a measure tells about the order of the target, hyperparameters known."""

import genbench
from genbench.ranking import mutual_information
from genbench.ranking.design import design_from_codes


@genbench.statistic(source="Jiang et al. 2020, eq. 8-10")
def conditional_information(values, target, axes, groups, weights):
    """K: smallest normalized mutual information over sets of at most two axes, signed as the association."""
    design = design_from_codes(axes)
    return mutual_information.conditional_information(values, target, design, weights).signed
