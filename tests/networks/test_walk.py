"""The way of the weights against distances between copies of the weights."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from genbench.networks.walk import Walk, distances_between, walk_through
from genbench.training.recording import WalkKeeper


def walked(points, last):
    """A keeper's walk through points, given as the weights of a network with a frozen parameter."""
    model = nn.Linear(points.shape[1], 1)
    model.bias.requires_grad_(False)
    keeper = WalkKeeper(model, last)
    for point in points:
        with torch.no_grad():
            model.weight.copy_(point.unsqueeze(0))
            model.bias.add_(1)
        keeper.offer()
    return keeper.walk()


@pytest.fixture
def points():
    return torch.randn(40, 7, generator=torch.Generator().manual_seed(0)).cumsum(0)


@pytest.mark.parametrize("last", [1, 2, 5, 39, 40, 60])
def test_lengths_of_all_steps_and_distances_of_the_last_points(points, last):
    walk = walked(points, last)
    exact = points.double()
    assert walk.steps.tolist() == list(range(40))
    expected = [(b - a).norm().item() for a, b in pairwise(exact)]
    assert walk.lengths.tolist() == pytest.approx(expected, rel=1e-6)
    assert walk.distance == pytest.approx((exact[-1] - exact[0]).norm().item(), rel=1e-12)
    between = (exact[-last:].unsqueeze(1) - exact[-last:]).norm(dim=2)
    assert torch.allclose(walk.last, between, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("last", [1, 2, 5])
def test_a_walk_is_kept_as_tensors(points, last):
    walk = walked(points, last)
    again = Walk.of_state(walk.state())
    assert torch.equal(again.steps, walk.steps)
    assert torch.allclose(again.lengths, walk.lengths, rtol=1e-6)
    assert torch.allclose(again.last, walk.last, rtol=1e-6)
    assert again.distance == pytest.approx(walk.distance, rel=1e-6)


def test_without_points_there_is_no_walk(points):
    assert walked(points, 0) is None
    assert walked(points[:0], 3) is None
    still = walked(points[:1], 3)
    assert (still.lengths.tolist(), still.distance, still.last.tolist()) == ([], 0, [[0]])


def test_small_distances_far_from_the_origin_keep_their_digits():
    steps = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    near, far = distances_between(1e-6 * steps), distances_between(1e-6 * steps + 100)
    assert torch.allclose(near, far, rtol=1e-6, atol=0)


def test_a_walk_through_snapshots_goes_straight_and_looks_at_named_parameters_only(points):
    chosen = [(30, 30), (0, 0), (7, 7)]
    states = [(step, {"a": points[at, :4], "b": points[at, 4:], "c": torch.ones(1)}) for step, at in chosen]
    walk = walk_through(states, ["a", "b"])
    exact = points.double()
    assert walk.steps.tolist() == [0, 7, 30]
    expected = [(exact[7] - exact[0]).norm().item(), (exact[30] - exact[7]).norm().item()]
    assert walk.lengths.tolist() == pytest.approx(expected, rel=1e-12)
    assert walk.distance == pytest.approx((exact[30] - exact[0]).norm().item(), rel=1e-12)
    assert walk.last[0, 2].item() == pytest.approx(walk.distance, rel=1e-9)


def test_filters_in_channels_last_order_are_followed_without_copies():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1))
    models = [copy.deepcopy(model), model.to(memory_format=torch.channels_last)]
    keepers = [WalkKeeper(each, 3) for each in models]
    steps = torch.Generator().manual_seed(1)
    for _ in range(5):
        for each in zip(*(one.parameters() for one in models), strict=True):
            move = torch.randn(each[0].shape, generator=steps)
            for parameter in each:
                parameter.data += move
        for keeper in keepers:
            keeper.offer()
    usual, last = (keeper.walk() for keeper in keepers)
    torch.testing.assert_close(last.state(), usual.state())
    held = [each.data_ptr() for each in keepers[1]._vectors]
    assert held == [each.data_ptr() for each in model.parameters()]
