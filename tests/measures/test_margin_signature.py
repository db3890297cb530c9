"""Margins in a hidden layer, example by example."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import skew


@pytest.fixture
def distances(small_fit):
    """Distances in what enters the second layer, in units of its spread."""
    model, found, hidden = small_fit.roots["model"], [], []
    for example, target in zip(small_fit.roots["inputs"], small_fit.roots["targets"].tolist(), strict=True):
        point = model[1](model[0](example)).detach().requires_grad_()
        outputs = model[2:](point)
        other = max((place for place in range(3) if place != target), key=lambda place: outputs[place].item())
        margin = outputs[target] - outputs[other]
        margin.backward()
        found.append(margin.item() / point.grad.norm().item() if margin.item() else 0.0)
        hidden.append(point.detach().tolist())
    spread = math.sqrt(sum(np.var([row[unit] for row in hidden]) for unit in range(8)))
    return [each / spread for each in found]


def test_quartiles_fences_and_moments(small_fit, distances):
    low, median, high = np.quantile(distances, [0.25, 0.5, 0.75])
    expected = {
        "q1": low,
        "median": median,
        "q3": high,
        "lower_fence": max(low - 1.5 * (high - low), min(distances)),
        "upper_fence": min(high + 1.5 * (high - low), max(distances)),
        "mean": np.mean(distances),
        "variance": np.var(distances),
        "skewness": skew(distances),
    }
    for statistic, value in expected.items():
        found = small_fit[f"margin_distribution[statistic={statistic}]"]
        assert found == pytest.approx(value, rel=1e-9), statistic
    right = [each for each in distances if each > 0]
    found = small_fit["margin_distribution[statistic=median,only_right=true,log=true]"]
    assert found == pytest.approx(math.log(np.median(right)), rel=1e-9)
    assert "no logarithm" in small_fit.value("margin_distribution[statistic=lower_fence,log=true]").reason


def test_rescaling_of_layers_changes_nothing(small_fit):
    names = [f"margin_distribution[layer={layer}]" for layer in ("first", "middle", "last")]
    before = [small_fit[name] for name in names]
    with torch.no_grad():
        for place, factor in ((0, 5.0), (2, 0.1), (4, 7.0)):
            small_fit.roots["model"][place].weight.mul_(factor)
    assert [small_fit[name] for name in names] == pytest.approx(before, rel=1e-9)


def test_one_example_in_all_has_no_spread(fit, small_fit):
    model = small_fit.roots["model"]
    found = fit(model, torch.ones(5, 6), torch.arange(5) % 3)
    assert "the same at all" in found.value("margin_distribution").reason


def test_a_margin_that_depends_on_nothing_is_no_distance(fit, small_fit):
    torch.nn.init.zeros_(small_fit.roots["model"][4].weight)
    assert small_fit.value("margin_distribution").reason == (
        "at no training example the margin depends on the hidden layer"
    )


def test_equal_distances_have_no_skewness(fit):
    model = torch.nn.Sequential(*(torch.nn.Linear(2, 2, bias=False) for _ in range(2)))
    with torch.no_grad():
        for layer in model:
            layer.weight.copy_(torch.eye(2))
    found = fit(model, torch.eye(2) * 0.1, torch.arange(2))
    assert found["margin_distribution[statistic=variance]"] == pytest.approx(0)
    assert "no skewness" in found.value("margin_distribution[statistic=skewness]").reason


def test_regression_has_no_margins(fit, small_fit):
    found = fit(small_fit.roots["model"], torch.randn(5, 6), torch.randn(5, 3), kind="regression")
    assert "classification" in found.value("margin_distribution").reason


def test_spread_and_size_of_a_hidden_layer(small_fit):
    hidden = small_fit.roots["model"][:4](small_fit.roots["inputs"]).detach().numpy()
    assert small_fit["feature_variance"] == pytest.approx(np.var(hidden, axis=0).sum())
    sizes = [math.hypot(*row) for row in hidden]
    assert small_fit["activation_norm"] == pytest.approx(sum(sizes) / 40)
    assert small_fit["activation_norm[aggregate=max]"] == pytest.approx(max(sizes))
