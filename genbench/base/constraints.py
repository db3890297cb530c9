"""Types of settings with their range, for annotations: the range is checked when a suite is read."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

__all__ = ["Count", "Fraction", "NoiseKind", "NonNegative", "Positive", "Probability", "Risk", "Threads"]

Count = Annotated[int, Ge(1)]
"""A whole number from 1."""

Threads = Annotated[int, Ge(1), Le(1024)]
"""Of one worker."""

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]

Fraction = Annotated[float, Ge(0), Le(1)]
"""From 0 to 1, both included."""

Probability = Annotated[float, Ge(0), Lt(1)]
"""From 0 to 1, 1 excluded: a momentum, the rate of dropout."""

Risk = Annotated[float, Gt(0), Lt(1)]
"""Between 0 and 1, both excluded: the probability with which a bound may fail."""

NoiseKind = Literal["other", "uniform", "permuted"]
"""What becomes of a wrong label. ``other``: another class. ``uniform``: any class, the right one included, so
that at rate 1 labels are random. ``permuted``: the labels of those drawn change places."""
