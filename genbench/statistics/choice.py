"""Choosing the network with the smallest value."""

import numpy as np

import genbench
from genbench.ranking.selection import choose_best


@genbench.statistic
def hit_rate(values, target, axes, groups, weights):
    """Whether the network with the smallest value is among the tenth with the smallest target; 0 to 1.

    The tenth is of the networks that have a value; NaN where they are fewer than two.
    """
    return float(choose_best(values, target, np.asarray(weights)[:, None]).hit_rate[0, 0])


@genbench.statistic
def regret(values, target, axes, groups, weights):
    """Target of the network with the smallest value: 0 the best there is, 1 no better than at random.

    Best and mean are those of the networks that have a value; NaN where they are fewer than two.
    """
    return float(choose_best(values, target, np.asarray(weights)[:, None]).regret[0, 0])
