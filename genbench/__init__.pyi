# The public names for type checkers; at run time `__init__.py` imports those that need torch at first use.
from genbench.api import run as run
from genbench.base.data import Data as Data
from genbench.base.data import Split as Split
from genbench.base.data import Task as Task
from genbench.base.errors import GenbenchError as GenbenchError
from genbench.base.errors import InvalidInput as InvalidInput
from genbench.base.errors import NotApplicable as NotApplicable
from genbench.base.errors import UsageError as UsageError
from genbench.base.values import Value as Value
from genbench.base.values import Values as Values
from genbench.contract.decorators import dataset as dataset
from genbench.contract.decorators import executor as executor
from genbench.contract.decorators import measure as measure
from genbench.contract.decorators import model as model
from genbench.contract.decorators import need as need
from genbench.contract.decorators import probe as probe
from genbench.contract.decorators import protocol as protocol
from genbench.contract.decorators import regularizer as regularizer
from genbench.contract.decorators import setting as setting
from genbench.contract.decorators import statistic as statistic
from genbench.contract.protocol import Protocol as Protocol
from genbench.contract.regularizer import Regularizer as Regularizer
from genbench.contract.regularizer import Step as Step
from genbench.measuring.evaluation import evaluate as evaluate
from genbench.measuring.recorder import Recorder as Recorder
from genbench.measuring.recorder import lightning_recorder as lightning_recorder
from genbench.ranking import rank as rank
from genbench.runs.run import Run as Run

__version__: str
__all__: list[str]
