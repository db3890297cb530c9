"""Each update rule and each schedule against its formula."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn

from genbench.base.errors import InvalidInput
from genbench.contract.protocol import Protocol, learning_rate
from genbench.contract.regularizer import Regularizer
from genbench.training.optimizer import LearningRates, make_optimizer, parameter_groups

STEPS = 6
ETA, MU, LAMBDA = 0.1, 0.9, 0.01


def sgd(w, gradient, momentum=0.0, nesterov=False):
    velocity = 0.0
    for _ in range(STEPS):
        g = gradient(w) + LAMBDA * w
        velocity = momentum * velocity + g
        w = w - ETA * (g + momentum * velocity if nesterov else velocity)
    return w


def adam(w, gradient, decoupled=False):
    first = second = 0.0
    for t in range(1, STEPS + 1):
        g = gradient(w)
        if decoupled:
            w = w - ETA * LAMBDA * w
        else:
            g = g + LAMBDA * w
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        w = w - ETA * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    return w


def rmsprop(w, gradient):
    square, velocity = 0.0, 0.0
    for _ in range(STEPS):
        g = gradient(w) + LAMBDA * w
        square = 0.99 * square + 0.01 * g**2
        velocity = MU * velocity + g / (np.sqrt(square) + 1e-8)
        w = w - ETA * velocity
    return w


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"momentum": 0.0}, sgd),
        ({"momentum": MU}, lambda w, g: sgd(w, g, MU)),
        ({"momentum": MU, "nesterov": True}, lambda w, g: sgd(w, g, MU, nesterov=True)),
        ({"momentum": 0.0, "nesterov": True}, sgd),
        ({"optimizer": "adam"}, adam),
        ({"optimizer": "adamw"}, lambda w, g: adam(w, g, decoupled=True)),
        ({"optimizer": "rmsprop", "momentum": MU}, rmsprop),
    ],
    ids=["sgd", "momentum", "nesterov", "nesterov-without-momentum", "adam", "adamw", "rmsprop"],
)
def test_update_rule(settings, rule):
    """On the quadratic ½ Σ a w², whose gradient is a · w."""
    curvature = np.array([[1.0, 3.0], [0.5, 2.0]])
    start = np.array([[1.0, -2.0], [0.3, 4.0]])
    model = nn.Linear(2, 2, bias=False).double()
    model.weight.data = torch.tensor(start)
    protocol = Protocol(learning_rate=ETA, weight_decay=LAMBDA, **settings)
    optimizer = make_optimizer(model, protocol, ())
    for _ in range(STEPS):
        model.weight.grad = torch.tensor(curvature) * model.weight.detach()
        optimizer.step()
    expected = rule(start, lambda w: curvature * w)
    np.testing.assert_allclose(model.weight.detach().numpy(), expected, rtol=1e-6)


def rates(steps_per_epoch=10, **settings):
    protocol = Protocol(learning_rate=0.4, **settings)
    steps = range(protocol.max_epochs * steps_per_epoch)
    return [learning_rate(protocol, index, steps_per_epoch) for index in steps]


def test_constant():
    assert set(rates(max_epochs=3)) == {0.4}


def test_step():
    got = rates(schedule="step", decay=0.2, decay_epochs=(2, 5), max_epochs=7)
    assert got == pytest.approx([0.4] * 20 + [0.08] * 30 + [0.016] * 20)


def test_cosine():
    got = rates(schedule="cosine", max_epochs=4)
    assert got == pytest.approx([0.2 * (1 + math.cos(math.pi * index / 40)) for index in range(40)])


def test_linear():
    assert rates(schedule="linear", max_epochs=4) == pytest.approx([0.4 * (1 - i / 40) for i in range(40)])


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "linear"])
def test_warm_up_rises_linearly_and_the_rest_follows(schedule):
    got = rates(schedule=schedule, warmup_epochs=1.5, max_epochs=4, decay_epochs=(2,))
    assert got[:15] == pytest.approx([0.4 * (i + 1) / 15 for i in range(15)])
    assert max(got) == got[14] == pytest.approx(0.4)
    share = [(i - 15) / 25 for i in range(15, 40)]
    expected = {
        "constant": [0.4] * 25,
        "step": [0.4] * 5 + [0.04] * 20,
        "cosine": [0.2 * (1 + math.cos(math.pi * each)) for each in share],
        "linear": [0.4 * (1 - each) for each in share],
    }
    assert got[15:] == pytest.approx(expected[schedule])


def test_a_warm_up_longer_than_training():
    assert rates(max_epochs=2, warmup_epochs=4.0)[-1] == pytest.approx(0.2)


@dataclass(frozen=True, kw_only=True)
class Grouped(Regularizer):
    groups: list = field(default_factory=list)

    def parameter_groups(self, model):
        return [{**each, "params": each["params"](model)} for each in self.groups]


def first(model):
    return list(model[0].parameters())


def everything(model):
    return list(model.parameters())


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))


def test_groups_merge_parameter_by_parameter(model):
    decay = Grouped(groups=[{"params": everything, "weight_decay": 0.5}])
    slow = Grouped(groups=[{"params": first, "learning_rate_factor": 0.1}])
    undecayed = Grouped(groups=[{"params": lambda model: [model[1].bias], "weight_decay": 0.0}])
    groups = parameter_groups(model, Protocol(weight_decay=0.3), [decay, slow, undecayed])
    found = [(each["learning_rate_factor"], each["weight_decay"], len(each["params"])) for each in groups]
    assert found == [(0.1, 0.5, 2), (1.0, 0.5, 1), (1.0, 0.0, 1)]
    assert sum(each[2] for each in found) == 4


def test_one_group_without_regularizers(model):
    (group,) = parameter_groups(model, Protocol(weight_decay=0.3), [Regularizer()])
    assert (group["learning_rate_factor"], group["weight_decay"]) == (1.0, 0.3)
    assert [id(each) for each in group["params"]] == [id(each) for each in model.parameters()]


def test_untrained_parameters_are_left_out(model):
    model[0].requires_grad_(False)
    decay = Grouped(groups=[{"params": everything, "weight_decay": 0.5}])
    (group,) = parameter_groups(model, Protocol(), [decay])
    assert len(group["params"]) == 2


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"params": everything, "weight-decay": 1}, "no key 'weight-decay'; did you mean 'weight_decay'"),
        ({"params": lambda model: "0.weight"}, "needs 'params', a list of parameters"),
        ({"params": lambda model: [nn.Parameter(torch.ones(1))]}, "a parameter that is not the network's"),
    ],
)
def test_wrong_groups_name_the_regularizer(model, group, message):
    with pytest.raises(InvalidInput, match=f"regularizer 'Grouped': .*{message}"):
        parameter_groups(model, Protocol(), [Grouped(groups=[group])])


def test_factors_multiply_the_schedule(model):
    late = Grouped(groups=[{"params": first, "learning_rate_factor": lambda epoch: 0.1 if epoch >= 2 else 1}])
    protocol = Protocol(learning_rate=0.4, schedule="linear", max_epochs=4)
    optimizer = make_optimizer(model, protocol, [late])
    schedule = LearningRates(optimizer, protocol, steps_per_epoch=10)
    assert schedule.changing
    assert [group["lr"] for group in optimizer.param_groups] == [0.4, 0.4]
    schedule.set(20)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.02, 0.2])
    assert schedule.base == pytest.approx(0.2)


def test_a_constant_rate_is_set_once(model):
    slow = Grouped(groups=[{"params": first, "learning_rate_factor": 0.1}])
    protocol = Protocol(learning_rate=0.4)
    optimizer = make_optimizer(model, protocol, [slow])
    assert not LearningRates(optimizer, protocol, 10).changing
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.04, 0.4])
