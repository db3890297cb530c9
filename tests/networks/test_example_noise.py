"""Noise with signs of its own for each example, against networks whose weights are written out."""

import pytest
import torch
from torch import nn

import genbench
from genbench.networks.copying import copy_of
from genbench.networks.example_noise import ExampleNoise, OtherRows
from genbench.probes.objective import objective

CPU = torch.device("cpu")


class Normalized(nn.Module):
    """Every kind of layer that is known, one of them called twice."""

    def __init__(self):
        super().__init__()
        self.lower = nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular")
        self.grouped = nn.Conv2d(4, 8, 3, stride=2, groups=2, bias=False)
        self.batch, self.group, self.layer = nn.BatchNorm2d(4), nn.GroupNorm(2, 8), nn.LayerNorm(4)
        self.positions, self.output = nn.Linear(4, 4), nn.Linear(8, 3)
        self.batch.running_mean += 0.3

    def forward(self, x):
        x = self.grouped(torch.relu_(self.batch(self.lower(x))))
        x = self.layer(self.group(x).flatten(2))
        return self.output(self.positions(self.positions(x).tanh()).mean(2))


class Beside(nn.Module):
    """A weight of no layer that is known."""

    def __init__(self):
        super().__init__()
        self.weight, self.output = nn.Parameter(torch.randn(5, 6)), nn.Linear(6, 3)

    def forward(self, x):
        return self.output((x @ self.weight).tanh())


class Reshaped(nn.Module):
    """A layer that sees the positions of all examples in its first dimension."""

    def __init__(self):
        super().__init__()
        self.lower, self.output = nn.Linear(1, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.output(self.lower(x.reshape(-1, 1)).tanh().reshape(len(x), -1, 4).mean(1))


def sample(model, *shape, **settings):
    model = model.double().eval()
    inputs = torch.randn(9, *shape, dtype=torch.float64)
    task = genbench.Task("classification", shape, 3)
    folded = copy_of(model).requires_grad_(False)
    with torch.no_grad():
        return objective(model, inputs, torch.arange(9) % 3, task, CPU, folded, fold=False, **settings)


def outer(sides, row, shape, groups):
    """The signs that one example has on a weight: of what leaves times of what enters."""
    *entering, leaving = (each[row] for each in sides)
    if not entering:
        return leaving
    place = torch.arange(shape[1]) + (torch.arange(shape[0]) // (shape[0] // groups)).unsqueeze(1) * shape[1]
    signs = leaving.unsqueeze(1) * entering[0][place]
    return signs.reshape(*signs.shape, *[1] * (len(shape) - 2))


@pytest.mark.parametrize("some", [slice(0, None, 2), slice(1, 2)])
@pytest.mark.parametrize("biases", [True, False])
def test_each_example_sees_the_noise_with_signs_of_its_own(monkeypatch, biases, some):
    torch.manual_seed(0)
    sampled = sample(Normalized(), 2, 5, 5, biases=biases)
    own, noise = ExampleNoise(sampled), 0.1 * torch.randn_like(sampled.weights)
    assert own.holds(noise)
    whole = own.losses(noise, some, torch.Generator().manual_seed(3))
    signs = own.signs(len(sampled.inputs[some]), torch.Generator().manual_seed(3))
    assert whole.shape == (2, len(sampled.inputs[some]))
    for row in range(whole.shape[1]):
        one = sampled.of(slice(some.start + row * (some.step or 1), None, len(sampled.inputs)))
        for place, side in enumerate((1, -1)):
            moved = []
            pairs = zip(sampled.pieces(sampled.weights), sampled.pieces(noise), strict=True)
            for name, (weight, change) in zip(sampled.names, pairs, strict=True):
                layer, _, kind = name.rpartition(".")
                groups = 2 if layer == "grouped" else 1
                own_signs = (
                    signs[layer][-1][row]
                    if kind == "bias"
                    else outer(signs[layer], row, weight.shape, groups)
                )
                moved.append((weight + side * change * own_signs).flatten())
            assert whole[place, row].item() == pytest.approx(one.loss(torch.cat(moved)), rel=1e-9)
    monkeypatch.setitem(ExampleNoise.losses.__globals__["chunks"].__globals__["_CHUNK"], "cpu", 100)
    chunked = own.losses(noise, some, torch.Generator().manual_seed(3))
    torch.testing.assert_close(chunked, whole)
    assert not any(module._forward_hooks for module in sampled.model.modules())


def test_signs_differ_from_example_to_example_and_are_as_often_up_as_down():
    torch.manual_seed(0)
    own = ExampleNoise(sample(nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)), 5))
    entering, leaving = own.signs(4000, torch.Generator().manual_seed(0))["0"]
    assert (entering.shape, leaving.shape) == ((4000, 5), (4000, 6))
    both = torch.cat([entering, leaving], 1)
    assert set(both.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(both.T @ both / 4000, torch.eye(11).double(), rtol=0, atol=0.06)


class Squared(nn.Module):
    """A layer of another kind."""

    def __init__(self):
        super().__init__()
        self.lower, self.output = nn.Linear(5, 5), nn.Bilinear(5, 5, 3)

    def forward(self, x):
        x = self.lower(x)
        return self.output(x, x)


class Again(nn.Module):
    """A weight that is used a second time, beside the call of its layer."""

    def __init__(self):
        super().__init__()
        self.lower, self.output = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.output(self.lower(x).tanh() + x @ self.lower.weight)


@pytest.mark.parametrize("kind", [Again, Beside, Reshaped, Squared])
def test_networks_that_use_weights_otherwise_are_told_apart(kind):
    sampled = sample(kind(), 5)
    assert not ExampleNoise(sampled).holds(0.1 * torch.randn_like(sampled.weights))


class Routed(nn.Module):
    """Each example goes through one of two layers; the first two examples through the same."""

    def __init__(self):
        super().__init__()
        self.experts, self.output = nn.ModuleList(nn.Linear(2, 3) for _ in range(2)), nn.Linear(3, 3)

    def forward(self, x):
        hidden = x.new_zeros(len(x), 3)
        for place, expert in enumerate(self.experts):
            chosen = torch.arange(len(x)) // 2 % 2 == place
            hidden[chosen] = expert(x[chosen])
        return self.output(hidden)


def test_a_layer_that_sees_some_of_the_examples_is_told():
    torch.manual_seed(0)
    sampled = sample(Routed(), 2)
    own, noise = ExampleNoise(sampled), 0.1 * torch.randn_like(sampled.weights)
    with pytest.raises(OtherRows):
        own.losses(noise, slice(None), torch.Generator().manual_seed(0))
