"""torch's optimizers with the step itself and nothing around it.

Around it stand hooks, marks for a profiler and requests to torch's compiler, which they import for that: of a
small network's step longer than the step, and a second and a half before the first one.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, TypeVar

import torch

__all__ = ["plain_steps"]

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)


@cache
def plain_steps(kind: type[Kind]) -> type[Kind]:
    """The same optimizer, whose step calls no hooks; what it computes is the same to the bit."""
    bare = inspect.unwrap(kind.step)

    def step(self: Kind, closure: None = None) -> Any:
        with torch.no_grad():
            return bare(self, closure)

    step.hooked = True  # type: ignore[attr-defined]  # what torch looks for before it wraps a step
    return type(kind.__name__, (kind,), {"step": step})
