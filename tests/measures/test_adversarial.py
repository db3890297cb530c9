"""Moved inputs: distances of linear classifiers, which are known, and searches written out."""

import math
import statistics

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn


@pytest.fixture
def linear(fit):
    torch.manual_seed(0)
    inputs = torch.randn(30, 1, 2, 2).double()
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    found = fit(model, inputs, torch.arange(30) % 3)
    with torch.no_grad():
        outputs = model(inputs)
        weight = model[1].weight
        label = outputs.argmax(1)
        distances = []
        for place in range(30):
            own = int(label[place])
            distances.append(
                min(
                    float((outputs[place, own] - outputs[place, j]) / (weight[own] - weight[j]).norm())
                    for j in range(3)
                    if j != own
                )
            )
    return found, distances, (label == found.roots["targets"]).tolist()


def test_distances_of_a_linear_classifier(linear):
    found, distances, correct = linear
    assert found["geometric_margin"] == pytest.approx(sum(distances) / 30, rel=1e-6)
    signed = [d if right else -d for d, right in zip(distances, correct, strict=True)]
    assert found["geometric_margin[signed=true]"] == pytest.approx(sum(signed) / 30, rel=1e-6)
    assert found["geometric_margin[aggregate=median]"] == pytest.approx(
        statistics.median(distances), rel=1e-6
    )
    assert found["geometric_margin[aggregate=p10]"] == pytest.approx(sorted(distances)[2], rel=1e-6)


def test_two_classes_are_as_far_as_the_plane(fit):
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, -4.0]]))
        model.bias.copy_(torch.tensor([1.0, 0.0]))
    found = fit(model, torch.tensor([[1.0, 1.0], [-2.0, -1.0]]), torch.tensor([0, 1]))
    # |w·x + b| / ‖w‖ with w = (3, 4), b = 1.
    assert found["geometric_margin"] == pytest.approx((8 / 5 + 9 / 5) / 2, rel=1e-6)


def test_distance_from_a_circle(fit):
    class Circle(nn.Module):
        """The second class lies within the unit circle."""

        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, inputs):
            lead = self.scale * (inputs.square().sum(1) - 1)
            return torch.stack([lead, -lead], 1)

    points = torch.tensor([[3.0, 0.0], [0.3, 0.4], [1.2, 1.6], [0.0, -0.2]])
    found = fit(Circle(), points, torch.tensor([0, 1, 0, 1]))
    assert found["geometric_margin"] == pytest.approx((2 + 0.5 + 1 + 0.8) / 4, rel=1e-6)


def test_a_bound_that_is_near_the_least_distance_found_by_trying(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
    inputs = torch.randn(20, 2)
    found = fit(model, inputs, torch.arange(20) % 3)
    angles = torch.linspace(0, 2 * math.pi, 361)[:-1].double()
    ways = torch.stack([angles.cos(), angles.sin()], 1)
    radii = torch.linspace(0, 8, 801).double()[1:]
    least = []
    with torch.no_grad():
        for point in inputs.double():
            label = model(point).argmax()
            tried = model(point + radii.view(-1, 1, 1) * ways).argmax(2) != label
            least.append(radii[tried.any(1)][0].item() if tried.any() else math.inf)
    reached = [each for each in least if each < math.inf]
    assert len(reached) == 20
    value = found["geometric_margin"]
    assert sum(least) / 20 - 0.02 < value < 1.1 * sum(least) / 20


def least_by_programming(model, point, draw):
    """The shortest way to each other label, by sequential quadratic programming from several places."""
    with torch.no_grad():
        label = int(model(point[None]).argmax())

    def lead(moved, other):
        moved = torch.tensor(moved, requires_grad=True)
        outputs = model((point + moved)[None])[0]
        value = outputs[other] - outputs[label]
        return value.item(), torch.autograd.grad(value, moved)[0].numpy()

    found = [math.inf]
    for other in (each for each in range(4) if each != label):
        behind = {
            "type": "ineq",
            "fun": lambda moved, other=other: lead(moved, other)[0],
            "jac": lambda moved, other=other: lead(moved, other)[1],
        }
        for _ in range(3):
            best = minimize(
                lambda moved: moved @ moved, draw.normal(size=len(point)), jac=lambda moved: 2 * moved,
                method="SLSQP", constraints=[behind], options={"ftol": 1e-10},
            )  # fmt: skip
            if best.success and lead(best.x, other)[0] > -1e-6:
                found.append(math.sqrt(best.fun))
    return min(found)


def test_the_bound_is_tight(fit):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 4)
    ).double()
    with torch.no_grad():
        for place in (0, 2):
            model[place].weight *= 2  # bent boundaries
    inputs = torch.randn(8, 6).double()
    draw = np.random.default_rng(0)
    least = [least_by_programming(model, point, draw) for point in inputs]
    found = fit(model, inputs, torch.arange(8) % 4)
    value = found["geometric_margin"]
    assert 0.99 * sum(least) / 8 < value < 1.02 * sum(least) / 8
    assert found["geometric_margin[closer=1]"] > 1.03 * value


def test_a_network_that_says_one_thing_has_no_margin(fit):
    model = nn.Linear(3, 2)
    nn.init.zeros_(model.weight)
    value = fit(model, torch.randn(8, 3), torch.zeros(8, dtype=torch.long)).value("geometric_margin")
    assert value.status == "not_applicable"
    assert "no other prediction" in value.reason


def test_the_worst_move_of_a_linear_classifier(fit):
    torch.manual_seed(0)
    model, inputs = nn.Linear(3, 2), torch.randn(50, 3).double()
    targets = torch.arange(50) % 2
    found = fit(model, inputs, targets)
    with torch.no_grad():
        way = model.weight[0] - model.weight[1]
        lead = (inputs @ way + model.bias[0] - model.bias[1]) * (1 - 2 * targets)
    for name, reach in (("box", way.abs().sum()), ("euclidean", way.norm())):
        expected = int(((lead > 0) & (lead < 0.3 * reach)).sum()) / 50
        assert expected > 0.1
        for steps in (1, 5):
            spelling = f"adversarial_margin[radius=0.3,shape={name},steps={steps}]"
            assert found[spelling] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_mixed_examples(fit, kind):
    # One pair of examples: each is the other's partner.
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    inputs = torch.randn(2, 3).double()
    targets = torch.tensor([0, 1]) if kind == "classification" else torch.randn(2, 2).double()
    found = fit(model, inputs, targets, kind=kind)
    shares = torch.linspace(0, 1, 2001).double()

    def expected(share):
        mixed = model(share * inputs[0] + (1 - share) * inputs[1]).detach()
        if kind == "classification":
            logs = mixed.log_softmax(0)
            return float(-share * logs[0] - (1 - share) * logs[1])
        return float((mixed - share * targets[0] - (1 - share) * targets[1]).square().mean())

    curve = [expected(share) for share in shares]
    assert min(curve) <= found["mixup_loss"] <= max(curve)
    assert found["mixup_loss[alpha=100000000.0]"] == pytest.approx(expected(0.5), rel=1e-3)


def test_one_example_has_no_other_to_be_mixed_with(fit):
    found = fit(nn.Linear(3, 2), torch.randn(1, 3), torch.tensor([0]))
    assert found.value("mixup_loss").reason == "needs two training examples"


def test_mixing_evenly_over_many_pairs(fit):
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    torch.manual_seed(0)
    numbers = torch.randn(10_000, 1).double()
    found = fit(model, numbers, torch.zeros(10_000, 1), kind="regression")
    # E (λ a + (1 − λ) b)² = 2 E λ² for independent a and b: 2/3, with Beta(½, ½) 3/4.
    assert found["mixup_loss"] == pytest.approx(2 / 3, rel=0.03)
    assert found["mixup_loss[alpha=0.5]"] == pytest.approx(3 / 4, rel=0.03)


@pytest.mark.parametrize("name", ["geometric_margin", "adversarial_margin"])
def test_regression_has_no_boundaries(fit, name):
    value = fit(nn.Linear(3, 2), torch.randn(8, 3), torch.randn(8, 2), kind="regression").value(name)
    assert value.status == "not_applicable"
    assert "classification" in value.reason
