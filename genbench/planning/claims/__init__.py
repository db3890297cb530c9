"""Claims of papers: what a suite writes down of them.

A claim is data: a statistic of a small declared vocabulary, a column of the run's table, and what the paper
says of it. The verdict of a run on it is `genbench.claims`. Nothing here imports torch.
"""

from genbench.planning.claims.claim import Claim
from genbench.planning.claims.inheritance import with_inherited
from genbench.planning.claims.reading import TEST_HISTORY, column_faults, read_claims

__all__ = ["TEST_HISTORY", "Claim", "column_faults", "read_claims", "with_inherited"]
