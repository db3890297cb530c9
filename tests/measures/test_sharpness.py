"""Sharpness measures against their formulas, and against losses that are known in closed form."""

import math

import pytest
import torch
from torch import nn

from genbench.probes.perturbation import direction_seeds, normal_direction

EPSILON = 1e-3


@pytest.mark.parametrize("ball", ["box", "euclidean"])
def test_bounds(fitted, entries, ball):
    alpha = fitted[f"sharpness_flatness[ball={ball}]"] ** -0.5
    for name, numbers in zip(("sharpness_orig", "sharpness_init"), entries, strict=True):
        length = sum(number**2 for number in numbers)
        expected = length * math.log(2 * 64) / (4 * alpha**2) + math.log(60 / alpha) + 10
        assert fitted[f"{name}[ball={ball}]"] == pytest.approx(expected, rel=1e-6)


def test_bounds_in_proportion_to_the_weights(fitted, entries):
    alpha = fitted["sharpness_mag_flatness"] ** -0.5
    weights, distances = entries
    reach = alpha**2 + 4 * math.log(2 * 64 / 0.05)
    for name, above, below, prefactor in (
        ("sharpness_mag_init", distances, distances, 0.25),
        ("sharpness_mag_init[prefactor=0.5]", distances, distances, 0.5),
        ("sharpness_mag_orig", weights, distances, 0.25),
        ("sharpness_mag_orig[denominator=weight]", weights, weights, 0.25),
    ):
        mean = sum(number**2 for number in above) / 64
        terms = [
            math.log((EPSILON**2 + reach * mean) / (EPSILON**2 + alpha**2 * number**2)) for number in below
        ]
        expected = prefactor * sum(terms) + math.log(60 / 0.05) + 10
        assert fitted[name] == pytest.approx(expected, rel=1e-6)


def test_flatness_of_a_margin(fit):
    # Outputs 3x and x: the margin is lost when both weights have moved by 1 each.
    model = nn.Linear(1, 2, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0], [1.0]]))
    found = fit(model, torch.linspace(1, 5, 50).unsqueeze(1), torch.zeros(50, dtype=torch.long))
    assert found["sharpness_flatness"] == pytest.approx(1, rel=0.025)
    assert found["sharpness_flatness[ball=euclidean]"] == pytest.approx(1 / 2, rel=0.025)
    assert found["sharpness_mag_flatness"] == pytest.approx(4, rel=0.025)


@pytest.fixture
def bowl(fit):
    """Linear regression at its minimum: the loss is its least plus ⟨δ, A δ⟩, with A as returned."""
    torch.manual_seed(0)
    inputs, targets = torch.randn(200, 4).double(), torch.randn(200, 1).double()
    model = nn.Linear(4, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.linalg.lstsq(inputs, targets).solution.T)
    return fit(model, inputs, targets, kind="regression"), inputs.T @ inputs / 200


def test_a_bowl_is_as_sharp_as_its_trace(bowl):
    found, matrix = bowl
    weights = found.roots["model"].weight.detach()[0]
    trace = sum(matrix[place, place].item() for place in range(4))
    weighted = sum(matrix[place, place].item() * weights[place].item() ** 2 for place in range(4))
    many = "draws=300,parts=1,radius=0.3"
    # Noise of variance v on each weight raises the loss by v tr A; uniform noise has variance ρ²/3.
    assert found[f"avg_sharpness[adaptive=false,{many}]"] == pytest.approx(0.09 * trace, rel=0.15)
    assert found[f"avg_sharpness[{many}]"] == pytest.approx(0.09 * weighted, rel=0.15)
    box = found[f"avg_sharpness[adaptive=false,shape=box,{many}]"]
    assert box == pytest.approx(0.03 * trace, rel=0.15)


class Bare(nn.Module):
    """Two layers whose weights are used as they are, so that all examples see the same noise."""

    def __init__(self):
        super().__init__()
        self.lower, self.upper = (nn.Parameter(torch.randn(*shape)) for shape in ((5, 4), (4, 3)))

    def forward(self, x):
        return (x @ self.lower).tanh() @ self.upper


@pytest.mark.parametrize(("parts", "draws"), [(1, 3), (3, 7)])
def test_each_direction_is_tried_with_its_opposite_on_a_part_of_the_examples(fit, parts, draws):
    torch.manual_seed(0)
    model, inputs, targets = Bare().double(), torch.randn(310, 5).double(), torch.arange(310) % 3
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])

    def losses(moved, some):
        named = {"lower": moved[:20].view(5, 4), "upper": moved[20:].view(4, 3)}
        outputs = torch.func.functional_call(model, named, (inputs[some],))
        return nn.functional.cross_entropy(outputs, targets[some], reduction="none").tolist()

    raised = []
    drawn = direction_seeds(torch.Generator().manual_seed(1), draws=draws)
    for number, seed in enumerate(seed + more for seed in drawn for more in range(3)):
        noise = 0.1 * weights.abs() * normal_direction(seed, weights)
        some = range(number % parts, len(inputs), parts)
        each = (losses(moved, some) for moved in (weights + noise, weights - noise, weights))
        raised += [(up + down) / 2 - before for up, down, before in zip(*each, strict=True)]
    expected = sum(raised) / len(raised)
    found = fit(model, inputs, targets)[f"avg_sharpness[draws={draws},parts={parts}]"]
    assert found == pytest.approx(expected, rel=1e-6)


def test_parts_are_not_so_small_that_chance_decides(fit):
    torch.manual_seed(0)
    bare = fit(Bare(), torch.randn(310, 5), torch.arange(310) % 3)
    assert bare["avg_sharpness"] == bare["avg_sharpness[parts=2]"] != bare["avg_sharpness[parts=3]"]


def test_signs_for_each_example_change_the_chance_and_not_the_mean(fit, monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 30), nn.Tanh(), nn.Linear(30, 3))
    found = fit(model, torch.randn(300, 5), torch.arange(300) % 3)
    with_signs = found["avg_sharpness[draws=300,radius=0.3]"]
    monkeypatch.setattr("genbench.measures.sharpness.ExampleNoise.holds", lambda *_: False)
    assert found["avg_sharpness[draws=300,radius=0.3]"] == pytest.approx(with_signs, rel=0.03)


def test_the_radius_of_a_bowl_lies_between_those_of_its_axes(bowl):
    found, matrix = bowl
    axes = (0.05 / torch.linalg.eigvalsh(matrix)).sqrt()
    assert axes[-1] < found["flatness_radius"] < axes[0]
    assert found["flatness_radius[increase=0.2]"] == pytest.approx(2 * found["flatness_radius"], rel=0.3)


def test_one_step_along_the_gradient(fitted):
    model, inputs, targets = (fitted.roots[name] for name in ("model", "inputs", "targets"))
    parameters = list(model.parameters())
    loss = nn.functional.cross_entropy(model(inputs), targets)
    gradient = torch.autograd.grad(loss, parameters)
    for name, adaptive in (("sam_sharpness", False), ("sam_sharpness[adaptive=true]", True)):
        sizes = [p.detach().abs() if adaptive else torch.ones_like(p) for p in parameters]
        length = math.sqrt(sum((c * g).square().sum().item() for c, g in zip(sizes, gradient, strict=True)))
        moved = {
            key: p.detach() + 0.05 * c * c * g / length
            for (key, p), c, g in zip(model.named_parameters(), sizes, gradient, strict=True)
        }
        after = nn.functional.cross_entropy(torch.func.functional_call(model, moved, (inputs,)), targets)
        assert fitted[name] == pytest.approx(after.item() - loss.item(), rel=1e-6)


def test_adaptive_sharpness_stays_where_layers_are_rescaled(fitted):
    model = fitted.roots["model"]
    names = ("avg_sharpness", "sam_sharpness[adaptive=true]")
    before = [fitted[name] for name in names]
    with torch.no_grad():
        for tensor in (model[0].weight, model[0].bias):
            tensor *= 4
        model[2].weight /= 4
    assert [fitted[name] for name in names] == pytest.approx(before, rel=1e-9)


def test_normalized_logits_forget_their_size(fitted):
    model = fitted.roots["model"]
    name = "avg_sharpness[logits=normalized]"
    before = fitted[name], fitted["avg_sharpness"]
    with torch.no_grad():
        model[2].weight *= 4
        model[2].bias *= 4
    assert fitted[name] == pytest.approx(before[0], rel=1e-9)
    assert fitted["avg_sharpness"] != pytest.approx(before[1], rel=1e-3)


def test_regression_has_no_accuracy_to_lose(bowl):
    for name in ("sharpness_flatness", "sharpness_mag_flatness", "avg_sharpness[logits=normalized]"):
        found = bowl[0].value(name)
        assert found.status == "not_applicable"
        assert "classification" in found.reason
