"""Measures of hidden layers, with the Jacobians of a bias-free ReLU network written out as products."""

import math

import pytest
import torch


@pytest.fixture
def small_fit(fit):
    """A network wide enough that no example silences a whole layer."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 20, bias=False),
        torch.nn.ReLU(),
        torch.nn.Linear(20, 15, bias=False),
        torch.nn.ReLU(),
        torch.nn.Linear(15, 3, bias=False),
    )
    return fit(model, torch.randn(40, 6), torch.arange(40) % 3)


@pytest.fixture
def jacobians(small_fit):
    """For each example its hidden layers and the Jacobian of the outputs by each, masks times weights."""
    first, second, third = (p.detach() for p in small_fit.roots["model"].parameters())
    found = []
    for point in small_fit.roots["inputs"]:
        one = (first @ point).clamp_min(0)
        two = (second @ one).clamp_min(0)
        by_one = third @ torch.diag((two > 0).double()) @ second
        found.append(((one, by_one), (two, third), third @ two))
    return found


def runner_up(outputs, label):
    return max((place for place in range(len(outputs)) if place != label), key=lambda place: outputs[place])


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5])
def test_margin_jacobian_sum(small_fit, jacobians, threshold):
    total = 0.0
    for (*layers, outputs), label in zip(jacobians, small_fit.roots["targets"].tolist(), strict=True):
        other = runner_up(outputs, label)
        for _, jacobian in layers:
            square = float(((jacobian[label] - jacobian[other]) ** 2).sum())
            total += square if square >= threshold else 0.0
    found = small_fit[f"margin_jacobian_sum[threshold={threshold}]"]
    assert found == pytest.approx(total / len(jacobians), rel=1e-6)


@pytest.mark.parametrize("norm", ["operator", "frobenius"])
def test_hidden_layers_times_jacobians_over_margins(small_fit, jacobians, norm):
    terms, logarithms = [], []
    for (*layers, outputs), label in zip(jacobians, small_fit.roots["targets"].tolist(), strict=True):
        margin = abs(float(outputs[label] - outputs[runner_up(outputs, label)]))
        sizes = [
            float(torch.linalg.svdvals(jacobian)[0] if norm == "operator" else jacobian.norm())
            for _, jacobian in layers
        ]
        weighted = sum(float(hidden.norm()) * size for (hidden, _), size in zip(layers, sizes, strict=True))
        terms.append(math.log(weighted / margin))
        logarithms += [math.log(size) for size in sizes]
    terms.sort(reverse=True)
    found = small_fit[f"jac_hidden_over_margin[largest=7,norm={norm}]"]
    assert found == pytest.approx(sum(terms[:7]) / 7, rel=1e-6)
    expected = sum(logarithms) / len(logarithms)
    assert small_fit[f"hidden_jacobian_norm[norm={norm}]"] == pytest.approx(expected, rel=1e-6)


def test_a_signed_margin_of_a_misclassified_example_is_zero(small_fit):
    assert small_fit["jac_hidden_over_margin[margin_sign=signed]"] == math.inf


def test_examples_that_reach_no_output_have_no_logarithm(fit):
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.ReLU(), torch.nn.Linear(1, 2))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[2].weight.copy_(torch.tensor([[3.0], [0.0]]))
        model[2].bias.zero_()
    found = fit(model, torch.tensor([[2.0], [-1.0]]), torch.tensor([0, 1]))
    # h = 2, J = (3, 0), margin 6 for the first; the second has h = 0 and margin 0.
    assert found["jac_hidden_over_margin[largest=1]"] == pytest.approx(math.log(2 * 3 / 6))
    assert found.value("jac_hidden_over_margin").reason == (
        "at 1 of 2 training examples all hidden layers are zero or leave the outputs as they are, "
        "and zero has no logarithm"
    )
    assert found["hidden_jacobian_norm"] == pytest.approx(math.log(3))
    torch.nn.init.zeros_(model[2].weight)
    for name in ("jac_hidden_over_margin", "hidden_jacobian_norm"):
        assert "at 2 of 2 training examples" in found.value(name).reason


def test_interlayer_jacobians(small_fit, jacobians):
    second, third = (p.detach() for p in list(small_fit.roots["model"].parameters())[1:])
    norms = []
    for (_, by_one), (two, _), _ in jacobians:
        between = torch.diag((two > 0).double()) @ second
        norms.append([float(torch.linalg.svdvals(each)[0]) for each in (between, by_one, third)])
    columns = list(zip(*norms, strict=True))
    largest = [max(column) for column in columns]
    means = [sum(column) / len(column) for column in columns]
    assert small_fit["interlayer_jacobian[examples=40]"] == pytest.approx(max(largest), rel=1e-6)
    assert small_fit["interlayer_jacobian[examples=40,over_pairs=mean]"] == pytest.approx(
        sum(largest) / 3, rel=1e-6
    )
    found = small_fit["interlayer_jacobian[examples=40,over_examples=mean,over_pairs=mean]"]
    assert found == pytest.approx(sum(means) / 3, rel=1e-6)


def test_margins_are_those_of_classes(fit):
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    regression = fit(model, torch.randn(9, 4), torch.randn(9, 2), kind="regression")
    for name in ("margin_jacobian_sum", "jac_hidden_over_margin"):
        assert "classification" in regression.value(name).reason
    assert regression.value("interlayer_jacobian").status == "ok"
    assert regression.value("hidden_jacobian_norm").status == "ok"
