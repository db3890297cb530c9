"""The laws that components keep, for an author's own tests and for `genbench plugin check`.

Derive from the set of laws of your component's kind, in a file that pytest collects:

    from genbench.testing import MeasureLaws
    from mine import my_measure

    class TestMyMeasure(MeasureLaws):
        component = my_measure

Every ``test_*`` method is one law, and its docstring says which. `computed` has those of measures and probes,
`models`, `regularizers`, `datasets`, `protocols`, `statistics`, `executors` those of these kinds, `suites`
those of suites and observers. `checking` tries all laws of a whole plugin.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genbench.testing.computed import MeasureLaws, ProbeLaws
    from genbench.testing.datasets import DatasetLaws
    from genbench.testing.executors import ExecutorLaws
    from genbench.testing.laws import Broken, Laws, Verdict
    from genbench.testing.models import ModelLaws
    from genbench.testing.protocols import ProtocolLaws
    from genbench.testing.regularizers import RegularizerLaws
    from genbench.testing.statistics import StatisticLaws
    from genbench.testing.suites import ObserverLaws, SuiteLaws

__all__ = [
    "Broken",
    "DatasetLaws",
    "ExecutorLaws",
    "Laws",
    "MeasureLaws",
    "ModelLaws",
    "ObserverLaws",
    "ProbeLaws",
    "ProtocolLaws",
    "RegularizerLaws",
    "StatisticLaws",
    "SuiteLaws",
    "Verdict",
]

_HOMES = {
    "Broken": "laws",
    "DatasetLaws": "datasets",
    "ExecutorLaws": "executors",
    "Laws": "laws",
    "MeasureLaws": "computed",
    "ModelLaws": "models",
    "ObserverLaws": "suites",
    "ProbeLaws": "computed",
    "ProtocolLaws": "protocols",
    "RegularizerLaws": "regularizers",
    "StatisticLaws": "statistics",
    "SuiteLaws": "suites",
    "Verdict": "laws",
}


def __getattr__(name: str) -> Any:
    """The laws at first use: they import torch, and the command line looks into this room without it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'genbench.testing' has no attribute {name!r}")
    return getattr(import_module(f"genbench.testing.{_HOMES[name]}"), name)
