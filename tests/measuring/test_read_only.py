"""What components share stays as it was."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import genbench
from genbench.base.values import Status
from genbench.measuring import guard as guard_
from genbench.measuring.guard import Fingerprint, ModelGuard

measure = genbench.measure(family="test", direction="?")


def test_writing_into_a_shared_result_is_an_error_and_the_others_see_the_original(plugin):
    calls = []

    @genbench.probe
    def base(model):
        return torch.arange(3.0)

    @genbench.probe
    def shared(base):
        calls.append(1)
        return {"values": base + 1}

    @measure
    def a_writer(shared):
        return shared["values"].mul_(100).sum()

    @measure
    def b_reader(shared):
        return shared["values"].sum()

    values = plugin(base, shared, a_writer, b_reader).compute({"model": nn.Linear(1, 1)})
    assert values["a_writer"].status is Status.ERROR
    assert "changed shared" in values["a_writer"].reason
    assert values["b_reader"].value == 6
    assert len(calls) == 2


def test_changing_the_network_is_an_error_and_undone(plugin):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    @measure
    def in_place(model):
        next(model.parameters()).add_(1)
        return 0

    @measure
    def through_data(model):
        next(model.parameters()).data.add_(1)
        return 0

    @measure
    def statistics(model):
        model.train()(torch.randn(8, 2))
        return 0

    @measure
    def surgery(model):
        model[0] = nn.Identity()
        return 0

    @measure
    def untidy(model):
        model.train()
        model.register_forward_hook(lambda *_: None)
        with torch.enable_grad():
            model[0](torch.ones(1, 2)).sum().backward()
        return 0

    @measure
    def zz_reader(model):
        assert not model.training
        assert not model._forward_hooks
        assert all(parameter.grad is None for parameter in model.parameters())
        return sum(parameter.sum() for parameter in model.parameters())

    values = plugin(in_place, through_data, statistics, surgery, untidy, zz_reader).compute({"model": model})
    for name in ("in_place", "through_data", "statistics", "surgery"):
        assert values[name].status is Status.ERROR, name
        assert "changed the network" in values[name].reason
    assert values["untidy"].status is Status.OK
    assert values["zz_reader"].status is Status.OK
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_changed_inputs_are_not_used_again(plugin):
    @measure
    def a_writer(inputs):
        inputs.zero_()
        return 0

    @measure
    def b_reader(inputs):
        return inputs.sum()

    @measure
    def c_other(targets):
        return targets.sum()

    roots = {"model": nn.Linear(1, 1), "inputs": torch.ones(3), "targets": torch.ones(3)}
    values = plugin(a_writer, b_reader, c_other).compute(roots)
    assert values["a_writer"].status is Status.ERROR
    assert (values["b_reader"].status, values["b_reader"].reason) == (Status.ERROR, "a_writer changed inputs")
    assert values["c_other"].value == 3


def test_a_network_of_nan_is_not_taken_for_a_changed_one(plugin):
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.fill_(math.nan)

    @measure
    def constant(model):
        return 1

    assert plugin(constant).compute({"model": model})["constant"].status is Status.OK


def test_numpy_results_cannot_be_written_to(plugin):
    @genbench.probe
    def array(model):
        return np.zeros(3)

    @measure
    def writer(array):
        array[0] = 1
        return 0

    value = plugin(array, writer).compute({"model": nn.Linear(1, 1)})["writer"]
    assert value.status is Status.ERROR
    assert "read-only" in value.reason


def test_settings_of_the_process_are_put_back(plugin):
    @measure
    def a_greedy(model):
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(torch.get_num_threads() + 1)
        return 0

    @measure
    def b_modest(model):
        return torch.zeros(1).element_size() * 100 + torch.get_num_threads()

    values = plugin(a_greedy, b_modest).compute({"model": nn.Linear(1, 1)})
    assert values["b_modest"].value == 400 + torch.get_num_threads()


@dataclass
class Found:
    values: torch.Tensor
    layers: list


CHANGES = {
    "a tensor": lambda found: found["deep"][0].values.add_(1),
    "a shape": lambda found: found["deep"][0].values.unsqueeze_(0),
    "a list": lambda found: found["deep"].append(1),
    "a table": lambda found: found.update(more=1),
    "a number in a list": lambda found: found["deep"][0].layers.__setitem__(0, 3.5),
    "one list to the next": lambda found: found["two"][1].insert(0, found["two"][0].pop()),
    "a field": lambda found: setattr(found["deep"][0], "values", torch.ones(3)),
    "a weight": lambda found: nn.init.zeros_(found["network"].weight),
    "another weight": lambda found: setattr(found["network"], "weight", nn.Parameter(torch.ones(1, 1))),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_alteration_of_a_result_is_seen(change):
    found = {
        "deep": [Found(torch.ones(3), [1.5, 2])],
        "two": [[1.5], [2.5]],
        "network": nn.Linear(1, 1),
        "array": np.ones(2),
    }
    seen = Fingerprint(found)
    found["deep"][0].values.sum()
    assert not seen.differs()
    with pytest.raises(ValueError, match="read-only"):
        found["array"][0] = 2
    change(found)
    assert seen.differs()


def test_several_modules_are_put_back_at_once():
    first, second = nn.Sequential(nn.ReLU()), nn.Sequential()
    model = nn.Sequential(first, second)
    guard = ModelGuard(model)
    assert not guard.restore()
    second.append(first.pop(0))  # the modules hold the same together
    model[0].train().extra = model.extra = torch.ones(1)
    assert guard.restore()
    assert (len(first), len(second)) == (1, 0)
    assert not hasattr(first, "extra")
    assert not hasattr(model, "extra")
    model.register_forward_hook(lambda *_: None)
    assert not guard.restore()
    assert not model._forward_hooks


@pytest.mark.parametrize("size", [3, 100])  # what has many numbers is compared in another way
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("far", ["cuda", "cpu"])  # as on CUDA
def test_one_number_of_a_weight_is_seen_and_put_back(size, dtype, far, monkeypatch):
    monkeypatch.setattr(guard_, "_FAR", (far,))
    layer = nn.Linear(size, size, dtype=dtype)
    layer.weight.data = layer.weight.data.T
    layer.weight.data[0, 0] = math.nan
    guard = ModelGuard(layer)
    before = layer.weight.detach().clone()
    assert not guard.restore()
    layer.weight.data[-1, -1] += 1
    assert guard.restore()
    assert torch.equal(layer.weight.nan_to_num(), before.nan_to_num())
    layer.weight.data[0, 0] = 0
    assert guard.restore()
    assert layer.weight.isnan().sum() == 1
    layer.weight.data = layer.weight.data[:1]
    assert guard.restore()
    assert layer.weight.shape == before.shape


def test_on_a_gpu_a_network_is_compared_at_once(monkeypatch):
    monkeypatch.setattr(guard_, "_FAR", ("cpu",))
    asked, equal = [], torch.equal
    monkeypatch.setattr(torch, "equal", lambda *pair: asked.append(pair) or equal(*pair))
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    guard = ModelGuard(model)
    assert not guard.restore()
    assert len(asked) == 2  # of weights, and of a count of batches
    model[1].running_mean.add_(1)
    assert guard.restore()
    assert not guard.restore()
