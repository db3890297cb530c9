"""The cloud of the last points of the trajectory, where its shape is known."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import nn


@pytest.fixture
def cloud(fit):
    """Build a fit whose weights went through given points."""

    def build(points, examples=9):
        model = nn.Linear(points.shape[1], 1, bias=False)
        steps = [(step, {"weight": point.unsqueeze(0)}) for step, point in enumerate(points.double())]
        inputs, targets = torch.ones(examples, points.shape[1]), torch.zeros(examples, 1)
        return fit(model, inputs, targets, kind="regression", snapshots=steps)

    return build


@pytest.fixture
def stream():
    return torch.Generator().manual_seed(0)


def test_a_line_has_one_dimension(cloud):
    line = cloud(torch.linspace(0, 1, 300).unsqueeze(1) * torch.randn(1, 5))
    assert line["ph_dimension"] == pytest.approx(1, abs=0.03)
    assert line["e_alpha"] == pytest.approx(line["traj_length"], rel=1e-9)


def test_brownian_motion_has_two_dimensions(cloud, stream):
    walks = [cloud(torch.randn(300, 400, generator=stream).cumsum(0)) for _ in range(3)]
    # Of so few points it is estimated as 2.3, since samples leave out fewer than they would of a continuum.
    assert np.mean([walk["ph_dimension"] for walk in walks]) == pytest.approx(2, abs=0.35)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
@pytest.mark.parametrize("dimension", [1, 2])
def test_points_in_a_cube_have_its_dimension(cloud, stream, dimension, alpha):
    points = torch.zeros(400, 6)
    points[:, :dimension] = torch.rand(400, dimension, generator=stream)
    found = cloud(points)[f"ph_dimension[alpha={alpha},repeats=5]"]
    assert found == pytest.approx(dimension, abs=0.2)


def test_the_dimension_knows_no_unit(cloud, stream):
    points = torch.rand(60, 3, generator=stream)
    assert cloud(100 * points + 7)["ph_dimension"] == pytest.approx(cloud(points)["ph_dimension"], rel=1e-5)


def test_it_is_the_slope_of_sums_over_random_samples(cloud, stream):
    points = torch.rand(50, 3, generator=stream, dtype=torch.float64)
    between = (points.unsqueeze(1) - points).norm(dim=2)
    generator = torch.Generator().manual_seed(1)
    sizes, means = [20, 35, 50], []
    for size in sizes:
        logarithms = []
        for _ in range(2 if size < 50 else 1):
            drawn = torch.randperm(50, generator=generator)[:size]
            tree = minimum_spanning_tree(between[drawn][:, drawn].numpy())
            logarithms.append(math.log((tree.data**0.5).sum()))
        means.append(np.mean(logarithms))
    x, y = np.log(sizes), np.array(means)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    found = cloud(points)["ph_dimension[alpha=0.5,repeats=2,sizes=3,smallest=0.4]"]
    assert found == pytest.approx(0.5 / (1 - slope), rel=1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_sums_of_lifetimes_are_those_of_a_minimal_spanning_tree(cloud, stream, alpha):
    points = torch.randn(40, 4, generator=stream, dtype=torch.float64)
    tree = minimum_spanning_tree((points.unsqueeze(1) - points).norm(dim=2).numpy())
    assert cloud(points)[f"e_alpha[alpha={alpha}]"] == pytest.approx((tree.data**alpha).sum(), rel=1e-9)


def test_magnitude_of_points_on_a_line(cloud):
    positions = torch.tensor([0.0, 1.0, 1.5, 4.0], dtype=torch.float64)
    expected = 1 + sum(math.tanh(scale / 2) for scale in (1.0, 0.5, 2.5))
    line = cloud(positions.unsqueeze(1))
    assert line["trajectory_magnitude[scale=1.0]"] == pytest.approx(expected, rel=1e-9)
    for_nine = 1 + sum(math.tanh(3 * scale / 2) for scale in (1.0, 0.5, 2.5))
    assert line["trajectory_magnitude"] == pytest.approx(for_nine, rel=1e-9)
    assert line["trajectory_magnitude[scale=1000.0]"] == pytest.approx(4, rel=1e-9)


@pytest.mark.parametrize("positive", [False, True])
def test_magnitude_is_the_sum_of_the_weighting(cloud, stream, positive):
    points = torch.randn(25, 2, generator=stream, dtype=torch.float64)
    similarity = np.exp(-0.3 * (points.unsqueeze(1) - points).norm(dim=2).numpy())
    weights = np.linalg.solve(similarity, np.ones(25))
    expected = weights[weights > 0].sum() if positive else weights.sum()
    found = cloud(points)[f"trajectory_magnitude[positive={str(positive).lower()},scale=0.3]"]
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_point_that_is_visited_again_counts_once(cloud):
    there_and_back = torch.tensor([[0.0], [1.0], [0.0], [1.0], [3.0]])
    expected = 1 + math.tanh(1 / 2) + math.tanh(2 / 2)
    found = cloud(there_and_back)["trajectory_magnitude[scale=1.0]"]
    assert found == pytest.approx(expected, rel=1e-9)


def test_too_few_points_have_no_dimension(cloud):
    assert cloud(torch.rand(19, 2)).value("ph_dimension").reason.startswith("19 points")
    assert cloud(torch.rand(20, 2)).value("ph_dimension").status == "ok"
