"""Operations that torch cannot differentiate twice: computed otherwise, or named in a line."""

import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

import genbench
from genbench.networks.ambient import twice_differentiable
from genbench.networks.derivatives import is_missing_derivative, needing_derivatives


class Rectified(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(context, gradient):
        return gradient * (context.saved_tensors[0] > 0)


class RectifiedOnce(Rectified):
    @staticmethod
    @once_differentiable
    def backward(context, gradient):
        return gradient * (context.saved_tensors[0] > 0)


class Bent(nn.Sequential):
    """Two linear layers and a function between them."""

    def __init__(self, function):
        torch.manual_seed(0)
        super().__init__(nn.Linear(4, 6), nn.Linear(6, 3))
        self.double().function = function

    def forward(self, x):
        return self[1](self.function(self[0](x)))


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag, self.head = nn.EmbeddingBag(9, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.bag(x))


CURVED = ["hessian_top_eig", "hessian_trace", "sgd_stability_margin", "fisher_rao"]


def curved(network, inputs=None):
    torch.manual_seed(1)
    inputs = torch.randn(20, 4, dtype=torch.float64) if inputs is None else inputs
    targets = torch.arange(len(inputs)) % 3
    protocol = genbench.Protocol(batch_size=5)
    return genbench.evaluate(network, inputs, targets, measures=CURVED, protocol=protocol)


def test_a_function_with_a_derivative_of_its_own_is_measured_as_the_function_that_it_is():
    found, expected = curved(Bent(Rectified.apply)), curved(Bent(torch.relu))
    for name in CURVED:
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-9), found[name].reason


def test_hard_sigmoids_have_two_derivatives():
    found, expected = curved(Bent(F.hardsigmoid)), curved(Bent(lambda x: (x + 3).clamp(0, 6) / 6))
    for name in CURVED:
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-9), found[name].reason


def test_the_operation_without_a_second_derivative_is_named():
    found = curved(Bag(), torch.randint(9, (20, 4)))
    assert found["hessian_trace"].status == "not_applicable"
    assert (
        found["hessian_trace"].reason
        == "the network has an operation without a second derivative: embedding_bag"
    )
    assert found["fisher_rao"].status == "ok"
    assert "a function of its own" in curved(Bent(RectifiedOnce.apply))["hessian_trace"].reason


def test_hard_sigmoids_are_what_they_are():
    values = torch.linspace(-4, 4, 17, dtype=torch.float64)
    with twice_differentiable():
        torch.testing.assert_close(nn.Hardsigmoid(inplace=True)(values.clone()), F.hardsigmoid(values))


def test_other_faults_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), needing_derivatives():
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    assert not is_missing_derivative(ValueError("no derivative"))
