"""The built-in statistics as components: thin wrappers of `genbench.ranking`, one file per family.

Each takes the rows that have a value: `values` and `target`, arrays of n; `axes`, a mapping from axis to
integer codes; `groups`, the integer code of the configuration; `weights`, with whose products pairs count.
"""

from genbench.statistics.choice import hit_rate, regret
from genbench.statistics.correlation import pearson, r2, r2_cross_validated, spearman
from genbench.statistics.information import conditional_information
from genbench.statistics.rank_correlation import granulated_kendall, kendall_tau_a, kendall_tau_b
from genbench.statistics.signs import sign_error

__all__ = [
    "conditional_information",
    "granulated_kendall",
    "hit_rate",
    "kendall_tau_a",
    "kendall_tau_b",
    "pearson",
    "r2",
    "r2_cross_validated",
    "regret",
    "sign_error",
    "spearman",
]
