"""Stiffness by class and by distance, against loops over pairs and against gradients that are known.

Stiffness of all pairs is tested beside coherence, in `test_gradient_interaction`.
"""

import math
from itertools import combinations, pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.measures.stiffness import stiffness_critical_length
from genbench.probes.stiffness import StiffnessProfile


def host():
    return Host.load(rooms={"probes", "measures"})


def gradients(fit):
    """Gradients of the examples' losses, one backward pass each."""
    model, parameters = fit.roots["model"], list(fit.roots["model"].parameters())
    rows = []
    for x, y in zip(fit.roots["inputs"], fit.roots["targets"], strict=True):
        loss = F.cross_entropy(model(x.unsqueeze(0)), y.unsqueeze(0))
        rows.append(torch.cat([each.flatten() for each in torch.autograd.grad(loss, parameters)]))
    return rows


def cosine(one, other):
    lengths = (one.norm() * other.norm()).item()
    return (one @ other).item() / lengths if lengths else 0.0


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


@pytest.mark.parametrize("agreement", ["cosine", "sign"])
@pytest.mark.parametrize("pairs", ["within", "all"])
def test_the_profile_over_distances(small_fit, agreement, pairs):
    rows, inputs, targets = gradients(small_fit), small_fit.roots["inputs"], small_fit.roots["targets"]
    found = []
    for i, j in combinations(range(len(rows)), 2):
        if pairs == "within" and targets[i] != targets[j]:
            continue
        value = cosine(rows[i], rows[j])
        if agreement == "sign":
            value = (value > 0) - (value < 0)
        found.append((1 - cosine(inputs[i], inputs[j]), value))
    low, high = min(found)[0], max(found)[0]
    bins = [[] for _ in range(7)]
    for distance, value in found:
        bins[min(6, int((distance - low) / (high - low) * 7))].append((distance, value))
    profile = [(mean(d for d, _ in each), mean(s for _, s in each)) for each in bins if each]
    settings = f"[agreement={agreement},bins=7,pairs={pairs}]"
    assert small_fit[f"stiffness_distance{settings}"] == pytest.approx(mean(s for _, s in profile), rel=1e-9)
    assert small_fit[f"stiffness_critical_length{settings}"] == pytest.approx(crossing(profile), rel=1e-9)


def crossing(profile):
    points = [(0.0, 1.0), *profile]
    for (d, s), (further, less) in pairwise(points):
        if less <= 0:
            return d + (further - d) * s / (s - less)
    return math.inf


@pytest.mark.parametrize(
    ("distances", "stiffness", "expected"),
    [
        ([0.5, 1.0, 1.5], [0.6, 0.2, -0.2], 1.25),
        ([0.5, 1.0], [-1.0, 1.0], 0.25),
        ([0.5, 1.0], [0.5, 0.0], 1.0),
        ([0.5, 1.0], [0.5, 0.1], math.inf),
    ],
)
def test_where_the_profile_crosses_zero(distances, stiffness, expected):
    profile = StiffnessProfile(
        *(torch.tensor(each, dtype=torch.float64) for each in (distances, stiffness)), None
    )
    assert stiffness_critical_length(profile) == pytest.approx(expected)


def test_a_linear_model_is_as_stiff_as_its_inputs_are_near(fit):
    """Gradients of one class at w = 0 are multiples of x, so that stiffness is 1 − distance: ξ is 1."""
    angles = torch.linspace(0, math.pi, 41, dtype=torch.float64)
    inputs = torch.stack([angles.cos(), angles.sin()], 1)
    model = nn.Linear(2, 2, bias=False).double()
    nn.init.zeros_(model.weight)
    toy = fit(model, inputs, torch.zeros(41, dtype=torch.long))
    assert toy["stiffness_critical_length"] == pytest.approx(1, rel=1e-12)
    assert toy["stiffness_critical_length[bins=3]"] == pytest.approx(1, rel=1e-12)
    assert toy["stiffness_cos"] == pytest.approx(toy["stiffness_within"], rel=1e-12)


def test_inputs_may_be_scaled_and_one_may_be_zero(fit, small_fit):
    roots = small_fit.roots
    longer = {**roots, "inputs": roots["inputs"] * 1.0}
    scaled = fit(roots["model"], longer["inputs"], roots["targets"])
    assert scaled["stiffness_distance"] == pytest.approx(small_fit["stiffness_distance"], rel=1e-12)
    inputs = torch.cat([roots["inputs"], torch.zeros(1, 6)])
    with_zero = fit(roots["model"], inputs, torch.cat([roots["targets"], torch.tensor([0])]))
    assert with_zero["stiffness_distance"] == pytest.approx(small_fit["stiffness_distance"], rel=1e-12)


def test_a_class_with_one_example_has_no_stiffness_within_but_between(fit, small_fit):
    roots = small_fit.roots
    few = fit(roots["model"], roots["inputs"][:3], torch.tensor([0, 0, 1]))
    rows = gradients(few)
    assert few["stiffness_within"] == pytest.approx(cosine(rows[0], rows[1]), rel=1e-9)
    assert few["stiffness_between[agreement=cosine]"] == pytest.approx(
        (cosine(rows[0], rows[2]) + cosine(rows[1], rows[2])) / 2, rel=1e-9
    )


def test_all_share_one_gram_matrix():
    names = ("cos", "sign", "within", "between", "distance", "critical_length")
    requests = [Request.of(host().find("measure", f"stiffness_{name}")) for name in names]
    battery = Battery.resolve(requests, host().probe_lookup)
    differentiating = [key for key, node in battery.probes.items() if node.component.declared.cost > "B"]
    assert differentiating == ["gradient_gram"]
    assert all("gradient_gram" in battery.below[each.spelling] for each in requests)


def test_a_pair_with_a_gradient_that_vanishes_counts_as_nothing(fit):
    inputs = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    model = nn.Linear(2, 2, bias=False)
    found = fit(model, inputs, torch.zeros(3, dtype=torch.long))
    assert found["stiffness_sign"] == pytest.approx(1 / 3)
    assert found["stiffness_cos"] == pytest.approx(1 / 3)


def test_where_there_is_no_profile(fit, small_fit):
    roots = small_fit.roots
    alone = fit(roots["model"], roots["inputs"][:3], torch.arange(3))
    assert (
        alone.value("stiffness_distance[pairs=within]").reason
        == "no pair of examples is left to take a distance of"
    )
    line = fit(nn.Linear(2, 1), torch.randn(9, 2), torch.randn(9, 1), kind="regression")
    assert "classification only" in line.value("stiffness_critical_length[pairs=within]").reason
    assert math.isfinite(line["stiffness_distance"])
