"""Bounds against their formulas, written out."""

import math

import pytest
import torch
from torch import nn


def margins_of(logits, targets):
    found = []
    for outputs, target in zip(logits.tolist(), targets.tolist(), strict=True):
        found.append(outputs[target] - max(each for place, each in enumerate(outputs) if place != target))
    return found


def test_bits(small_fit):
    weights = 6 * 8 + 8 * 5 + 5 * 3
    expected = math.sqrt(2 * (32 * weights * math.log(2) + math.log(2 / 0.05)) / 40)
    assert small_fit["bit_count_bound"] == pytest.approx(expected, rel=1e-12)
    expected = math.sqrt(2 * (weights * math.log(2) + math.log(2 / 0.01)) / 40)
    assert small_fit["bit_count_bound[bits=1,delta=0.01]"] == pytest.approx(expected, rel=1e-12)


def test_covering_number(small_fit, weights):
    current, initial = weights
    square = sum(((now - then) ** 2).sum().item() for now, then in zip(current, initial, strict=True))
    expected = math.sqrt(103 * math.log(3 * math.sqrt(square) / 0.01) / 40)
    assert small_fit["covering_bound"] == pytest.approx(expected, rel=1e-12)
    assert small_fit["covering_bound[epsilon=1000.0]"] == 0.0


def test_margin_and_rademacher_complexity(small_fit, weights, logits):
    # Labels that the network gives itself, so that all margins are positive.
    inputs = small_fit.roots["inputs"]
    small_fit.roots["targets"] = logits.argmax(1)
    margins = margins_of(logits, logits.argmax(1))
    gamma = sorted(margins)[int(0.5 * 40) - 1]
    largest = [max(sum(map(abs, row)) for row in weight.tolist()) for weight in weights[0]]
    complexity = math.sqrt(2 * math.log(6) / 40) * math.prod(2 * bound for bound in largest)
    complexity *= max(map(abs, inputs.flatten().tolist()))
    expected = sum(margin < gamma for margin in margins) / 40
    # What `l1_rademacher_bound` bounds is twice the complexity, of which the theorem takes four times.
    expected += 2 * complexity / gamma
    expected += math.sqrt(math.log(math.log(4 * max(map(abs, margins)) / gamma)) / 40)
    expected += math.sqrt(math.log(1 / 0.05) / 80)
    found = small_fit["margin_rademacher_bound[quantile=0.5]"]
    assert found == pytest.approx(math.log(expected), rel=1e-9)


def test_without_a_margin_there_is_no_bound(small_fit):
    assert small_fit["margin_rademacher_bound[quantile=0]"] == math.inf


@pytest.mark.parametrize(
    ("activation", "reason"),
    [
        (nn.LeakyReLU(-2.0), "has a slope of 2, above 1"),
        (nn.RReLU(1.0, 4.0), "has a slope of 2.5, above 1"),
        (nn.PReLU(init=-1.5), "has a slope of 1.5, above 1"),
        (nn.Sigmoid(), "not homogeneous in each of its layers"),
        (nn.GELU(), "not homogeneous in each of its layers"),
    ],
)
def test_complexities_are_of_networks_that_the_theorems_are_about(fit, activation, reason):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), activation, nn.Linear(6, 3))
    found = fit(model, torch.randn(9, 4), torch.arange(9) % 3)
    for name in ("margin_rademacher_bound", "log_rademacher"):
        assert reason in found.value(name).reason


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(1.0), nn.PReLU(), nn.Identity()])
def test_slopes_of_up_to_one_are_theirs(fit, activation):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), activation, nn.Linear(6, 3))
    found = fit(model, torch.randn(9, 4), torch.arange(9) % 3)
    for name in ("margin_rademacher_bound", "log_rademacher"):
        assert found.value(name).status == "ok"


def test_lemma_4_allows_tanh_in_chains_only(fit):
    torch.manual_seed(0)
    inputs, targets = torch.randn(9, 4), torch.arange(9) % 3
    layers = nn.Linear(4, 4), nn.Linear(4, 3)
    found = fit(nn.Sequential(layers[0], nn.Tanh(), layers[1]), inputs, targets)
    assert found.value("margin_rademacher_bound").status == "ok"
    assert "not homogeneous" in found.value("log_rademacher").reason
    skipping = fit(nn.Sequential(Skip(nn.Sequential(layers[0], nn.Tanh())), layers[1]), inputs, targets)
    assert "not homogeneous" in skipping.value("margin_rademacher_bound").reason


class Skip(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


@pytest.mark.parametrize("granularities", [1, 5])
def test_robustness(small_fit, logits, granularities):
    inputs, targets, model = (small_fit.roots[name] for name in ("inputs", "targets", "model"))
    slope = max(
        torch.linalg.svdvals(torch.func.jacrev(lambda x: model(x.unsqueeze(0))[0])(point))[0].item()
        for point in inputs
    )
    sides = [max(column) - min(column) for column in inputs.T.tolist()]
    losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none").tolist()
    bounds = []
    for k in range(granularities):
        vary = math.sqrt(2) * slope * math.hypot(*sides) / 2**k
        cells = 3 * (2**k) ** 6
        prior = (6 / math.pi**2) / (k + 1) ** 2
        root = math.sqrt((2 * cells * math.log(2) + 2 * math.log(1 / (prior * 0.05))) / 40)
        bounds.append(math.log(vary + (max(losses) + vary) * root))
    found = small_fit[f"robustness_bound[granularities={granularities}]"]
    assert found == pytest.approx(min(bounds), rel=1e-9)


def test_many_cells_do_not_overflow(fit):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 2))
    found = fit(model, torch.randn(5, 3, 32, 32), torch.arange(5) % 2)
    assert math.isfinite(found["robustness_bound"])


def test_regression_has_no_margins(fit):
    model = torch.nn.Linear(4, 2)
    found = fit(model, torch.randn(9, 4), torch.randn(9, 2), kind="regression", initial_model=model)
    for name in ("margin_rademacher_bound", "robustness_bound"):
        assert "classification" in found.value(name).reason
    assert found["covering_bound"] == 0.0
