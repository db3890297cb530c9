"""Rank measures by how well they predict a target: plain functions on arrays, and a front end on tables.

Nothing here imports torch or the rest of genbench. pandas, scipy and the compiled loops are imported when
used.
"""

from genbench.ranking.across import Across, rank_across
from genbench.ranking.api import rank
from genbench.ranking.board import Board
from genbench.ranking.errors import RankingError
from genbench.ranking.flips import Flips, rank_flips

__all__ = ["Across", "Board", "Flips", "RankingError", "rank", "rank_across", "rank_flips"]
