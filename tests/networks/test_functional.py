"""Networks with other tensors in the place of their parameters."""

import pytest
import torch
from torch import nn

from genbench.networks.functional import Replaceable, call_with


class Tied(nn.Module):
    """Two names of one weight, and one module under two names."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.again = self.first

    def forward(self, inputs):
        return self.again(self.second(self.first(inputs).relu()))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.LSTM(4, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, inputs):
        return self.head(self.body(inputs.unsqueeze(1))[0][:, -1])


@pytest.mark.parametrize("kind", [Tied, Recurrent])
def test_many_calls_are_each_as_one_alone(kind):
    torch.manual_seed(0)
    model, inputs = kind(), torch.randn(6, 4)
    before = {name: each.clone() for name, each in model.named_parameters()}
    names = list(before)[:2]
    called = Replaceable(model, names)
    for _ in range(2):
        tensors = [torch.randn_like(before[name]) for name in names]
        expected = call_with(model, dict(zip(names, tensors, strict=True)), inputs)
        assert torch.equal(called(tensors, inputs), expected)
    assert all(torch.equal(each, before[name]) for name, each in model.named_parameters())
    assert all(isinstance(each, nn.Parameter) for each in model.parameters())


def test_derivatives_go_to_what_was_put_in():
    model, inputs = Tied(), torch.randn(6, 4)
    weight = torch.randn(4, 4, requires_grad=True)
    Replaceable(model, ["first.weight"])([weight], inputs).sum().backward()
    expected = weight.detach().clone().requires_grad_()
    call_with(model, {"first.weight": expected}, inputs).sum().backward()
    assert torch.equal(weight.grad, expected.grad)
    assert model.first.weight.grad is None


def test_a_fault_leaves_the_network_as_it_was():
    model = Tied()
    weight = model.first.weight
    with pytest.raises(RuntimeError):
        Replaceable(model, ["first.weight"])([torch.zeros(3, 3)], torch.randn(6, 4))
    assert model.first.weight is weight
    assert model.second.weight is weight
