"""The volume of a basin whose shape is known."""

import math

import pytest
import torch
from torch import nn

SCALES = torch.tensor([20.0, 5.0, 3.0, 2.0, 1.0, 1.0], dtype=torch.float64)
# Of w·x, with x along the axes and targets met, the loss is Σ (s_i w_i)² / 6: up to 0.05 on an ellipsoid.
VOLUME = float((math.sqrt(6 * 0.05) / SCALES).log().mean())


@pytest.fixture
def bowl(fit):
    model = nn.Linear(6, 1, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    return fit(model, torch.diag(SCALES), torch.zeros(6, 1), kind="regression")


@pytest.mark.parametrize("steps", [3, 4, 6])
def test_the_basin_of_a_quadratic_is_an_ellipsoid(bowl, steps):
    # However many of its curvatures are known, the weights of the directions make up for how they are drawn.
    settings = f"steps={steps}, whole=1, pairs=2000, group=2000"
    assert bowl[f"local_volume[{settings}]"] == pytest.approx(VOLUME, abs=0.02)


@pytest.mark.parametrize("width", [5, 40])
def test_the_volume_of_a_linear_regression_is_exact(fit, width):
    # Of features whose variances are far apart, which without all curvatures are a matter of chance.
    torch.manual_seed(0)
    inputs = torch.randn(400, width).double() * torch.logspace(0, -1.5, width).double()
    targets = inputs.sum(1, keepdim=True) + torch.randn(400, 1)
    model = nn.Linear(width, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.linalg.lstsq(inputs, targets).solution.T)
    found = fit(model, inputs, targets, kind="regression")
    # The loss rises by δᵀ XᵀX δ / n, hence to 0.05 on an ellipsoid with these half axes.
    axes = (0.05 * 400 / torch.linalg.eigvalsh(inputs.T @ inputs)).sqrt()
    assert found["local_volume"] == pytest.approx(axes.log().mean().item(), abs=1e-3)
    assert found["local_volume[whole=1,steps=3]"] < found["local_volume"] - 0.05


def test_groups_are_below_the_volume_and_larger_ones_come_nearer(bowl):
    volumes = [bowl[f"local_volume[steps=1, whole=1, pairs=512, group={group}]"] for group in (1, 4, 64)]
    assert volumes == sorted(volumes)
    assert volumes[-1] < VOLUME + 0.02


def test_known_curvature_leaves_less_to_chance(bowl):
    few = [bowl[f"local_volume[steps={steps}, whole=1, pairs=512, group=1]"] for steps in (1, 6)]
    assert VOLUME - few[1] < (VOLUME - few[0]) / 2


def test_it_is_above_the_mean_radius(small_fit):
    assert small_fit["local_volume[pairs=100, group=100]"] > math.log(small_fit["flatness_radius"])
