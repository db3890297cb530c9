"""genbench: which number, computed from a trained network and its training data, predicts its test gap?

Importing this module imports no torch: what needs it is imported at first use. Type checkers read
``__init__.pyi``.
"""

import sys
from importlib import import_module
from typing import Any

from genbench.base import moved
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
    "Recorder",
    "Regularizer",
    "Run",
    "Split",
    "Step",
    "Task",
    "UsageError",
    "Value",
    "Values",
    "dataset",
    "evaluate",
    "executor",
    "lightning_recorder",
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
    "Values": "genbench.base.values",
    "Run": "genbench.runs.run",
    "run": "genbench.api",
    "rank": "genbench.ranking",
    "evaluate": "genbench.measuring.evaluation",
    "Recorder": "genbench.measuring.recorder",
    "lightning_recorder": "genbench.measuring.recorder",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    told = moved.hint(f"genbench.{name}")
    raise AttributeError(told or f"module 'genbench' has no attribute {name!r}")


# The one effect of importing genbench beyond its own names: an import from where something was in an earlier
# version tells where it is now. The signpost stands last, so that it is asked for what nobody found.
sys.meta_path.append(moved.Signpost)
