"""One pass over a fit or a network: from a resolved battery to values.

`engine` walks the battery's graph, each probe once; `guard` keeps what components share read-only; `cost` is
the clock. `evaluation` measures a network of the user's own.
"""

from genbench.measuring.engine import compute

__all__ = ["compute"]
