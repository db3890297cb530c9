"""Jacobians by the input and by hidden layers from the same passes, and networks that have one of the two."""

import pytest
import torch
from torch import nn

import genbench
from genbench.networks.hidden import Place
from genbench.probes.hidden_jacobians import hidden_jacobians
from genbench.probes.jacobians import input_jacobians
from genbench.probes.output_jacobians import Entrance, output_jacobians

CPU = torch.device("cpu")


def found(model, inputs):
    task = genbench.Task("classification", tuple(inputs.shape[1:]), 3)
    with torch.no_grad():
        return output_jacobians(model, inputs, torch.arange(len(inputs)) % 3, task, CPU)


def jacobian(function, point):
    return torch.func.jacrev(lambda one: function(one.unsqueeze(0))[0])(point).flatten(1).detach()


class Cut(nn.Module):
    """Two layers, the first behind a cut; or nothing but the cut."""

    def __init__(self, after=True):
        super().__init__()
        torch.manual_seed(0)
        self.lower, self.upper, self.after = nn.Linear(4, 5), nn.Linear(5, 3), after

    def forward(self, x):
        outputs = self.upper(self.lower(x.detach()).tanh())
        return outputs if self.after else outputs.detach()


def test_one_pass_sees_the_input_and_the_hidden_layers():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    inputs = torch.randn(5, 6, dtype=torch.float64)
    both = found(model, inputs)
    assert not both.no_gram
    assert not both.no_hidden
    for place, one in enumerate(inputs):
        by_input = jacobian(model, one)
        torch.testing.assert_close(both.gram[place], by_input @ by_input.T)
        for layer, start in enumerate((2, 4)):
            hidden = model[:start](one.unsqueeze(0))[0]
            singular = torch.linalg.svdvals(jacobian(model[start:], hidden))
            sizes = torch.stack([hidden.norm(), singular[0], singular.norm()])
            ours = torch.stack([each[place, layer] for each in (both.norms, both.operator, both.frobenius)])
            torch.testing.assert_close(ours, sizes.detach())


def test_a_network_without_hidden_layers_has_a_jacobian_by_the_input():
    model = nn.Linear(4, 3).double()
    both = found(model, torch.randn(5, 4, dtype=torch.float64))
    torch.testing.assert_close(input_jacobians(both).gram[2], (model.weight @ model.weight.T).detach())
    with pytest.raises(genbench.NotApplicable, match="no hidden layers"):
        hidden_jacobians(both)


def test_a_network_that_cuts_off_its_input_has_jacobians_by_hidden_layers():
    model = Cut().double()
    both = found(model, torch.randn(5, 4, dtype=torch.float64))
    frobenius = hidden_jacobians(both).frobenius
    torch.testing.assert_close(frobenius, model.upper.weight.norm().detach().expand(5, 1))
    with pytest.raises(genbench.NotApplicable, match="cuts its outputs off"):
        input_jacobians(both)


def test_a_network_without_gradients_has_neither():
    both = found(Cut(after=False).double(), torch.randn(5, 4, dtype=torch.float64))
    with pytest.raises(genbench.NotApplicable, match="cuts its outputs off"):
        input_jacobians(both)
    with pytest.raises(genbench.NotApplicable, match="switches gradients off"):
        hidden_jacobians(both)


def test_a_hidden_layer_at_the_entrance_is_seen_behind_it():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    inputs = torch.randn(3, 2, 3, dtype=torch.float64)
    entrance = Entrance(model, inputs[:1], [Place("1", "output")])
    values, point, hidden = entrance.enter(inputs)
    assert point.shape == (3, 4)
    slopes = torch.autograd.grad(values.sum(), [point, *hidden])
    torch.testing.assert_close(*slopes)
    ahead = Entrance(model, inputs[:1], [Place("0", "output")])
    values, point, hidden = ahead.enter(inputs)
    assert point.shape == inputs.shape
    by_input, by_hidden = torch.autograd.grad(values.sum(), [point, *hidden])
    torch.testing.assert_close(by_input.flatten(1), by_hidden)
