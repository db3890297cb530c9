"""The potentials in closed form, and the training loop on them against a plain simulation and Gibbs integrals."""

import math

import numpy as np
import pytest
import torch

import genbench
from genbench.datasets.noisy_zeros import noisy_zeros
from genbench.models.walkers import walkers
from genbench.protocols.vanilla_sgd import VanillaSgd
from genbench.regularizers.langevin import Langevin
from genbench.training.loop import train

STEP, OUTPUTS = 0.04, 1200
SEEDS = {"order": 0, "augmentation": 0, "dropout": 0, "regularizer": 0}


def at(points, **settings):
    """The model with its walkers at these points."""
    points = torch.tensor(points, dtype=torch.float64)
    task = genbench.Task("regression", (1,), points.numel())
    model = walkers(task, dimensions=points.shape[1], **settings).double()
    model.positions.data = points
    return model


def squared_distance(point, low, high):
    nearest = [min(max(w, a), b) for w, a, b in zip(point, low, high, strict=True)]
    return sum((w - each) ** 2 for w, each in zip(point, nearest, strict=True))


# Size 0.5 and gap 1.5 in two dimensions.
BOXES = {
    "narrow-and-wide": (((-1.75, -0.5), (-0.75, 0.5)), ((0.75, -1.0), (2.75, 1.0))),
    "point-and-valley": (((-0.75, 0.0), (-0.75, 0.0)), ((0.75, -1.0), (0.75, 1.0))),
}


@pytest.mark.parametrize("minima", BOXES)
def test_the_potential_is_the_squared_distance_to_the_nearer_minimum(minima):
    points = np.random.default_rng(0).uniform(-4, 4, (200, 2))
    model = at(points, minima=minima, stiffness=1.5)
    each = [[squared_distance(point, *box) for box in BOXES[minima]] for point in points]

    potential = model.potential()

    assert potential.tolist() == pytest.approx([1.5 * min(both) for both in each])
    assert model.at_the_second().tolist() == [second < first for first, second in each]
    outputs = model(torch.ones(7, 1))
    assert outputs.shape == (7, 400)
    assert torch.allclose(outputs[3].reshape(200, 2).square().sum(1), potential)


def test_both_minima_have_depth_zero_the_ridge_its_height_and_the_walls_their_curvature():
    points = [[-1.2, 0.3], [2.7, -0.9], [0.0, 0.1], [-2.0, 0.0], [1.0, 1.5]]
    model = at(points, stiffness=2.0, gap=1.5)
    assert model.potential().tolist() == pytest.approx([0, 0, 2 * 0.75**2, 2 * 0.25**2, 2 * 0.5**2])

    hessian = torch.func.hessian(
        lambda w: torch.func.functional_call(model, {"positions": w}, torch.ones(1, 1)).square().sum()
    )(model.positions.detach())
    own = np.array([hessian[index, :, index].tolist() for index in range(5)])

    flat, first, second = [[0, 0], [0, 0]], [[4, 0], [0, 0]], [[0, 0], [0, 4]]
    assert np.allclose(own, [flat, flat, first, first, second])


def test_the_wide_minimum_is_twice_as_wide_and_the_valley_flat_in_all_dimensions_but_one():
    narrow, wide = walkers(genbench.Task("regression", (1,), 3), dimensions=3).boxes.diff(dim=1).squeeze(1)
    assert (wide / narrow).tolist() == [2, 2, 2]
    task = genbench.Task("regression", (1,), 3)
    point, valley = walkers(task, dimensions=3, minima="point-and-valley").boxes.diff(dim=1).squeeze(1)
    assert (point.tolist(), valley.tolist()) == ([0, 0, 0], [0, 2, 2])


def moved(noise=0.0, langevin=0.0, epochs=20, seed=0, rate=STEP, **settings):
    """The model before and after the training loop has moved its walkers."""
    data = noisy_zeros(None, outputs=OUTPUTS, noise=noise)
    torch.manual_seed(seed)
    model = walkers(data.task, **settings)
    start = model.positions.detach().clone()
    protocol = VanillaSgd(learning_rate=OUTPUTS * rate, batch_size=1, max_epochs=epochs)
    stack = [Langevin(noise=langevin)] if langevin else []
    inputs, targets = data.train.inputs, data.train.targets
    outcome = train(
        model, data.task, inputs, targets, targets, protocol, stack, {**SEEDS, "regularizer": seed},
        device="cpu", milestones=False,
    )  # fmt: skip
    assert outcome.stop_reason == "max_epochs"
    return start, model


def descended(points, steps, boxes, shakes=None):
    """Each walker on its own, w ← w − η ∇U(w), of plain numbers."""
    ends = []
    for index, point in enumerate(points.tolist()):
        for step in range(steps):
            box = min(boxes, key=lambda each: squared_distance(point, *each))
            away = [w - min(max(w, a), b) for w, a, b in zip(point, *box, strict=True)]
            shake = [0.0] * len(point) if shakes is None else shakes[step][index]
            point = [
                w - STEP * 2 * (u - (y if u else 0.0)) for w, u, y in zip(point, away, shake, strict=True)
            ]
        ends.append(point)
    return np.array(ends)


@pytest.mark.parametrize("minima", BOXES)
def test_without_noise_a_step_is_one_of_gradient_descent_for_each_walker(minima):
    start, model = moved(epochs=1, minima=minima)
    ends = descended(start[:50], 100, BOXES[minima])
    assert np.allclose(model.positions.detach()[:50], ends, atol=1e-4)


def test_noisy_observations_shake_where_a_minimum_is_not_flat():
    """One epoch of SGD, in the order in which the loop takes the examples."""
    start, model = moved(noise=1.0, epochs=1, minima="point-and-valley")
    order = torch.randperm(100, generator=torch.Generator().manual_seed(SEEDS["order"]))
    observed = noisy_zeros(None, outputs=OUTPUTS, noise=1.0).train.targets[order].reshape(100, -1, 2)
    ends = descended(start[:50], 100, BOXES["point-and-valley"], observed.tolist())
    assert np.allclose(model.positions.detach()[:50], ends, atol=1e-3)


def gibbs(minima, temperature, points=1200, reach=8.0):
    """Share of exp(−U/T) nearer to the second minimum, and the mean of U, by the midpoint rule."""
    axis = (np.arange(points) + 0.5) / points * 2 * reach - reach
    grid = np.meshgrid(axis, axis, indexing="ij", sparse=True)
    squares = [
        sum((w - np.clip(w, a, b)) ** 2 for w, a, b in zip(grid, *box, strict=True)) for box in BOXES[minima]
    ]
    potential = np.minimum(*squares)
    weights = np.exp(-potential / temperature)
    share = (weights * (squares[1] < squares[0])).sum() / weights.sum()
    return share, (weights * potential).sum() / weights.sum()


def test_the_integral_that_the_suites_compare_with():
    assert gibbs("narrow-and-wide", 0.25)[0] == pytest.approx(0.702, abs=5e-4)


@pytest.mark.parametrize("minima", BOXES)
def test_langevin_noise_leads_to_the_boltzmann_distribution(minima):
    """600 walkers: a share has a standard error of 0.019, and is to be met within three."""
    noise = math.sqrt(2 * 0.25 * STEP)

    _, model = moved(langevin=noise, minima=minima)

    share, energy = gibbs(minima, 0.25)
    assert model.at_the_second().double().mean().item() == pytest.approx(share, abs=0.057)
    # Steps of this length heat the walls by about a η = 4 %.
    assert model.potential().mean().item() == pytest.approx(energy, rel=0.25)


def test_descent_without_noise_ends_at_the_bottom_of_its_own_basin():
    start, model = moved(epochs=5)
    before = at(start.tolist()).at_the_second()
    assert torch.equal(model.at_the_second(), before)
    assert model.potential().max() < 1e-6


def test_what_does_not_fit_is_one_clear_line():
    with pytest.raises(genbench.InvalidInput, match="no multiple of dimensions = 7; 1197 are"):
        walkers(genbench.Task("regression", (1,), 1200), dimensions=7)
    with pytest.raises(genbench.InvalidInput, match="for regression"):
        walkers(genbench.Task("classification", (1,), 10))
