"""The volume of a basin whose shape is known."""

import math

import pytest
import torch
from torch import nn


def test_the_basin_of_a_quadratic_is_an_ellipsoid(fit):
    # The loss of w·x, x along the axes and targets met, is ½ Σ (s_i w_i)², up to the change ε on an ellipsoid.
    scales = torch.tensor([1.0, 2.0], dtype=torch.float64)
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    found = fit(model, torch.diag(scales), torch.zeros(2, 1), kind="regression")
    half_axes = [math.sqrt(2 * 0.05) / scale for scale in (1.0, 2.0)]
    expected = 0.5 * math.log(half_axes[0] * half_axes[1])
    assert found["local_volume[draws=2000]"] == pytest.approx(expected, abs=0.02)


def test_it_lies_between_the_mean_and_the_largest_radius(small_fit):
    volume = small_fit["local_volume"]
    assert math.log(small_fit["flatness_radius"]) < volume
