"""genbench: which number, computed from a trained network and its training data, predicts its test gap?

Importing this module imports no torch: what needs it is imported at first use. Type checkers read
``__init__.pyi``.
"""

from importlib import import_module
from typing import Any

from genbench.base.data import Data, Split, Task
from genbench.base.errors import GenbenchError, InvalidInput, NotApplicable, UsageError
from genbench.contract.decorators import (
    dataset,
    executor,
    measure,
    model,
    need,
    probe,
    protocol,
    regularizer,
    setting,
    statistic,
)

__version__ = "0.1.0"

__all__ = [
    "Data",
    "GenbenchError",
    "InvalidInput",
    "NotApplicable",
    "Protocol",
    "Regularizer",
    "Run",
    "Split",
    "Step",
    "Task",
    "UsageError",
    "Value",
    "dataset",
    "evaluate",
    "executor",
    "measure",
    "model",
    "need",
    "probe",
    "protocol",
    "rank",
    "regularizer",
    "run",
    "setting",
    "statistic",
]

_LAZY = {
    "Protocol": "genbench.contract.protocol",
    "Regularizer": "genbench.contract.regularizer",
    "Step": "genbench.contract.regularizer",
    "Value": "genbench.base.values",
    "Run": "genbench.runs.run",
    "run": "genbench.api",
    "rank": "genbench.ranking",
    "evaluate": "genbench.measuring.evaluation",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'genbench' has no attribute {name!r}")
