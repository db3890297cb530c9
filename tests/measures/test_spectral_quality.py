"""Singular values of unfolded layers, their qualities, and what stands above noise."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from genbench.probes.low_rank import above_noise


@pytest.fixture
def quality_fit(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 6, (2, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3))
    return fit(model, torch.randn(9, 4, 3, 3), torch.arange(9) % 3)


def unfoldings(fitted):
    """Singular values and rows of both unfoldings of both layers."""
    kernel, last = (fitted.roots["model"][place].weight.detach().numpy() for place in (0, 3))
    first = [kernel.transpose(1, 0, 2, 3).reshape(4, -1), kernel.reshape(6, -1)]
    return [[(np.linalg.svd(each)[1], len(each)) for each in both] for both in (first, [last.T, last])]


def gain(values, rows):
    return sum(values) / (rows * values[0])


def angle(values, rows):
    return math.atan2(gain(values, rows), 1 - values[-1] / values[0])


def condition(values, rows):
    return values[0] / values[-1]


def entropy(values, rows):
    return -sum(value / sum(values) * math.log(value / sum(values)) for value in values)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("kg", gain),
        ("knowledge_gain", gain),
        ("stable_quality", angle),
        ("condition_number", condition),
        ("effective_rank[unfolding=both]", entropy),
    ],
)
def test_qualities_are_means_over_layers_of_means_over_unfoldings(quality_fit, name, formula):
    layers = [sum(formula(*each) for each in both) / 2 for both in unfoldings(quality_fit)]
    assert quality_fit[name] == pytest.approx(sum(layers) / 2, rel=1e-9)


def test_the_published_program_divides_by_the_shorter_side(quality_fit):
    matrices = [(values, min(rows, len(values))) for both in unfoldings(quality_fit) for values, rows in both]
    gains = [gain(*each) for each in matrices]
    assert quality_fit["kg[form=program]"] == pytest.approx(sum(gains) / 4, rel=1e-9)
    assert quality_fit["kg[form=program,unfolding=in]"] == pytest.approx((gains[0] + gains[2]) / 2, rel=1e-9)
    # The last layer has twelve inputs and three outputs, hence three singular values.
    assert gains[2:] == pytest.approx([gain(matrices[2][0], 12) * 4] * 2)
    angles = sum(angle(*each) for each in matrices) / 4
    assert quality_fit["stable_quality[form=program]"] == pytest.approx(angles, rel=1e-9)
    weights = [sides for _, sides in matrices]
    expected = sum(side * each for side, each in zip(weights, gains, strict=True)) / sum(weights)
    assert quality_fit["kg[aggregate=weighted_mean,form=program]"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("rms", lambda a, b: math.sqrt((a**2 + b**2) / 2)),
        ("geomean", lambda a, b: math.sqrt(a * b)),
        ("weighted_mean", lambda a, b: (10 * a + 15 * b) / 25),
        ("weighted_geomean", lambda a, b: (a**10 * b**15) ** (1 / 25)),
    ],
)
def test_layers_are_put_together(quality_fit, aggregate, expected):
    layers = [sum(gain(*each) for each in both) / 2 for both in unfoldings(quality_fit)]
    assert quality_fit[f"kg[aggregate={aggregate}]"] == pytest.approx(expected(*layers), rel=1e-9)


def energy(squares, rows, columns, variance):
    """Free energy of the factorization for one variance of the noise, singular value by singular value."""
    alpha, edge = rows / columns, 2.5129 * math.sqrt(rows / columns)
    edge = (1 + edge) * (1 + alpha / edge)
    total = 0.0
    for square in squares:
        x = square / (columns * variance)
        total += x - math.log(x)
        if x > edge:
            tau = (x - (1 + alpha) + math.sqrt((x - (1 + alpha)) ** 2 - 4 * alpha)) / 2
            total += math.log(tau + 1) + alpha * math.log(tau / alpha + 1) - tau
    return total, edge


@pytest.mark.parametrize(("rows", "columns", "rank"), [(20, 60, 3), (15, 15, 2), (64, 128, 8)])
def test_a_planted_matrix_stands_above_noise(rows, columns, rank):
    draw = np.random.default_rng(rows)
    planted = draw.normal(size=(rows, rank)) @ draw.normal(size=(rank, columns))
    noisy = planted + 0.1 * draw.normal(size=(rows, columns))
    values = np.linalg.svd(noisy)[1]
    found = above_noise(torch.tensor(values), columns).numpy()
    assert len(found) == rank
    # The variance with the least free energy on a fine grid, and the values that it leaves.
    grid = np.geomspace(1e-3, 1, 4000)
    energies = [energy(values**2, rows, columns, each)[0] for each in grid]
    variance, edge = grid[int(np.argmin(energies))], energy(values**2, rows, columns, 1.0)[1]
    assert variance == pytest.approx(0.01, rel=0.25)
    kept = [each for each in values if each**2 > columns * variance * edge]
    shrunk = []
    for each in kept:
        part = 1 - (rows + columns) * variance / each**2
        shrunk.append(each / 2 * (part + math.sqrt(part**2 - 4 * rows * columns * variance**2 / each**4)))
    np.testing.assert_allclose(found, shrunk, rtol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_the_search_of_the_published_program(scale):
    rows, columns = 30, 50
    draw = np.random.default_rng(1)
    planted = draw.normal(size=(rows, 4)) @ draw.normal(size=(4, columns))
    values = scale * np.linalg.svd(0.05 * planted + 0.3 * draw.normal(size=(rows, columns)))[1]
    squares = values**2
    ratio, edge = rows / columns, energy(squares, rows, columns, 1.0)[1]
    first = math.ceil(rows / (1 + ratio)) - 1
    lowest = max(squares[first] / (columns * edge), squares[first:].mean() / columns)
    ended = minimize_scalar(
        lambda variance: energy(squares, rows, columns, variance)[0],
        bounds=(lowest, squares.sum() / (rows * columns)),
        method="bounded",
    )
    found = above_noise(torch.tensor(values), columns, "program").numpy()
    kept = values[squares > columns * ended.x * edge]
    part = 1 - (rows + columns) * ended.x / kept**2
    expected = kept / 2 * (part + np.sqrt(part**2 - 4 * rows * columns * ended.x**2 / kept**4))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    # It is not the least energy: the tolerance of the search is for weights of another size.
    grid = np.geomspace(lowest, squares.sum() / (rows * columns), 4000)
    least = min(energy(squares, rows, columns, each)[0] for each in grid)
    assert least <= energy(squares, rows, columns, ended.x)[0] + 1e-9


def test_the_means_of_the_published_program_leave_layers_of_noise_out(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(60, 40, bias=False), nn.Linear(40, 30, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.randn(40, 60))
        model[1].weight.copy_(torch.randn(30, 1) @ torch.randn(1, 40) + 0.1 * torch.randn(30, 40))
    found = fit(model, torch.randn(5, 60), torch.arange(5) % 3)
    for name in ("kg[low_rank=true", "spec_lr[aggregate=mean"):
        ratio = found[f"{name},form=program]"] / found[f"{name}]"]
        # Of the default, the other layer counts as zero, and a gain is for each channel of either side.
        assert ratio == pytest.approx(2 if name.startswith("spec") else 2 / ((1 + 30 / 40) / 2), rel=1e-3)


def test_a_singular_layer_has_an_infinite_condition(fit):
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 2.0], [2.0, 4.0]]))
    found = fit(model, torch.randn(6, 2), torch.arange(6) % 2)
    assert found["condition_number"] == math.inf
    assert found["kg"] == pytest.approx(0.5)
    assert found["effective_rank"] == pytest.approx(0)


def test_of_noise_alone_nothing_stands_out(fit):
    torch.manual_seed(0)
    model = nn.Linear(60, 40, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.randn(40, 60))
    found = fit(model, torch.randn(5, 60), torch.arange(5) % 3)
    assert found["kg[low_rank=true]"] == found["spec_lr"] == found["fro_lr"] == 0
    for name in ("effective_rank", "stable_quality", "condition_number"):
        assert found.value(f"{name}[low_rank=true]").reason == (
            "no layer has a singular value that stands above noise"
        )


def test_norms_above_noise(fit):
    torch.manual_seed(0)
    model = nn.Linear(60, 40, bias=False)
    planted = torch.randn(40, 2, dtype=torch.float64) @ torch.randn(2, 60, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(planted + 1e-4 * torch.randn(40, 60))
    values = torch.linalg.svdvals(planted)
    found = fit(model, torch.randn(5, 60), torch.arange(5) % 3)
    assert found["spec_lr"] == pytest.approx(values[0].item(), rel=1e-3)
    assert found["fro_lr"] == pytest.approx(values[:2].square().sum().sqrt().item(), rel=1e-3)
    assert found["condition_number[low_rank=true]"] == pytest.approx((values[0] / values[1]).item(), rel=1e-3)
