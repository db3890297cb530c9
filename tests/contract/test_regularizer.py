import dataclasses
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

import genbench
from genbench.base.data import Task
from genbench.contract.regularizer import Regularizer, Step, check_composition, overrides


class Sam(Regularizer):
    def gradient(self, step, inner):
        return inner()


@genbench.regularizer(name="winsorized")
class Winsorized(Regularizer):
    replaces_gradient: ClassVar[bool] = True

    def gradient(self, step, inner):
        return torch.zeros(())


class Median(Winsorized):
    pass


class Penalized(Regularizer):
    def penalty(self, step):
        return None


def test_importing_it_imports_no_torch():
    code = "import sys, genbench; genbench.Regularizer, genbench.Step; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_method_has_a_neutral_default():
    model = nn.Linear(2, 2)
    neutral = Regularizer()
    step = Step(model=model, inputs=torch.ones(1, 2), targets=torch.zeros(1), criterion=nn.MSELoss())
    assert neutral.build(model, Task("classification", (2,), 2)) is model
    assert list(neutral.parameter_groups(model)) == []
    assert neutral.start(None) is None
    assert neutral.batch(step) is None
    assert neutral.loss(step, 3, 4, lambda outputs, targets: (outputs, targets)) == (3, 4)
    assert neutral.penalty(step) is None
    assert neutral.gradient(step, lambda: "loss") == "loss"
    assert neutral.after_update(step) is None
    assert neutral.after_epoch(None) is None
    assert not any(overrides(neutral, name) for name in vars(Regularizer) if not name.startswith("_"))


def test_fields_are_hyperparameters_and_frozen():
    @dataclass(frozen=True, kw_only=True)
    class Noisy(Regularizer):
        noise: float = 1e-4

    noisy = Noisy(noise=0.5)
    assert [each.name for each in dataclasses.fields(noisy)] == ["noise"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        noisy.noise = 1.0


def test_overriding_is_seen_through_inheritance():
    assert overrides(Median(), "gradient")
    assert not overrides(Median(), "loss")


@pytest.mark.parametrize(
    "together",
    [(), (Sam(),), (Winsorized(),), (Sam(), Winsorized()), (Sam(), Sam()), (Winsorized(), Penalized())],
    ids=lambda each: "+".join(type(one).__name__ for one in each) or "none",
)
def test_compositions_that_work(together):
    assert check_composition(together) == []


def test_two_that_replace_the_gradient_are_refused():
    (problem,) = check_composition([Winsorized(), Penalized(), Median()])
    assert "'winsorized' and 'Median' both replace the gradient" in problem


def test_replacing_above_a_wrapper_is_refused():
    (problem,) = check_composition([Winsorized(), Sam()])
    assert "'winsorized' replaces the gradient and would swallow what 'Sam'" in problem
    assert "put 'Sam' before 'winsorized'" in problem
