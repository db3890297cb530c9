"""Jacobians by the input against torch's own, and against linear networks."""

import pytest
import torch
from torch import nn

import genbench
from genbench.probes.jacobians import input_jacobians
from genbench.probes.sample import chunks, evenly_spaced, forward

CPU = torch.device("cpu")


def test_gram_matrices_are_those_of_the_jacobian():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(36, 3)).double().eval()
    inputs = torch.randn(7, 2, 5, 5, dtype=torch.float64)
    targets = torch.arange(7) % 3
    task = genbench.Task("classification", (2, 5, 5), 3)
    found = input_jacobians(model, inputs, targets, task, CPU)
    for place in range(7):
        jacobian = (
            torch.func.jacrev(lambda x: model(x.unsqueeze(0))[0])(inputs[place]).reshape(3, -1).detach()
        )
        torch.testing.assert_close(found.gram[place], jacobian @ jacobian.T)
    torch.testing.assert_close(found.outputs, model(inputs).detach())
    assert torch.equal(found.targets, targets)


def test_chunks_change_nothing(monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    inputs, targets = torch.randn(10, 4, dtype=torch.float64), torch.zeros(10, dtype=torch.long)
    task = genbench.Task("classification", (4,), 3)
    whole = input_jacobians(model, inputs, targets, task, CPU)
    monkeypatch.setitem(input_jacobians.__globals__["chunks"].__globals__["_CHUNK"], "cpu", 60)
    assert len(list(chunks(inputs, CPU, copies=5))) == 4
    torch.testing.assert_close(input_jacobians(model, inputs, targets, task, CPU).gram, whole.gram)


def test_a_sample_is_spread_over_all_examples():
    assert evenly_spaced(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly_spaced(3, 10).tolist() == [0, 1, 2]
    assert evenly_spaced(5, 1).tolist() == [0]


def test_whole_numbers_cannot_be_differentiated_by():
    with pytest.raises(genbench.NotApplicable, match="int64"):
        input_jacobians(nn.Embedding(3, 2), torch.zeros(2, 3, dtype=torch.long), torch.zeros(2), None, CPU)


def test_outputs_must_be_a_row_for_each_example():
    with pytest.raises(genbench.NotApplicable, match="one row of outputs"):
        forward(nn.Flatten(0), torch.zeros(3, 4))
    with pytest.raises(genbench.NotApplicable, match="tuple"):
        forward(nn.RNN(4, 2), torch.zeros(3, 5, 4))


def test_inputs_follow_the_precision_of_the_network():
    assert forward(nn.Linear(2, 2).double(), torch.zeros(3, 2)).dtype == torch.float64
