"""Steps without what torch puts around them."""

import pytest
import torch

from genbench.training.plain_steps import plain_steps

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
