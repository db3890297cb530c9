"""Spearman's and Pearson's correlation, and how well a straight line fits."""

import numpy as np

import genbench
from genbench.ranking import correlation
from genbench.ranking.ranks import dense_rank
from genbench.ranking.regression import configuration_folds, linear_fit


@genbench.statistic(source="Spearman 1904")
def spearman(values, target, axes, groups, weights):
    """Correlation of the ranks, ties at their mean rank; from −1 to 1, NaN for a constant measure."""
    return correlation.spearman(values, target, weights)


@genbench.statistic(source="Pearson 1895")
def pearson(values, target, axes, groups, weights):
    """Linear correlation over the fits with a finite value; from −1 to 1, NaN for a constant measure."""
    return correlation.pearson(values, target, weights)


@genbench.statistic
def r2(values, target, axes, groups, weights):
    """R² of a straight line over the fits with a finite value; from 0 to 1, whichever the direction."""
    return float(linear_fit(values, target, weights).r2[0, 0])


@genbench.statistic(source="Jiang et al. 2019, section 4")
def r2_cross_validated(values, target, axes, groups, weights):
    """R² of a straight line on configurations that were left out of its fit, whichever the line's direction.

    At most 1; negative where the line tells less than the mean.
    """
    folds = configuration_folds(dense_rank(np.asarray(groups)))
    return float(linear_fit(values, target, weights, folds).r2_cv[0, 0])
