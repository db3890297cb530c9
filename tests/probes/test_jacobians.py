"""Jacobians by the input against torch's own, and against linear networks."""

import pytest
import torch
from torch import nn

import genbench
from genbench.networks.passes import chunks, evenly_spaced, forward
from genbench.probes import jacobians
from genbench.probes.jacobians import projected_jacobians
from genbench.probes.output_jacobians import output_jacobians

CPU = torch.device("cpu")


def input_jacobians(*sample, **settings):
    return jacobians.input_jacobians(output_jacobians(*sample, **settings))


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


class Wired(nn.Module):
    """A linear layer that is not the only way from the input, or not the first, or used twice."""

    def __init__(self, wiring, units):
        super().__init__()
        self.wiring = wiring
        self.first, self.last = nn.Linear(8, units), nn.Linear(units, 3)
        self.beside = nn.Linear(8, 3)

    def forward(self, inputs):
        flat = inputs.flatten(1)
        if self.wiring == "scaled":
            flat = flat.tanh()
        hidden = self.first(input=flat) if self.wiring == "by keyword" else self.first(flat)
        if self.wiring == "again":
            hidden = hidden + self.first(flat.square())
        outputs = self.last(hidden.tanh_() if self.wiring == "in place" else hidden.tanh())
        return outputs + self.beside(flat).tanh() if self.wiring == "beside" else outputs


@pytest.mark.parametrize("units", [5, 12])
@pytest.mark.parametrize("wiring", ["chain", "scaled", "again", "beside", "in place", "by keyword"])
def test_however_a_linear_layer_reads_the_input(wiring, units):
    torch.manual_seed(0)
    model, inputs = Wired(wiring, units).double(), torch.randn(6, 2, 2, 2, dtype=torch.float64)
    task = genbench.Task("classification", (2, 2, 2), 3)
    with torch.no_grad():
        exact = input_jacobians(model, inputs, torch.zeros(6, dtype=torch.long), task, CPU).gram
    projected = projected_jacobians(
        model, inputs, model(inputs).detach(), CPU, torch.Generator().manual_seed(0), projections=2000
    )
    torch.testing.assert_close(projected, exact.diagonal(dim1=1, dim2=2).sum(1), rtol=0.1, atol=0)
    for place in range(6):
        jacobian = torch.func.jacrev(lambda x: model(x.unsqueeze(0))[0])(inputs[place]).flatten(1).detach()
        torch.testing.assert_close(exact[place], jacobian @ jacobian.T)
    assert not any(module._forward_hooks for module in model.modules())


def test_chunks_change_nothing(monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    inputs, targets = torch.randn(10, 4, dtype=torch.float64), torch.zeros(10, dtype=torch.long)
    task = genbench.Task("classification", (4,), 3)
    whole = input_jacobians(model, inputs, targets, task, CPU)
    monkeypatch.setitem(output_jacobians.__globals__["chunks"].__globals__["_CHUNK"], "cpu", 60)
    assert len(list(chunks(inputs, CPU, copies=2))) == 2
    torch.testing.assert_close(input_jacobians(model, inputs, targets, task, CPU).gram, whole.gram)


def test_projections_of_one_jacobian_add_up_to_its_norm():
    """The rows of an orthogonal matrix together see all of a Jacobian that their examples share."""
    torch.manual_seed(0)
    model = nn.Linear(6, 4).double()
    inputs = torch.randn(20, 6, dtype=torch.float64)
    found = projected_jacobians(model, inputs, model(inputs).detach(), CPU, torch.Generator().manual_seed(1))
    assert found.shape == (20,)
    assert found.mean().item() == pytest.approx(model.weight.square().sum().item(), rel=1e-12)
    assert found.std() > 0


def test_projections_are_unbiased_for_every_example():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    inputs, targets = torch.randn(4, 4, dtype=torch.float64), torch.zeros(4, dtype=torch.long)
    task = genbench.Task("classification", (4,), 3)
    exact = input_jacobians(model, inputs, targets, task, CPU).gram.diagonal(dim1=1, dim2=2).sum(1)
    generator = torch.Generator().manual_seed(1)
    found = projected_jacobians(model, inputs, model(inputs).detach(), CPU, generator, projections=4000)
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0)


def test_layers_without_a_rule_for_batches_of_cotangents_are_differentiated_one_by_one():
    torch.manual_seed(0)
    lstm, head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = lstm, head

        def forward(self, inputs):
            return self.head(self.lstm(inputs)[0][:, -1])

    model, inputs = Last().double(), torch.randn(2, 5, 3, dtype=torch.float64)
    task = genbench.Task("classification", (5, 3), 2)
    found = input_jacobians(model, inputs, torch.zeros(2, dtype=torch.long), task, CPU)
    for place in range(2):
        rows = torch.autograd.functional.jacobian(lambda x: model(x.unsqueeze(0))[0], inputs[place]).flatten(
            1
        )
        torch.testing.assert_close(found.gram[place], rows @ rows.T)


def test_a_sample_is_spread_over_all_examples():
    rows = torch.arange(10)
    assert evenly_spaced(rows, 4).tolist() == [0, 3, 6, 9]
    assert evenly_spaced(rows, 1).tolist() == [0]
    assert evenly_spaced(rows, 11) is rows


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
