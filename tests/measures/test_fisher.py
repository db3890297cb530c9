"""Fisher-Rao norm, Fisher trace and relative flatness against sums over examples and dense matrices."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.func import functional_call


def gradients_of_examples(model, inputs, targets, loss):
    """One gradient of all parameters for each example, one behind the other."""
    rows = []
    for example, target in zip(inputs, targets, strict=True):
        value = loss(model(example.unsqueeze(0)), target.unsqueeze(0))
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))]))
    return rows


@pytest.fixture
def with_biases(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
    return fit(model, torch.randn(20, 5).double(), torch.arange(20) % 3)


@pytest.fixture
def attention(fit):
    """Its layers have kernels that only inference is given."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), nn.Flatten(), nn.Linear(12, 3)
    )
    return fit(model, torch.randn(20, 3, 4).double(), torch.arange(20) % 3)


@pytest.fixture
def regression(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2))
    return fit(model, torch.randn(20, 5).double(), torch.randn(20, 2).double(), kind="regression")


def test_fisher_rao_of_relu_networks_counts_depth(small_fit, logits):
    targets = small_fit.roots["targets"]
    errors = logits.softmax(1) - nn.functional.one_hot(targets, 3)
    expected = sum(float(3 * f @ e) ** 2 for f, e in zip(logits, errors, strict=True)) / 40
    assert small_fit["fisher_rao[prefactor=none]"] == pytest.approx(expected, rel=1e-6)
    assert small_fit["fisher_rao"] == pytest.approx(16 * expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("with_biases", nn.functional.cross_entropy),
        ("attention", nn.functional.cross_entropy),
        ("regression", nn.functional.mse_loss),
    ],
)
def test_fisher_rao_example_by_example(request, name, loss):
    found = request.getfixturevalue(name)
    model, inputs, targets = (found.roots[name] for name in ("model", "inputs", "targets"))
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    gradients = gradients_of_examples(model, inputs, targets, loss)
    expected = sum(float(weights @ gradient) ** 2 for gradient in gradients) / 20
    assert found["fisher_rao[prefactor=none]"] == pytest.approx(expected, rel=1e-6)
    squares = sum(float(gradient @ gradient) for gradient in gradients) / 20
    assert found["fisher_trace[labels=given]"] == pytest.approx(squares, rel=1e-6)


def test_fisher_trace_by_drawing_every_label(with_biases):
    model, inputs = with_biases.roots["model"], with_biases.roots["inputs"]
    expected = 0.0
    for label in range(3):
        labels = torch.full((20,), label)
        gradients = gradients_of_examples(model, inputs, labels, nn.functional.cross_entropy)
        probabilities = model(inputs).softmax(1)[:, label].tolist()
        expected += sum(p * float(g @ g) for p, g in zip(probabilities, gradients, strict=True)) / 20
    assert with_biases["fisher_trace"] == pytest.approx(expected, rel=1e-6)


def test_fisher_trace_is_that_of_the_gauss_newton_matrix(regression):
    model, inputs = regression.roots["model"], regression.roots["inputs"]
    expected = 0.0
    for output in range(2):
        for gradient in gradients_of_examples(model, inputs, inputs, lambda out, _, c=output: out[0, c]):
            expected += 2 / 2 * float(gradient @ gradient) / 20
    assert regression["fisher_trace"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "loss"), [("with_biases", nn.functional.cross_entropy), ("regression", nn.functional.mse_loss)]
)
def test_relative_flatness_from_blocks_of_the_hessian(request, name, loss):
    found = request.getfixturevalue(name)
    model, inputs, targets = (found.roots[name] for name in ("model", "inputs", "targets"))
    model.requires_grad_(False)
    weight = model[2].weight

    def of_weight(moved):
        return loss(functional_call(model, {"2.weight": moved}, (inputs,)), targets)

    hessian = torch.func.hessian(of_weight)(weight)
    rows = range(len(weight))
    expected = sum(
        float(weight[s] @ weight[t]) * float(hessian[s, :, t, :].diagonal().sum()) for s in rows for t in rows
    )
    assert found["relative_flatness"] == pytest.approx(expected, rel=1e-6)


def test_rescaled_layers(small_fit):
    names = ("fisher_rao", "relative_flatness")
    before, trace = [small_fit[name] for name in names], small_fit["fisher_trace"]
    model = small_fit.roots["model"]
    with torch.no_grad():
        model[2].weight *= 4
        model[4].weight /= 4
    assert [small_fit[name] for name in names] == pytest.approx(before, rel=1e-9)
    assert small_fit["fisher_trace"] != pytest.approx(trace, rel=0.1)


def test_only_a_linear_layer_at_the_top_has_relative_flatness(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(1))
    value = fit(model, torch.randn(10, 4), torch.arange(10) % 3).value("relative_flatness")
    assert value.status == "not_applicable"
    assert "linear layer" in value.reason


def test_what_torch_warns_of_as_it_loads_rules_of_its_own_reaches_nobody():
    code = (
        "import torch, genbench\n"
        "data = torch.ones(6, 4), torch.arange(6) % 3\n"
        "value = genbench.evaluate(torch.nn.Linear(4, 3), *data, measures='fisher_rao')['fisher_rao']\n"
        "print(value.status, value.reason)"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.strip() == "ok", ended.stdout + ended.stderr
