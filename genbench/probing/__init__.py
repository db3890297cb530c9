"""Probing: from a list of measures to their values in one pass over a fit.

`battery` resolves what each measure needs into one graph and checks it whole; `engine` walks the graph, each
probe once; `guard` keeps what components share read-only; `cost` is the clock. Resolving imports no torch, so
that plans and stores can ask a battery for costs and keys.
"""

from genbench.probing.battery import Battery, Request
from genbench.values import Status, Value

__all__ = ["Battery", "Request", "Status", "Value"]
