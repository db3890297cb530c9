"""Measures of the Hessian against the dense matrix, built entry by entry from gradients."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import genbench
from genbench.models.rnn import rnn


def dense_hessian(model, inputs, targets):
    parameters = list(model.parameters())
    loss = nn.functional.cross_entropy(model(inputs), targets)
    slopes = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, create_graph=True)])
    units = torch.eye(len(slopes), dtype=slopes.dtype)
    rows = torch.autograd.grad(slopes, parameters, units, is_grads_batched=True)
    return torch.cat([entry.flatten(1) for entry in rows], 1)


@pytest.fixture
def spectrum(small_fit):
    """Of `small_fit`: three layers of 103 weights."""
    given = (small_fit.roots[name] for name in ("model", "inputs", "targets"))
    return torch.linalg.eigvalsh(dense_hessian(*given)).tolist()


def test_all_of_the_spectrum(small_fit, spectrum):
    assert small_fit["hessian_top_eig[steps=103]"] == pytest.approx(max(spectrum), rel=1e-6)
    assert small_fit["hessian_trace[steps=103]"] == pytest.approx(sum(spectrum), rel=1e-6)
    for damping in (0.1, 0.01):
        expected = sum(value / (value + damping) for value in spectrum if value > 0)
        found = small_fit[f"hessian_effective_dimension[damping={damping},steps=103]"]
        assert found == pytest.approx(expected, rel=1e-6)
    expected = sum(each > 0.1 * max(spectrum) for each in spectrum)
    assert small_fit["hessian_outliers[steps=103]"] == pytest.approx(expected, rel=1e-12)


def test_thirty_steps_are_enough_for_the_top(small_fit, spectrum):
    assert small_fit["hessian_top_eig"] == pytest.approx(max(spectrum), rel=1e-6)
    assert small_fit["hessian_trace[draws=100]"] == pytest.approx(sum(spectrum), rel=0.1)


@pytest.mark.parametrize("epochs", [5, 30, 400])
def test_numbers_of_directions_far_from_a_minimum_and_near_one(fit, epochs):
    torch.manual_seed(0)
    inputs, targets = torch.randn(80, 12).double(), torch.arange(80) % 5
    inputs += 2 * torch.eye(12).double()[targets]
    model = nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 5)).double()
    steps = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for _ in range(epochs):
        steps.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        steps.step()
    found = fit(model, inputs, targets)
    spectrum = torch.linalg.eigvalsh(dense_hessian(model, inputs, targets))
    positive = spectrum.clamp_min(0)
    for damping in (0.1, 0.01):
        expected = (positive / (positive + damping)).sum().item()
        name = f"hessian_effective_dimension[damping={damping},draws=20,points=12,steps=15]"
        assert found[name] == pytest.approx(expected, rel=0.07)
    expected = (spectrum > 0.1 * spectrum[-1]).sum().item()
    assert found["hessian_outliers[steps=185]"] == pytest.approx(expected, rel=1e-12)
    if epochs == 400:
        assert found["hessian_outliers"] == pytest.approx(expected, rel=1e-12)


def recurrent():
    return rnn(genbench.Task("classification", (1, 8, 8), 10), width=8)


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(24, 10),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("build", "epochs"), [pytest.param(recurrent, 30, marks=pytest.mark.slow), (convolutional, 8)]
)
def test_numbers_of_directions_of_other_networks(fit, build, epochs):
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    inputs, targets = torch.tensor(images[:60]).view(-1, 1, 8, 8) / 16, torch.tensor(labels[:60])
    model = build().double()
    steps = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for _ in range(epochs):
        for part in torch.randperm(60).split(20):
            steps.zero_grad()
            nn.functional.cross_entropy(model(inputs[part]), targets[part]).backward()
            steps.step()
    found = fit(model, inputs, targets)
    positive = torch.linalg.eigvalsh(dense_hessian(model, inputs, targets)).clamp_min(0)
    expected = (positive / (positive + 0.1)).sum().item()
    assert found["hessian_effective_dimension"] == pytest.approx(expected, rel=0.1)


def test_linear_regression(fit):
    torch.manual_seed(0)
    inputs, targets = torch.randn(50, 4).double(), torch.randn(50, 1)
    found = fit(nn.Linear(4, 1, bias=False), inputs, targets, kind="regression")
    spectrum = torch.linalg.eigvalsh(2 * inputs.T @ inputs / 50)
    assert found["hessian_top_eig"] == pytest.approx(spectrum[-1].item(), rel=1e-9)
    assert found["hessian_trace"] == pytest.approx(spectrum.sum().item(), rel=1e-9)
    expected = (spectrum / (spectrum + 0.1)).sum().item()
    assert found["hessian_effective_dimension"] == pytest.approx(expected, rel=1e-9)


def test_the_network_as_it_is_and_with_batch_norm_folded(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    model(3 * torch.randn(50, 5))
    inputs, targets = torch.randn(40, 5).double(), torch.arange(40) % 3
    found = fit(model, inputs, targets)
    dense = torch.linalg.eigvalsh(dense_hessian(model.eval(), inputs, targets))
    assert found["hessian_top_eig"] == pytest.approx(dense[-1].item(), rel=1e-6)
    folded = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    scale = model[1].weight / (model[1].running_var + model[1].eps).sqrt()
    with torch.no_grad():
        folded[0].weight.copy_(scale[:, None] * model[0].weight)
        folded[0].bias.copy_(model[1].bias + scale * (model[0].bias - model[1].running_mean))
    folded[2].load_state_dict(model[3].state_dict())
    dense = torch.linalg.eigvalsh(dense_hessian(folded, inputs, targets))
    assert found["hessian_top_eig[fold=true]"] == pytest.approx(dense[-1].item(), rel=1e-6)


def test_blocks_of_layers(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3))
    inputs, targets = torch.randn(40, 5).double(), torch.arange(40) % 3
    model(3 * torch.randn(50, 5))
    found = fit(model, inputs, targets)
    dense = dense_hessian(model, inputs, targets)
    # 36 numbers of the first layer, 12 of the normalization, 21 of the last layer.
    tops = [torch.linalg.eigvalsh(dense[some, some])[-1].item() for some in (slice(0, 36), slice(48, 69))]
    for aggregate, expected in (("max", max(tops)), ("mean", sum(tops) / 2), ("sum", sum(tops))):
        name = f"hessian_top_eig_per_layer[aggregate={aggregate},steps=100]"
        assert found[name] == pytest.approx(expected, rel=1e-6)
    assert found["hessian_top_eig_per_layer"] == pytest.approx(max(tops), rel=1e-2)
    tops = [torch.linalg.eigvalsh(dense[some, some])[-1].item() for some in (slice(0, 30), slice(48, 66))]
    found_without = found["hessian_top_eig_per_layer[biases=false,steps=100]"]
    assert found_without == pytest.approx(max(tops), rel=1e-6)


def test_the_share_of_negative_curvature(small_fit, spectrum):
    expected = -sum(each for each in spectrum if each < 0) / sum(map(abs, spectrum))
    assert expected > 0.05
    assert small_fit["hessian_negative_share[draws=30]"] == pytest.approx(expected, rel=0.15)


def test_least_squares_curve_upwards(fit):
    torch.manual_seed(0)
    found = fit(nn.Linear(4, 1), torch.randn(50, 4), torch.randn(50, 1), kind="regression")
    assert found["hessian_negative_share"] == pytest.approx(0, abs=1e-12)
    only = found["hessian_top_eig_per_layer"]
    assert only == pytest.approx(found["hessian_top_eig"], rel=1e-9)


def test_curvature_in_proportion_to_the_weights(small_fit):
    model = small_fit.roots["model"]
    dense = dense_hessian(model, small_fit.roots["inputs"], small_fit.roots["targets"])
    norms = torch.cat([p.detach().norm().expand(p.numel()) for p in model.parameters()])
    expected = torch.linalg.eigvalsh(dense * torch.outer(norms, norms))[-1].item()
    assert small_fit["riemannian_sharpness[steps=103]"] == pytest.approx(expected, rel=1e-6)
    assert small_fit["riemannian_sharpness"] == pytest.approx(expected, rel=1e-3)
    with torch.no_grad():
        model[2].weight *= 4
        model[4].weight /= 4
    assert small_fit["riemannian_sharpness[steps=103]"] == pytest.approx(expected, rel=1e-6)
