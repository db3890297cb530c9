"""Draws for another device are those of the CPU; here every device counts as another one."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from genbench.networks.draws import DrawnOnCpu, drawn_on_cpu


class Everywhere(DrawnOnCpu):
    """Takes the CPU itself for another device."""

    def elsewhere(self, device):
        return device is not None


def stream():
    return torch.Generator().manual_seed(3)


def values():
    return torch.linspace(0.1, 0.9, 24).view(2, 3, 4)


CPU = torch.device("cpu")

DRAWS = {
    "rand": lambda: torch.rand(4, 3, generator=stream(), device=CPU, dtype=torch.float64),
    "randn": lambda: torch.randn((5,), generator=stream(), device=CPU),
    "randint": lambda: torch.randint(2**62, (3,), generator=stream(), device=CPU),
    "randperm": lambda: torch.randperm(9, generator=stream(), device=CPU),
    "out": lambda: torch.rand(3, generator=stream(), out=torch.empty(3), device=CPU),
    "with gradients": lambda: torch.randn(3, device=CPU, requires_grad=True),
    "own stream": lambda: torch.rand(3, device=CPU),
    "rand_like": lambda: torch.rand_like(values()),
    "randn_like, transposed": lambda: torch.randn_like(values().transpose(0, 2)),
    "randint_like": lambda: torch.randint_like(values(), 7),
    "normal of tensors": lambda: torch.normal(values(), values(), generator=stream()),
    "normal of numbers": lambda: torch.normal(0.0, 2.0, (3,), generator=stream(), device=CPU),
    "bernoulli": lambda: torch.bernoulli(values(), generator=stream()),
    "multinomial": lambda: torch.multinomial(values()[0], 2, generator=stream()),
    "poisson": lambda: torch.poisson(values(), generator=stream()),
    "normal_": lambda: values().normal_(1, 2, generator=stream()),
    "uniform_, transposed": lambda: values().transpose(0, 1).uniform_(generator=stream()),
    "bernoulli_": lambda: values().bernoulli_(values(), generator=stream()),
    "exponential_": lambda: values().exponential_(generator=stream()),
    "random_": lambda: values().random_(5, generator=stream()),
    "dropout": lambda: F.dropout(values(), 0.4, True),
    "dropout in place": lambda: F.dropout(values(), 0.4, True, True),
    "dropout as a module": lambda: torch.nn.Dropout(0.3).train()(values()),
    "dropout of channels": lambda: torch.nn.Dropout1d(0.5).train()(values()),
    "dropout that is off": lambda: torch.nn.Dropout(0.3).eval()(values()),
    "alpha dropout": lambda: F.alpha_dropout(values(), 0.4, True),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_for_another_device_is_that_of_the_cpu(name):
    torch.manual_seed(5)
    plain = DRAWS[name]()
    torch.manual_seed(5)
    with Everywhere():
        moved = DRAWS[name]()
    assert torch.equal(moved, plain)
    assert (moved.stride(), moved.dtype, moved.requires_grad) == (
        plain.stride(),
        plain.dtype,
        plain.requires_grad,
    )


def test_gradients_pass_dropout():
    given = values().requires_grad_()
    torch.manual_seed(5)
    (plain,) = torch.autograd.grad(F.dropout(given, 0.4, True).sum(), given)
    torch.manual_seed(5)
    with Everywhere():
        (moved,) = torch.autograd.grad(F.dropout(given, 0.4, True).sum(), given)
    assert torch.equal(moved, plain)


def test_on_the_cpu_nothing_stands_between():
    with drawn_on_cpu(CPU):
        assert torch._C._len_torch_function_stack() == 0
    with drawn_on_cpu(torch.device("cuda")):
        assert torch._C._len_torch_function_stack() == 1


def test_what_fills_a_tensor_returns_that_tensor():
    given = values()
    with Everywhere():
        assert Tensor.normal_(given) is given
