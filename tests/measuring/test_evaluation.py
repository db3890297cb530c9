"""Measures of a network of the user's own."""

import copy
import math
import os
import random

import numpy as np
import pytest
import torch
from torch import nn

import genbench
from genbench.base.errors import InvalidInput, UsageError
from genbench.host import host, probation

REAL = probation.tried  # other tests have one that imports in their own process


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))


@pytest.fixture
def data():
    torch.manual_seed(1)
    return torch.randn(30, 4), torch.arange(30) % 3


def test_values_by_name_in_the_order_asked_for(network, data):
    values = genbench.evaluate(
        network, *data, measures=["param_norm", "inverse_margin[quantile=0.05]", "random"]
    )
    assert list(values) == ["param_norm", "inverse_margin[quantile=0.05]", "random"]
    for name, value in values.items():
        assert (value.name, value.status) == (name, "ok")
        assert math.isfinite(float(value))
        assert value.seconds >= value.own_seconds > 0


def test_all_measures_have_a_value_or_a_reason(network, data):
    values = genbench.evaluate(network, *data)
    assert len(values) > 40
    without = {name: value for name, value in values.items() if value.status != "ok"}
    assert without["fro_dist"].reason == "needs initial_model, which was not given"
    assert without["steps_to_0.1"].reason == "needs history, which was not given"
    assert {value.status for value in without.values()} == {"not_applicable"}
    assert all(math.isnan(float(value)) for value in without.values())


def test_roots_that_are_given_are_used(network, data):
    history = {"step": [0, 10], "train_loss": [1.1, 0.05], "batch_loss": [None, 0.5]}
    values = genbench.evaluate(
        network, *data, initial_model=network, history=history, measures=["l2_dist", "steps_to_0.1"]
    )
    assert float(values["l2_dist"]) == 0
    assert float(values["steps_to_0.1"]) == 10


def test_everything_is_left_as_it_was(network, data):
    inputs, targets = data
    network.train()
    network[0].eval()
    network[4].weight.requires_grad_(False)
    network[0].weight.grad = torch.full((8, 4), 7.0)
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    before = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    requires = [parameter.requires_grad for parameter in network.parameters()]
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    kept = inputs.clone(), targets.clone()

    genbench.evaluate(network, inputs, targets, initial_model=copy.deepcopy(network))

    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [module.training for module in network.modules()] == modes
    assert [parameter.requires_grad for parameter in network.parameters()] == requires
    assert torch.equal(network[0].weight.grad, torch.full((8, 4), 7.0))
    assert network[4].weight.grad is None
    assert len(network._forward_hooks) == 1
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])
    assert torch.equal(inputs, kept[0])
    assert torch.equal(targets, kept[1])
    assert torch.is_grad_enabled()


def test_the_mode_of_the_network_does_not_matter(network, data):
    network(data[0])
    first = genbench.evaluate(
        network.train(), *data, measures="train_loss,log_prod_of_spec,geometric_complexity"
    )
    second = genbench.evaluate(
        network.eval(), *data, measures="train_loss,log_prod_of_spec,geometric_complexity"
    )
    assert {name: value.value for name, value in first.items()} == {n: v.value for n, v in second.items()}


def test_arrays_other_integers_and_other_precisions(network, data):
    inputs, targets = data
    double = genbench.evaluate(copy.deepcopy(network).double(), inputs, targets, measures="train_loss")
    arrays = genbench.evaluate(
        network, inputs.numpy(), targets.numpy().astype(np.int32), measures="train_loss"
    )
    half = genbench.evaluate(copy.deepcopy(network).bfloat16(), inputs, targets, measures="train_loss")
    assert float(arrays["train_loss"]) == pytest.approx(float(double["train_loss"]), rel=1e-5)
    assert float(half["train_loss"]) == pytest.approx(float(double["train_loss"]), rel=0.05)


def test_the_seed_decides_the_draw(network, data):
    draws = [
        float(genbench.evaluate(network, *data, measures="random", seed=seed)["random"]) for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_regression(data):
    model = nn.Linear(4, 1)
    with torch.no_grad():
        expected = (model(data[0]).squeeze(1) - 2.0).square().mean().item()
    values = genbench.evaluate(
        model, data[0], torch.full((30,), 2.0), measures=["train_loss", "inverse_margin"]
    )
    assert float(values["train_loss"]) == pytest.approx(expected)
    assert values["inverse_margin"].status == "not_applicable"


def test_a_task_can_be_given(network, data):
    task = genbench.Task("regression", (4,), 3)
    values = genbench.evaluate(network, data[0], torch.zeros(30, 3), task=task, measures="train_loss")
    assert values["train_loss"].status == "ok"


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.out = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        return self.out(self.cells(x)[0][:, -1])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.position = nn.Parameter(torch.randn(1, 5, 4))
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        return self.out(self.body(x + self.position).mean(1))


@pytest.mark.parametrize("model", [Recurrent(), Attention(), nn.Sequential(nn.Flatten(), nn.Linear(20, 3))])
def test_networks_of_any_kind_raise_no_errors(model):
    torch.manual_seed(0)
    values = genbench.evaluate(
        model, torch.randn(12, 5, 4), torch.arange(12) % 3, initial_model=copy.deepcopy(model)
    )
    assert not [(name, value.reason) for name, value in values.items() if value.status == "error"]
    assert values["log_prod_of_spec"].status == "ok"


def test_a_diverged_network_has_no_numbers_but_no_errors_either(network, data):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(math.nan)
    values = genbench.evaluate(network, *data, initial_model=copy.deepcopy(network))
    faults = [(name, value.reason) for name, value in values.items() if value.status == "error"]
    assert faults == []
    assert values["param_norm"].status == "nan"


def test_wrong_arguments_are_usage_errors(network, data):
    inputs, targets = data
    with pytest.raises(UsageError, match=r"expected a torch\.nn\.Module, got function"):
        genbench.evaluate(test_regression, inputs, targets)
    with pytest.raises(UsageError, match="30 examples but targets of"):
        genbench.evaluate(network, inputs, targets[:5])
    with pytest.raises(UsageError, match="30 examples but targets of"):
        genbench.Recorder(network, inputs, targets[:5])
    with pytest.raises(UsageError, match="classes from 0 to 7"):
        genbench.evaluate(network, inputs, targets.clamp_max(1) * 7)
    with pytest.raises(UsageError, match="does not take the inputs"):
        genbench.evaluate(network, torch.zeros(30, 5), targets)
    with pytest.raises(UsageError, match="3 outputs but targets"):
        genbench.evaluate(network, inputs, torch.zeros(30))
    with pytest.raises(UsageError, match="n > 0"):
        genbench.evaluate(network, inputs[:0], targets[:0])
    with pytest.raises(InvalidInput, match="did you mean 'param_norm'"):
        genbench.evaluate(network, inputs, targets, measures="param_nrm")


def test_a_users_own_measure(network, data, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import genbench\n"
        "@genbench.measure(family='mine', direction='+')\n"
        "def largest_margin(margins):\n"
        "    return margins.max()\n"
    )
    values = genbench.evaluate(network, *data, measures="mine:largest_margin", plugins=[str(file)])
    assert values["mine:largest_margin"].status == "ok"


def test_plugins_are_imported_when_the_core_has_measured(network, data, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "tried", REAL)
    place = tmp_path / "imported"
    (tmp_path / "late.py").write_text(
        "import os, pathlib, genbench\n"
        f"place = pathlib.Path({str(place)!r})\n"
        "place.write_text(str(os.getpid()))\n"
        "@genbench.measure(family='mine', direction='+')\n"
        "def largest_margin(margins):\n"
        "    return margins.max()\n"
    )
    (tmp_path / "unwanted.py").write_text("import os, sys\nif not sys.stdin.isatty(): os._exit(0)\n")
    seen = {}

    def progress(done, total, name):
        seen[name] = place.exists() and int(place.read_text()) == os.getpid()

    values = genbench.evaluate(
        network, *data, measures=["late:largest_margin", "margin_mean", "param_norm"], progress=progress,
        plugins=[str(tmp_path / "late.py"), str(tmp_path / "unwanted.py")],
    )  # fmt: skip
    assert list(values) == ["late:largest_margin", "margin_mean", "param_norm"]
    assert {str(each.status) for each in values.values()} == {"ok"}
    assert (seen["margin_mean"], seen["param_norm"], seen["late:largest_margin"]) == (False, False, True)
    assert float(values["margin_mean"]) == float(
        genbench.evaluate(network, *data, measures="margin_mean")["margin_mean"]
    )


def test_a_plugin_that_is_another_when_it_is_imported_here_costs_its_own_values(network, data, tmp_path):
    file = tmp_path / "fickle.py"
    file.write_text(
        "import os, genbench\n"
        f"first = not os.path.exists({str(tmp_path / 'seen')!r})\n"
        f"open({str(tmp_path / 'seen')!r}, 'w').close()\n"
        "if first:\n"
        "    @genbench.measure(family='mine', direction='+')\n"
        "    def there(margins):\n"
        "        return margins.max()\n"
    )
    values = genbench.evaluate(network, *data, measures="fickle:there,param_norm", plugins=[str(file)])
    assert str(values["param_norm"].status) == "ok"
    assert str(values["fickle:there"].status) == "error"
    assert "fickle:there" in values["fickle:there"].reason
