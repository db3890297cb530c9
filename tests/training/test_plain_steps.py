"""Steps without what torch puts around them."""

from functools import partial

import pytest
import torch

from genbench.training.plain_steps import DirectSGD, plain_steps

KINDS = {
    "sgd": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}),
    "adam": (torch.optim.Adam, {"lr": 0.01, "fused": True}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01, "momentum": 0.5}),
}


def walked(kind, settings, steps=7):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(5, 3))
    optimizer = kind([weight], **settings)
    for _ in range(steps):
        optimizer.zero_grad()
        (weight.sin() * weight).sum().backward()
        optimizer.step()
    return weight.detach(), optimizer


@pytest.mark.parametrize("name", KINDS)
def test_they_are_the_same_to_the_bit(name):
    kind, settings = KINDS[name]
    plain, optimizer = walked(plain_steps(kind), settings)
    usual, other = walked(kind, settings)
    assert torch.equal(plain, usual)
    assert isinstance(optimizer, kind)
    for one, two in zip(optimizer.state.values(), other.state.values(), strict=True):
        assert one.keys() == two.keys()
        assert all(torch.equal(torch.as_tensor(one[key]), torch.as_tensor(two[key])) for key in one)


def test_no_graph_of_the_step_is_kept_and_gradients_stay_on():
    weight, _ = walked(plain_steps(torch.optim.SGD), KINDS["sgd"][1])
    assert weight.grad_fn is None
    assert torch.is_grad_enabled()


def two_groups(kind, settings, *, change=lambda step, optimizer, weights: None, steps=6):
    """The weights after some steps on two groups, one of which decays, and the optimizer."""
    torch.manual_seed(1)
    weights = [torch.nn.Parameter(torch.randn(4, 3)) for _ in range(3)]
    groups = [{"params": weights[:2]}, {"params": weights[2:], "weight_decay": 0.1}]
    optimizer = kind(groups, lr=0.1, **settings)
    for step in range(steps):
        change(step, optimizer, weights)
        optimizer.zero_grad()
        sum((each.sin() * each).sum() for each in weights if each.requires_grad).backward()
        optimizer.step()
    return weights, optimizer


def slower(step, optimizer, weights):
    optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)


def rate_in_a_tensor(step, optimizer, weights):
    optimizer.param_groups[1]["lr"] = torch.tensor(0.05)


def frozen_midway(step, optimizer, weights):
    weights[0].requires_grad_(step < 3)


@pytest.mark.parametrize("change", [slower, rate_in_a_tensor, frozen_midway])
@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_direct_steps_are_those_of_the_fused_kernel(settings, change):
    direct, optimizer = two_groups(DirectSGD, settings, change=change)
    usual, other = two_groups(partial(torch.optim.SGD, fused=True), settings, change=change)
    assert all(torch.equal(*pair) for pair in zip(direct, usual, strict=True))
    for one, two in zip(optimizer.state.values(), other.state.values(), strict=True):
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_direct_steps_of_two_precisions_are_torchs_own():
    made = []
    for kind in (DirectSGD, partial(torch.optim.SGD, fused=True)):
        torch.manual_seed(1)
        weights = [torch.nn.Parameter(torch.randn(3, dtype=each)) for each in (torch.float32, torch.float64)]
        optimizer = kind(weights, lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            sum((each**4).sum() for each in weights).backward()
            optimizer.step()
        made.append(weights)
    assert all(torch.equal(*pair) for pair in zip(*made, strict=True))
