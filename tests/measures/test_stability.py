"""Linear stability of SGD against the theory on least squares, where every matrix is known."""

import itertools
import math

import pytest
import torch
from torch import nn

from genbench.contract.protocol import Protocol

EVERYTHING = "examples=1000,steps=100"


def least_squares(fit, features, **protocol):
    """Linear regression with one output; an example's Hessian is 2 x xᵀ."""
    inputs = torch.as_tensor(features, dtype=torch.float64)
    model = nn.Linear(inputs.shape[1], 1, bias=False)
    settings = {"learning_rate": 0.2, "batch_size": 3, **protocol}
    return fit(model, inputs, torch.zeros(len(inputs), 1), kind="regression", protocol=Protocol(**settings))


@pytest.fixture
def features():
    torch.manual_seed(0)
    return torch.randn(12, 5, dtype=torch.float64) * torch.tensor([1.5, 1, 1, 0.5, 0.1])


def test_least_squares(fit, features):
    found = least_squares(fit, features)
    mean, square = torch.zeros(5, 5).double(), torch.zeros(5, 5).double()
    for row in features:
        one = 2 * torch.outer(row, row)
        mean += one / 12
        square += one @ one / 12
    spread = square - mean @ mean
    factor = (12 - 3) / (3 * 11)
    top = torch.linalg.eigvalsh(spread)[-1].item()
    assert found["sgd_sharpness_a"] == pytest.approx(0.1 * torch.linalg.eigvalsh(mean)[-1].item(), rel=1e-6)
    name = f"sgd_nonuniformity_s[{EVERYTHING}]"
    assert found[name] == pytest.approx(0.2 * math.sqrt(factor * top), rel=1e-6)
    step = torch.eye(5).double() - 0.2 * mean
    growth = torch.linalg.eigvalsh(step @ step + 0.04 * factor * spread)[-1].item() - 1
    assert found[f"sgd_stability_margin[{EVERYTHING}]"] == pytest.approx(growth, rel=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_one_weight_grows_as_the_mean_over_all_batches(fit, size):
    numbers = [0.5, 1.0, 2.0, 0.1]
    found = least_squares(fit, [[each] for each in numbers], batch_size=size)
    batches = list(itertools.combinations(numbers, size))
    factors = [1 - 0.2 * sum(2 * each**2 for each in batch) / size for batch in batches]
    growth = sum(factor**2 for factor in factors) / len(batches)
    assert found["sgd_stability_margin"] == pytest.approx(growth - 1, rel=1e-6)


def test_several_weights_grow_as_the_mean_over_all_batches(fit, features):
    found = least_squares(fit, features[:6], batch_size=2)
    mean = torch.zeros(5, 5, dtype=torch.float64)
    batches = list(itertools.combinations(features[:6], 2))
    for batch in batches:
        step = torch.eye(5) - 0.2 * sum(2 * torch.outer(row, row) for row in batch) / 2
        mean += step @ step / len(batches)
    growth = torch.linalg.eigvalsh(mean)[-1].item() - 1
    assert found[f"sgd_stability_margin[{EVERYTHING}]"] == pytest.approx(growth, rel=1e-6)


def test_a_batch_of_everything_is_gradient_descent(fit, features):
    found = least_squares(fit, features, batch_size=100)
    a = found["sgd_sharpness_a"]
    assert found["sgd_nonuniformity_s"] == 0
    curvatures = torch.linalg.eigvalsh(2 * features.T @ features / 12)
    growth = max((1 - 0.2 * each) ** 2 for each in curvatures.tolist())
    assert found[f"sgd_stability_margin[{EVERYTHING}]"] == pytest.approx(growth - 1, rel=1e-6)
    assert a == pytest.approx(0.1 * curvatures[-1].item(), rel=1e-6)


@pytest.mark.parametrize("recurrent", [False, True])
def test_a_network_against_dense_matrices(fit, recurrent):
    torch.manual_seed(0)
    if recurrent:
        model, inputs = Recurrent(), torch.randn(5, 3, 2).double()
    else:
        model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 3))
        model(torch.randn(30, 2))
        inputs = torch.randn(5, 2).double()
    targets = torch.arange(5) % 3
    found = fit(model, inputs, targets, protocol=Protocol(learning_rate=0.5, batch_size=2))
    parameters = list(model.parameters())
    each = []
    for place in range(5):
        outputs = model(inputs[place : place + 1])
        loss = nn.functional.cross_entropy(outputs, targets[place : place + 1])
        first = torch.autograd.grad(loss, parameters, create_graph=True)
        slopes = torch.cat([entry.flatten() for entry in first])
        rows = [torch.autograd.grad(slope, parameters, retain_graph=True) for slope in slopes]
        each.append(torch.stack([torch.cat([entry.flatten() for entry in row]) for row in rows]))
    mean = sum(each) / 5
    spread = sum(one @ one for one in each) / 5 - mean @ mean
    factor = (5 - 2) / (2 * 4)
    top = torch.linalg.eigvalsh(spread)[-1].item()
    name = f"sgd_nonuniformity_s[{EVERYTHING}]"
    assert found[name] == pytest.approx(0.5 * math.sqrt(factor * top), rel=1e-6)
    assert found["sgd_nonuniformity_s[steps=12]"] == pytest.approx(found[name], rel=1e-3)
    step = torch.eye(len(mean)).double() - 0.5 * mean
    growth = torch.linalg.eigvalsh(step @ step + 0.25 * factor * spread)[-1].item()
    assert found[f"sgd_stability_margin[{EVERYTHING}]"] == pytest.approx(growth - 1, rel=1e-6)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.RNN(2, 2, batch_first=True)
        self.top = nn.Linear(2, 3)

    def forward(self, inputs):
        return self.top(self.memory(inputs)[0][:, -1])


@pytest.mark.parametrize(
    ("protocol", "setting", "rate"),
    [
        ({"momentum": 0.9}, "", 0.2),
        ({"momentum": 0.9}, "[momentum=effective]", 2.0),
        ({"momentum": 0.6}, "[momentum=heavy_ball]", 0.125),
        ({"schedule": "step", "decay": 0.1, "decay_epochs": (2,), "max_epochs": 3}, "", 0.02),
        ({"schedule": "step", "decay_epochs": (2,), "max_epochs": 3}, "[rate=peak]", 0.2),
        ({"schedule": "linear", "max_epochs": 2}, "", 0.2 / 8),
    ],
)
def test_which_learning_rate(fit, features, protocol, setting, rate):
    plain = least_squares(fit, features, learning_rate=1.0)["sgd_sharpness_a"]
    found = least_squares(fit, features, **protocol)
    assert found[f"sgd_sharpness_a{setting}"] == pytest.approx(rate * plain, rel=1e-9)


@pytest.mark.parametrize(
    ("protocol", "setting", "reason"),
    [
        ({"optimizer": "adam"}, "", "trained by adam"),
        ({"schedule": "cosine", "target_loss": 0.1}, "", "rate=peak"),
        ({"nesterov": True, "momentum": 0.9}, "[momentum=heavy_ball]", "Nesterov"),
    ],
)
def test_trainings_without_a_value(fit, features, protocol, setting, reason):
    value = least_squares(fit, features, **protocol).value(f"sgd_sharpness_a{setting}")
    assert value.status == "not_applicable"
    assert reason in value.reason
