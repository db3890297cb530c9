"""The tangent kernel against Jacobians by the weights, written out, and against linear models."""

import math

import pytest
import torch
from torch import nn

from genbench.base.data import Split


@pytest.fixture
def features(small_fit):
    """∇_w f_c(x_i), shape (examples · outputs, parameters)."""
    model, parameters = small_fit.roots["model"], list(small_fit.roots["model"].parameters())
    rows = []
    for x in small_fit.roots["inputs"]:
        for output in range(3):
            gradients = torch.autograd.grad(model(x.unsqueeze(0))[0, output], parameters)
            rows.append(torch.cat([each.flatten() for each in gradients]))
    return torch.stack(rows)


def linear(fit, inputs, targets, outputs=1, kind="regression", **roots):
    inputs = torch.as_tensor(inputs, dtype=torch.float64)
    model = nn.Linear(inputs.shape[1], outputs, bias=False)
    return fit(model, inputs, torch.as_tensor(targets), kind=kind, **roots)


def test_spectrum(small_fit, features):
    values = torch.linalg.eigvalsh(features.T @ features / 40)
    assert small_fit["tk_trace"] == pytest.approx(features.square().sum().item() / 40, rel=1e-9)
    assert small_fit["tk_top_eigenvalue"] == pytest.approx(values[-1].item(), rel=1e-9)
    assert small_fit["tk_top_share"] == pytest.approx((values[-1] / values.sum()).item(), rel=1e-9)
    shares = [value / values.sum().item() for value in values.tolist() if value > 0]
    entropy = -sum(share * math.log(share) for share in shares)
    assert small_fit["tk_effective_rank"] == pytest.approx(math.exp(entropy), rel=1e-6)


@pytest.mark.parametrize("centre", ["each_output", "all", "none"])
def test_alignment(small_fit, features, centre):
    wanted = nn.functional.one_hot(small_fit.roots["targets"], 3).double()
    apart = features.reshape(40, 3, -1)
    if centre == "each_output":
        apart, wanted = apart - apart.mean(0), wanted - wanted.mean(0)
    elif centre == "all":
        apart, wanted = apart - apart.mean((0, 1)), wanted - wanted.mean()
    kernel = apart.reshape(120, -1) @ apart.reshape(120, -1).T
    of_labels = torch.outer(wanted.flatten(), wanted.flatten())
    expected = (kernel * of_labels).sum() / (kernel.norm() * of_labels.norm())
    assert small_fit[f"tk_alignment[centre={centre}]"] == pytest.approx(expected.item(), rel=1e-9)


def test_rademacher(small_fit, features, weights):
    moved = sum((now - then).square().sum() for now, then in zip(*weights, strict=True)).sqrt()
    assert small_fit["tk_rademacher"] == pytest.approx((moved * features.norm() / 40).item(), rel=1e-9)


def test_a_linear_model_has_the_kernel_of_its_inputs(fit):
    inputs = [[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]
    toy = linear(fit, inputs, [[1.0], [1.0], [1.0]])
    assert toy["tk_trace"] == pytest.approx(25 / 3, rel=1e-12)
    assert toy["tk_top_eigenvalue"] == pytest.approx(16 / 3, rel=1e-12)
    assert toy["tk_top_share"] == pytest.approx(16 / 25, rel=1e-12)
    entropy = -(9 / 25 * math.log(9 / 25) + 16 / 25 * math.log(16 / 25))
    assert toy["tk_effective_rank"] == pytest.approx(math.exp(entropy), rel=1e-9)


def test_orthogonal_features_have_full_effective_rank(fit):
    toy = linear(fit, torch.eye(4), torch.arange(4) % 2, outputs=2, kind="classification")
    assert toy["tk_effective_rank"] == pytest.approx(8, rel=1e-9)
    assert toy["tk_top_share"] == pytest.approx(1 / 8, rel=1e-9)


def test_a_feature_that_is_the_target_is_aligned(fit):
    targets = torch.tensor([[1.0], [-1.0], [2.0]])
    assert linear(fit, targets, targets)["tk_alignment"] == pytest.approx(1, rel=1e-12)
    against = torch.tensor([[1.0], [1.0], [0.0]])  # orthogonal to the targets
    assert linear(fit, against, targets)["tk_alignment[centre=none]"] == pytest.approx(0, abs=1e-12)


def test_all_parameters_that_are_trained_count(fit):
    torch.manual_seed(0)
    model, initial = (nn.Linear(2, 1).double() for _ in range(2))
    inputs = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    whole = fit(model, inputs, torch.ones(1, 1), kind="regression", initial_model=initial)
    assert whole["tk_trace"] == pytest.approx(26, rel=1e-12)
    moved = math.hypot(*(model.weight - initial.weight)[0].tolist(), (model.bias - initial.bias).item())
    assert whole["tk_rademacher"] == pytest.approx(moved * math.sqrt(26), rel=1e-12)


@pytest.mark.parametrize("top", [1, 4])
def test_the_residual_in_the_largest_directions(small_fit, features, logits, top):
    wrong = (logits.softmax(1) - nn.functional.one_hot(small_fit.roots["targets"], 3)).flatten()
    left, _, _ = torch.linalg.svd(features, full_matrices=False)
    expected = sum((left[:, j] @ wrong).item() ** 2 for j in range(top)) / wrong.square().sum().item()
    found = small_fit[f"tk_residual_alignment[examples=40,top={top}]"]
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_step_moves_the_outputs_along_the_eigenvectors_by_the_eigenvalues(fit):
    torch.manual_seed(0)
    inputs, targets = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 1, dtype=torch.float64)
    toy = linear(fit, inputs, targets)
    model, rate = toy.roots["model"], 0.01
    gradient = (model(inputs) - targets).detach()
    after = inputs @ (model.weight.detach() - rate * gradient.T @ inputs).T
    values, vectors = torch.linalg.eigh(inputs @ inputs.T)
    moved = vectors.T @ (after - model(inputs).detach())
    torch.testing.assert_close(moved, -rate * values[:, None] * (vectors.T @ gradient))
    inside = (vectors[:, -2:].T @ gradient).square().sum() / gradient.square().sum()
    assert toy["tk_residual_alignment[top=2]"] == pytest.approx(inside.item(), rel=1e-9)
    assert "4 and 5" in toy.value("tk_residual_alignment[top=4]").reason


def test_where_the_kernel_says_nothing(fit, small_fit):
    roots = small_fit.roots
    same = fit(roots["model"], roots["inputs"], torch.zeros(40, dtype=torch.long))
    assert "all the same" in same.value("tk_alignment").reason
    still = linear(fit, torch.zeros(3, 2), torch.randn(3, 1))
    for name in ("tk_top_share", "tk_effective_rank", "tk_alignment"):
        assert still.value(name).reason == "the tangent kernel vanishes"
    equal = fit(roots["model"], roots["inputs"][:1].expand(6, -1).clone(), torch.arange(6) % 3)
    assert "the centred tangent kernel vanishes" in equal.value("tk_alignment").reason
    assert equal["tk_alignment[centre=none]"] > 0
    every = small_fit.value("tk_residual_alignment[examples=10,top=30]").reason
    assert every == "all 30 eigenvectors of the tangent kernel would be taken"
    other = fit(roots["model"], roots["inputs"], roots["targets"], initial_model=nn.Linear(6, 3).double())
    assert "other parameters" in other.value("tk_rademacher").reason


def test_weights_that_are_not_finite_have_no_eigenvalues(fit):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    nn.init.ones_(model[0].weight)
    nn.init.constant_(model[2].weight, math.nan)
    broken = fit(model, torch.ones(4, 2), torch.arange(4) % 2)
    assert broken.value("tk_top_eigenvalue").status == "nan"
    assert broken.value("coherence_alpha").status == "nan"


def test_weights_that_are_not_finite_have_neither_errors_nor_stiffness(fit):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    nn.init.constant_(model[2].weight, math.nan)
    inputs = torch.ones(4, 2, dtype=torch.float64)
    held_out = Split(inputs, torch.arange(4) % 2)
    broken = fit(model, inputs, torch.arange(4) % 2, validation=held_out)
    for name in ("train_error", "val_error", "val_gap"):
        assert broken.value(name).reason == "the outputs of the network are not finite", name
    for name in ("stiffness_sign", "stiffness_between", "stiffness_sign_val", "stiffness_between_val"):
        assert broken.value(name).reason == "the gradients of the examples' losses are not finite", name
