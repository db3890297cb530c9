"""What torch has no derivative of, said in a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor

from genbench.base.errors import NotApplicable

__all__ = ["is_missing_derivative", "needing_derivatives", "require_derivatives"]

_MISSING = re.compile(
    r"derivative for '?(?:aten::)?(?P<first>\w+?)'? is not implemented"
    r"|forward AD with (?P<second>\w+) that does not support it"
    r"|(?P<own>custom autograd\.Function|an autograd\.Function with functorch|trying to differentiate twice)"
)
_OWN = "a function of its own"


@contextmanager
def needing_derivatives() -> Iterator[None]:
    """Raise NotApplicable where the block fails for a derivative that torch or the network does not have."""
    try:
        yield
    except (NotImplementedError, RuntimeError) as fault:
        operation = _without_derivative(fault)
        if operation is None:
            raise
        raise _not_applicable(operation) from None


def require_derivatives(slopes: Iterable[Tensor]) -> None:
    """Raise NotApplicable where derivatives come from an operation that can be differentiated once only.

    Its outputs hang on a node that raises, but torch passes over a node that leads to no variable of those
    that one asks for: the second derivative would lack a part.
    """
    seen = set()
    ahead = [each.grad_fn for each in slopes]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        if node.name() == "torch::autograd::Error":
            raise _not_applicable(_OWN)
        seen.add(node)
        ahead += [before for before, _ in node.next_functions]


def _not_applicable(operation: str) -> NotApplicable:
    return NotApplicable(f"the network has an operation without a second derivative: {operation}")


def is_missing_derivative(fault: Exception) -> bool:
    """Whether torch says so of a derivative that an operation does not have."""
    return _without_derivative(fault) is not None


def _without_derivative(fault: Exception) -> str | None:
    found = _MISSING.search(str(fault))
    if found is None:
        return None
    if found["own"]:
        return _OWN
    return (found["first"] or found["second"]).removeprefix("_").removesuffix("_backward")
