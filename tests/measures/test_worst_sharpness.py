"""Worst-case sharpness on quadratic functions, whose largest values in a ball are known."""

import math

import pytest
import torch
from torch import nn


@pytest.fixture
def bowl(fit):
    """Least squares with one output: weights, a function from them to the loss, its Hessian."""
    torch.manual_seed(0)
    inputs, targets = torch.randn(24, 4).double(), torch.randn(24, 1).double()
    model = nn.Linear(4, 1, bias=False).double()
    return fit(model, inputs, targets, kind="regression")


def highest_in_ball(bowl, scale, radius, rows=slice(None)):
    """max of gᵀδ + ½ δᵀHδ over ‖δ / c‖ ≤ ρ: (νI − H̃) z = g̃ with ‖z‖ = ρ, ν above the spectrum of H̃."""
    inputs, targets = bowl.roots["inputs"][rows], bowl.roots["targets"][rows]
    weights = bowl.roots["model"].weight.detach()[0]
    hessian = 2 * inputs.T @ inputs / len(inputs) * torch.outer(scale, scale)
    slope = 2 * inputs.T @ (inputs @ weights - targets[:, 0]) / len(inputs) * scale
    values, vectors = torch.linalg.eigh(hessian)
    parts = (vectors.T @ slope).square()
    low, high = values[-1].item(), values[-1].item() + slope.norm().item() / radius
    for _ in range(200):
        middle = (low + high) / 2
        length = (parts / (middle - values).square()).sum().sqrt().item()
        low, high = (middle, high) if length > radius else (low, middle)
    z = torch.linalg.solve(high * torch.eye(4) - hessian, slope)
    return float(slope @ z + z @ hessian @ z / 2)


@pytest.mark.parametrize("weighting", ["none", "magnitude", "magnitude_plus_one"])
@pytest.mark.parametrize("radius", [0.1, 1.0])
def test_a_ball(bowl, weighting, radius):
    sizes = bowl.roots["model"].weight.detach()[0].abs()
    scale = {"none": torch.ones(4).double(), "magnitude": sizes, "magnitude_plus_one": sizes + 1}[weighting]
    found = bowl[f"worst_sharpness[radius={radius},steps=100,weighting={weighting}]"]
    assert found == pytest.approx(highest_in_ball(bowl, scale, radius), rel=1e-6)
    few = bowl[f"worst_sharpness[radius={radius},weighting={weighting}]"]
    assert few == pytest.approx(found, rel=0.01)


def test_each_batch_has_its_own_worst(bowl):
    ones = torch.ones(4).double()
    each = [highest_in_ball(bowl, ones, 0.5, slice(start, None, 3)) for start in range(3)]
    found = bowl["worst_sharpness[batch=8,steps=100,weighting=none]"]
    assert found == pytest.approx(sum(each) / 3, rel=1e-6)


def test_a_box_has_its_worst_in_a_corner(bowl):
    model, inputs, targets = (bowl.roots[name] for name in ("model", "inputs", "targets"))
    weights = model.weight.detach()[0]

    def loss(moved):
        return float((inputs @ moved - targets[:, 0]).square().mean())

    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 4)
    base = loss(weights)
    highest = max(loss(weights + 0.3 * corner * weights.abs()) for corner in corners) - base
    assert bowl["worst_sharpness[radius=0.3,shape=box]"] == pytest.approx(highest, rel=1e-9)
    highest = max(loss(weights + 1e-3 * corner * (weights.abs() + 1)) for corner in corners) - base
    found = bowl["sharpness[radius=0.001]"]
    assert found == pytest.approx(100 * highest / (1 + base), rel=1e-6)


def test_logistic_regression_is_worst_straight_up(fit):
    # The logits ±x w/2 of one example: the loss ln(1 + exp(−(w₁ − w₂) x)) rises along (−1, 1).
    model = nn.Linear(1, 2, bias=False).double()
    found = fit(model, torch.tensor([[2.0]]), torch.tensor([0]))
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.7], [-0.2]]))
    expected = math.log1p(math.exp(-2 * (0.9 - 0.5 * math.sqrt(2)))) - math.log1p(math.exp(-1.8))
    assert found["worst_sharpness[weighting=none]"] == pytest.approx(expected, rel=1e-6)


def test_adaptive_sharpness_stays_where_layers_are_rescaled(small_fit):
    names = ("worst_sharpness", "worst_sharpness[radius=0.01,shape=box]")
    before = [small_fit[name] for name in names]
    with torch.no_grad():
        small_fit.roots["model"][2].weight *= 4
        small_fit.roots["model"][4].weight /= 4
    assert [small_fit[name] for name in names] == pytest.approx(before, rel=1e-9)


def test_normalized_logits_forget_their_size(small_fit):
    names = ("worst_sharpness[logits=normalized]", "worst_sharpness")
    before = [small_fit[name] for name in names]
    with torch.no_grad():
        small_fit.roots["model"][4].weight *= 4
    after = [small_fit[name] for name in names]
    assert after[0] == pytest.approx(before[0], rel=1e-6)
    assert after[1] != pytest.approx(before[1], rel=1e-2)


def test_regression_has_no_logits_to_normalize(bowl):
    value = bowl.value("worst_sharpness[logits=normalized]")
    assert value.status == "not_applicable"
    assert "classification" in value.reason


@pytest.mark.parametrize(
    "name",
    [
        "sam_sharpness",
        "sharpness",
        "worst_sharpness[weighting=none]",
        "worst_sharpness[shape=box,weighting=none]",
    ],
)
def test_a_gradient_of_rounding_is_none(fit, name):
    """Balanced classes and no weights: the gradient by the biases is zero, and 1e-17 as it is computed."""
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    inputs, targets = torch.randn(30, 4).double(), torch.arange(30) % 3
    slope = torch.autograd.grad(nn.functional.cross_entropy(model(inputs), targets), model[2].bias)[0]
    assert 0 < slope.abs().max() < 1e-15
    value = fit(model, inputs, targets).value(name)
    assert value.status == "not_applicable"
    assert "gradient" in value.reason


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_well_fitted_network_has_a_way_up(fit, dtype):
    """Logits ±9.21 and a loss ln(1 + exp(−18.42)) of 1e-8: the gradient is as small, and real."""
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[9.21], [-9.21]]))
    found = fit(model, torch.ones(4, 1), torch.zeros(4, dtype=torch.long))
    found.roots["model"].to(dtype)
    found.roots["inputs"] = found.roots["inputs"].to(dtype)
    # Every way of length ρ along (−1, 1) takes ρ √2 off the margin, the box of 9.21 + 1 twice as much as ρ.
    base = math.log1p(math.exp(-18.42))
    assert found["sam_sharpness"] == pytest.approx(base * math.expm1(0.05 * math.sqrt(2)), rel=1e-3)
    expected = 100 * base * math.expm1(2 * 5e-4 * 10.21) / (1 + base)
    assert found["sharpness"] == pytest.approx(expected, rel=1e-3)


def test_no_way_up_without_a_gradient(fit):
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    value = fit(model, torch.randn(5, 2), torch.zeros(5, 1), kind="regression").value("worst_sharpness")
    assert value.status == "not_applicable"
    assert "gradient" in value.reason
