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
