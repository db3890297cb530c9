import torch
from torch import nn

from genbench.base.data import Task
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer
from genbench.training.network import build_network

TASK = Task("classification", (4,), 3)


def build(task):
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, task.outputs))


def test_the_seed_decides_and_the_global_state_stays(same):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    states = [build_network(build, TASK, (), Protocol(), seed).state_dict() for seed in (1, 1, 2**64 - 1)]
    assert torch.equal(torch.get_rng_state(), before)
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


def test_scale_is_for_weights_with_two_dimensions():
    plain = build_network(build, TASK, (), Protocol(), 0)
    scaled = build_network(build, TASK, (), Protocol(initialization_scale=3.0), 0)
    for (name, one), other in zip(plain.named_parameters(), scaled.parameters(), strict=True):
        torch.testing.assert_close(other, one * (3.0 if name in ("0.weight", "2.weight") else 1.0))


def test_regularizers_build_in_order_and_are_scaled_too():
    class Longer(Regularizer):
        def build(self, model, task):
            return nn.Sequential(model, nn.Linear(3, 3))

    class Unit(Regularizer):
        def build(self, model, task):
            nn.init.ones_(model[-1].weight)
            return model

    model = build_network(build, TASK, [Longer(), Unit()], Protocol(initialization_scale=2.0), 0)
    assert torch.equal(model[1].weight, torch.full((3, 3), 2.0))
