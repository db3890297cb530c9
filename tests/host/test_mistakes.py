"""What an author writes by mistake is told when the plugin loads, with the nearest right word."""

import textwrap

import pytest

from genbench.host import Host
from genbench.host.plugin import PluginSource


def problems(text: str) -> list[str]:
    host = Host.of([PluginSource(name="papers", file="papers.py", text=textwrap.dedent(text))])
    return host.plugins[0].problems


def regularizer(methods: str) -> str:
    return f"""
import genbench

@genbench.regularizer
class Mine(genbench.Regularizer):
    strength: float = 0.1
    {methods}
"""


def protocol(fields: str) -> str:
    return f"""
import genbench

@genbench.protocol
class Mine(genbench.Protocol):
    {fields}
"""


def measure(parameters: str, **declared: str) -> str:
    told = "".join(f", {name}={value}" for name, value in declared.items())
    return f"""
import genbench

@genbench.measure(family="mine", direction="+"{told})
def mine({parameters}):
    return 1
"""


EXECUTOR = """
import genbench

@genbench.executor
class Mine:
    def __init__(self, *, devices): self.slots = len(devices)
    def submit(self, job): return job.id
    def results(self): return []
    def {cancel}: pass
    def close(self): pass
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (regularizer("def penality(self, step): return None"),
         "regularizer 'mine': genbench.Regularizer has no method 'penality'; did you mean 'penalty'?"),
        (regularizer("def after_epochs(self, epoch): return None"),
         "regularizer 'mine': genbench.Regularizer has no method 'after_epochs'; did you mean 'after_epoch'?"),
        (regularizer("def penalty(self, step, model): return None"),
         "regularizer 'mine': method 'penalty' is called with (self, step), and takes (self, step, model)"),
        (regularizer("def loss(self, step, outputs): return None"),
         "regularizer 'mine': method 'loss' is called with (self, step, outputs, targets, inner), "
         "and takes (self, step, outputs)"),
        (EXECUTOR.format(cancel="cancle(self, id)"),
         "executor 'mine': it has no method 'cancel'; did you mean 'cancle' by it?"),
        (EXECUTOR.format(cancel="cancel(self)"),
         "executor 'mine': method 'cancel' is called with (self, id), and takes (self)"),
        ("answer = 42",
         "declares nothing: neither its module nor a submodule that this imports has a component with a decorator "
         "such as @genbench.measure, or a hook"),
        ('import genbench\n@genbench.measure(family="mine", direction="+")\ndef mine(input): return 1',
         "measure 'mine' is broken: measure 'papers:mine' needs 'input', which is neither a probe nor a root; "
         "did you mean 'inputs'?"),
        (measure("model", aliases="'my_own'"), "measure 'mine': aliases is a list of names, not 'my_own'"),
        ("from enum import Enum\nNorm = Enum('Norm', 'ONE TWO')" + measure("model, *, norm: Norm = Norm.ONE"),
         "measure 'mine': the default of setting 'norm' must be a finite number, a text, True, False, None, "
         "or a list or table of these, not <Norm.ONE: 1>"),
        (measure("model, *, scale: int = 'a'"),
         "measure 'mine': the default of setting scale = a: should be an integer"),
        ("from typing import Literal" + measure("model, *, kind: Literal['x', 'y'] = 'z'"),
         "measure 'mine': the default of setting kind = z: should be 'x' or 'y'"),
        (regularizer("").replace("0.1", "'strong'"),
         "regularizer 'mine': the default of setting strength = strong: should be a number"),
        (protocol("batch_size: int = 2.5"),
         "protocol 'mine': the default of setting batch_size = 2.5: should be an integer"),
        (measure("norms=genbench.need(3)"),
         "measure 'mine': parameter 'norms' needs a probe by its name, a text, not 3"),
        (measure("norms=genbench.need('spectral_norms', fold=object)"),
         "measure 'mine': setting 'fold' of 'spectral_norms' must be a finite number, a text, True, False, None, "
         "or a list or table of these, not <class 'object'>"),
        (measure("norms=genbench.need('spectral_norms', fold=genbench.setting([1]))"),
         "measure 'mine': passes on a setting '[1]' that it does not have"),
        ("import genbench\n@genbench.dataset(checksum=3)\ndef blobs(root): ...",
         "dataset 'blobs': checksum is a text, not 3"),
        ("import genbench\n@genbench.regularizer\ndef pull(step): ...",
         "regularizer 'pull': must be a class derived from genbench.Regularizer"),
        ("import functools, genbench\n"
         "@genbench.measure(family='mine', direction='+')\n@functools.cache\ndef mine(model): return 1",
         "import failed: TypeError: genbench.measure declares a function or a class, not <functools."),
        ("import genbench\n@genbench.protocol\nclass Slow(genbench.Protocol):\n    learning_rate = 0.001",
         "protocol 'slow': 'learning_rate' has no annotation and is no default: write 'learning_rate: TYPE = ...'"),
        (protocol("learning_rat: float = 0.001"),
         "protocol 'mine': 'learning_rat' would be a setting of its own; did you mean 'learning_rate'?"),
        (protocol("optimiser: str = 'adam'"),
         "protocol 'mine': 'optimiser' would be a setting of its own; did you mean 'optimizer'?"),
        (regularizer("captures = 'block_outputs'"),
         "regularizer 'mine': captures is a tuple of names, not 'block_outputs'"),
        ("async def genbench_run_finished(run): pass",
         "hook 'genbench_run_finished' is a coroutine or a generator: calling it runs none of its code"),
        ("def genbench_trial_finished(record): yield record",
         "hook 'genbench_trial_finished' is a coroutine or a generator: calling it runs none of its code"),
        ("def genbench_trial_finished(record, fit): pass",
         "hook 'genbench_trial_finished' has no argument 'fit'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(text, line):
    assert [each for each in problems(text) if each.startswith(line)], problems(text)


@pytest.mark.parametrize(
    "text",
    [
        regularizer("def noise_level(self, progress): return progress"),
        regularizer("def _penality(self, step): return None"),
        regularizer("noise = 0.1; captures = ('block_outputs',)"),
        regularizer("def penalty(self, step, *more): return None"),
        protocol("learning_rate: float = 0.001"),
        protocol(
            "min_epochs: int = 3; train_epochs: int = 3; learning_rates: tuple[float, ...] = (); delay: int = 0"
        ),
        regularizer("def penalty(self, step, scale=1.0): return None"),
        EXECUTOR.format(cancel="cancel(self, id)"),
        measure(
            "model, *, scale: int = None, rate: float = 1, sizes: tuple[int, ...] = [1, 2], own: unknown = 'a'"
        ),
        "from pathlib import Path" + measure("model, *, scale, place: Path = 3"),
        "def genbench_run_finished(): pass",
        "def genbench_components(): yield from ()",
    ],
)
def test_what_is_an_authors_own_is_no_mistake(text):
    assert problems(text) == []


def test_every_mistake_of_a_class_is_told_at_once():
    found = problems(regularizer("def penality(self, step): ...\n    def batch(self): ..."))
    assert len(found) == 2
