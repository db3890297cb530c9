"""Checkpointed networks are measured as if they were not, and afterwards checkpoint as before."""

import pytest
import torch
from torch import nn
from torch.utils import checkpoint

import genbench
from genbench.networks.recomputation import without_recomputation


class Checkpointed(nn.Module):
    def __init__(self, body, head, reentrant):
        super().__init__()
        self.body, self.head, self.reentrant = body, head, reentrant

    def forward(self, x):
        return self.head(checkpoint.checkpoint(self.body, x, use_reentrant=self.reentrant))


@pytest.fixture
def plain():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU())
    return nn.Sequential(body, nn.Linear(5, 3)).double()


@pytest.fixture(params=[False, True], ids=["hooks", "reentrant"])
def checkpointed(request, plain):
    return Checkpointed(*plain, request.param)


def calls_in_a_backward_pass(network):
    calls = []
    handle = network.body[0].register_forward_hook(lambda *_: calls.append(1))
    network(torch.randn(2, 4, dtype=torch.float64, requires_grad=True)).sum().backward()
    handle.remove()
    return len(calls)


@without_recomputation()
def left_by_an_exception(network):
    assert calls_in_a_backward_pass(network) == 1
    raise KeyError


def test_nothing_is_computed_twice_inside_and_all_is_as_before_behind(checkpointed):
    assert calls_in_a_backward_pass(checkpointed) == 2
    with without_recomputation():
        with pytest.raises(KeyError):
            left_by_an_exception(checkpointed)
        assert calls_in_a_backward_pass(checkpointed) == 1
    assert calls_in_a_backward_pass(checkpointed) == 2


def test_measures_are_those_of_the_network_that_keeps_its_activations(plain, checkpointed):
    inputs, targets = torch.randn(20, 4, dtype=torch.float64), torch.arange(20) % 3
    names = ["grad_norm_train", "stiffness_cos", "hessian_top_eig", "sam_sharpness", "tk_trace", "sharpness"]
    found, expected = (
        genbench.evaluate(network, inputs, targets, measures=names) for network in (checkpointed, plain)
    )
    for name in names:
        assert found[name].status == expected[name].status, found[name].reason
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-9, nan_ok=True)
