"""No regularizer, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import genbench
from genbench.contract.regularizer import Regularizer


@genbench.regularizer(name="none")
@dataclass(frozen=True, kw_only=True)
class NoRegularizer(Regularizer):
    """Changes nothing: the level of an axis at which nothing is done. Training gives the same bits."""

    capturable: ClassVar[bool] = True
