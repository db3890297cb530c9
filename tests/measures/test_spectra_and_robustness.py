"""Measures of whole spectra, open paths and moved inputs."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from genbench.probes.class_pairs import partners_of_class
from genbench.probes.eigenvalues import eigenvalues, fit_power_law, layer_spectra
from genbench.probes.layers import folded_model, layers


def fit_slowly(values):
    """The fit of Clauset, Shalizi & Newman, tail by tail and value by value."""
    best = (math.inf, None, None)
    for start in range(len(values) - 1):
        tail = values[start:]
        total = sum(math.log(value / tail[0]) for value in tail)
        if total <= 0:
            continue
        alpha = 1 + len(tail) / total
        distance = max(
            abs(1 - (value / tail[0]) ** (1 - alpha) - place / len(tail)) for place, value in enumerate(tail)
        )
        best = min(best, (distance, alpha, tail[0]))
    return best


def test_power_laws_agree_with_a_slow_fit():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(40, generator=generator, dtype=torch.float64).pow(-0.7).sort().values
    found = fit_power_law(values)
    assert (found.distance, found.alpha, found.smallest) == pytest.approx(fit_slowly(values.tolist()))


def test_the_exponent_of_a_pareto_sample_is_found():
    # Quantiles of a density ∝ λ^−3 above 1.
    values = (1 - (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000) ** -0.5
    assert fit_power_law(values).alpha == pytest.approx(3.0, abs=0.1)


def test_spectra_are_the_eigenvalues_of_the_slices():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, (2, 3)), nn.Flatten(), nn.Linear(12, 15)).double().eval()
    convolution, linear = eigenvalues(layer_spectra(layers(folded_model(model))))
    kernel = model[0].weight.detach().numpy()
    slices = [kernel[:, :, row, column] * math.sqrt(6 / 2) for row in range(2) for column in range(3)]
    expected = sorted(np.concatenate([np.linalg.eigvalsh(each.T @ each) for each in slices]))
    np.testing.assert_allclose(convolution.numpy(), expected)
    np.testing.assert_allclose(
        linear.numpy(),
        np.linalg.eigvalsh(model[2].weight.detach().numpy().T @ model[2].weight.detach().numpy()),
    )


def test_eigenvalues_of_zero_are_no_part_of_a_spectrum(fit):
    model = nn.Sequential(nn.Linear(20, 30, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.randn(30, 4) @ torch.randn(4, 20))
    found = fit(model, torch.zeros(2, 20), torch.zeros(2).long())
    assert found.value("ww_log_norm").reason == "no layer has 10 eigenvalues, the largest has 4"
    assert found["ww_stable_rank[smallest=4]"] <= 4


def test_means_over_spectra(fit):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 12), nn.ReLU(), nn.Linear(12, 3)
    ).double()
    found = fit(model, torch.randn(9, 20), torch.arange(9) % 3)
    matrices = [model[place].weight.detach() for place in (0, 2)]  # the last layer has three eigenvalues
    spectra = [torch.linalg.svdvals(matrix).square().sort().values for matrix in matrices]
    alphas = [fit_slowly(spectrum.tolist())[1] for spectrum in spectra]

    def mean(numbers):
        return sum(numbers) / 2

    assert found["ww_alpha"] == pytest.approx(mean(alphas))
    assert found["ww_log_norm"] == pytest.approx(mean([math.log10(each.sum()) for each in spectra]))
    assert found["ww_log_spectral_norm"] == pytest.approx(mean([math.log10(each[-1]) for each in spectra]))
    assert found["ww_stable_rank"] == pytest.approx(
        mean([(each.sum() / each[-1]).item() for each in spectra])
    )
    assert found["ww_alpha_weighted"] == pytest.approx(
        mean([alpha * math.log10(each[-1]) for alpha, each in zip(alphas, spectra, strict=True)])
    )
    assert found["ww_log_alpha_norm"] == pytest.approx(
        mean([math.log10((each**alpha).sum()) for alpha, each in zip(alphas, spectra, strict=True)])
    )
    entropies = []
    for place in (0, 2, 4):
        shares = torch.linalg.svdvals(model[place].weight.detach())
        shares = (shares / shares.sum()).tolist()
        entropies.append(-sum(share * math.log(share) for share in shares))
    assert found["effective_rank"] == pytest.approx(sum(entropies) / 3)


def test_kurtosis_tells_gaussian_from_heavy_tailed_weights(fit):
    from scipy.stats import kurtosis

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30, bias=False), nn.Linear(30, 2, bias=False)).double()
    found = fit(model, torch.zeros(2, 20), torch.zeros(2).long())
    samples = [parameter.detach().flatten().numpy() for parameter in model.parameters()]
    assert found["weight_tail_kurtosis"] == pytest.approx(np.mean([kurtosis(each) for each in samples]))
    assert found["weight_tail_kurtosis[aggregate=pooled]"] == pytest.approx(kurtosis(np.concatenate(samples)))


def test_open_and_signed_paths(small_fit, weights):
    first, second, third = weights[0]
    assert small_fit["linear_path_norm"] == pytest.approx((third @ second @ first).norm().item())
    sums = []
    for example in small_fit.roots["inputs"]:
        hidden = first @ example
        mask1 = (hidden > 0).double()
        mask2 = (second @ (hidden * mask1) > 0).double()
        ones = torch.ones(6, dtype=torch.float64)
        sums.append((third**2 @ (mask2 * (second**2 @ (mask1 * (first**2 @ ones))))).sum().item())
    assert small_fit["active_path_norm"] == pytest.approx(sum(sums) / 40)
    assert small_fit["active_path_share"] == pytest.approx(sum(sums) / 40 / small_fit["path_norm"])


def test_path_measures_are_invariant_to_rescaling_of_relu_units(small_fit):
    names = [
        "path_norm",
        "linear_path_norm",
        "active_path_norm",
        "geometric_complexity",
        "pullback_lambda_max",
    ]
    before = {name: small_fit[name] for name in names}
    first, _, second = list(small_fit.roots["model"])[:3]
    scale = torch.rand(8, dtype=torch.float64) * 5 + 0.1
    with torch.no_grad():
        first.weight.mul_(scale[:, None])
        second.weight.div_(scale)
    for name in names:
        assert small_fit[name] == pytest.approx(before[name], rel=1e-9), name


def test_spectral_products_are_invariant_to_rescaling_of_layers_only(small_fit):
    names = ["log_prod_of_spec", "fro_over_spec", "log_prod_of_fro", "normalized_cross_entropy"]
    before = {name: small_fit[name] for name in names}
    first, _, second = list(small_fit.roots["model"])[:3]
    with torch.no_grad():
        first.weight.mul_(7)
        second.weight.div_(7)
    for name in names:
        assert small_fit[name] == pytest.approx(before[name], rel=1e-9), name
    with torch.no_grad():
        first.weight[0].mul_(7)
        second.weight[:, 0].div_(7)
    assert small_fit["log_prod_of_spec"] != pytest.approx(before["log_prod_of_spec"], rel=1e-3)


def test_the_product_of_spectral_norms_bounds_the_pullback_metric(small_fit, logits):
    p = logits.softmax(1)
    tops = [torch.linalg.eigvalsh(torch.diag(each) - torch.outer(each, each))[-1].item() for each in p]
    expected = sum(map(math.log, tops)) / 40 + small_fit["log_prod_of_spec"]
    assert small_fit["spectral_product_bound"] == pytest.approx(expected)
    assert max(tops) <= 0.5
    bound = max(tops) * math.exp(small_fit["log_prod_of_spec"])
    assert small_fit["pullback_lambda_max[aggregate=max]"] <= bound
    assert small_fit["pullback_lambda_max"] <= small_fit["pullback_lambda_max[trace=true]"]


def test_the_product_is_finite_where_the_examples_are_fitted_to_the_last(fit):
    layer = nn.Linear(3, 3, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3))
    inputs = torch.tensor([[900.0, 100, 100], [5, 805, 4], [-10, 0, 790]], dtype=torch.float64)
    found = fit(layer, inputs, torch.arange(3))["spectral_product_bound"]
    # With small q the largest eigenvalue of [[Σq, −qᵀ], [−q, diag(q)]], here by its scale.
    expected = 0.0
    for row in inputs:
        q = (row.sort().values[:2] - row.sort().values[1]).exp()
        rest = torch.stack([q.sum(), *-q]), torch.cat([-q[:, None], q.diag()], 1)
        top = torch.linalg.eigvalsh(torch.cat([rest[0][None], rest[1]]))[-1]
        expected += (row.sort().values[1] - row.max() + top.log()).item() / 3
    assert found == pytest.approx(expected, rel=1e-12)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.outer(self.inner(self.inner(x).tanh()).tanh())


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.RNN(4, 3, batch_first=True)

    def forward(self, x):
        return self.cell(x.unsqueeze(1))[0][:, -1]


@pytest.mark.parametrize(
    ("model", "settings", "reason"),
    [
        (Twice(), "", "a layer of the network is used twice"),
        (nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)), "", "slopes of a LayerNorm"),
        (Recurrent(), "", "slopes of a RNN"),
        (nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), "[fold=false]", "slopes of a BatchNorm1d"),
    ],
)
def test_what_spectral_norms_do_not_bound_has_no_product(fit, model, settings, reason):
    found = fit(model, torch.randn(9, 4), torch.arange(9) % 3).value(f"spectral_product_bound{settings}")
    assert found.status == "not_applicable"
    assert reason in found.reason


def test_a_batch_norm_that_is_folded_and_an_activation_may_be_used_twice(fit):
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), relu, nn.Linear(5, 5), relu, nn.Linear(5, 3))
    assert math.isfinite(fit(model, torch.randn(9, 4), torch.arange(9) % 3)["spectral_product_bound"])


def test_examples_that_no_input_moves_have_no_mean_margin(fit):
    """Three of ten examples lie where the only hidden unit is dead, on the right side or the wrong one."""
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2))
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), ([[1.0]], [0.0], [[1], [-1]], [1, 0]), strict=True):
            parameter.copy_(torch.tensor(value))
    inputs = torch.arange(-3.0, 7.0).unsqueeze(1) + 0.5
    one_side = fit(model, inputs, torch.zeros(10, dtype=torch.long))
    both_sides = fit(model, inputs, torch.tensor([0, 1] * 5))
    for each in (one_side, both_sides):
        reason = each.value("input_margin_linearised").reason
        assert reason == "no input moves the margin of 3 examples"
    # Where the unit is alive the margin is 1 + 2 x, its derivative 2.
    assert one_side["input_margin_linearised[aggregate=p10]"] == pytest.approx(0.5 + 0.5)
    assert one_side["input_margin_linearised[aggregate=median]"] == pytest.approx(0.5 + 5.0)
    assert "3 examples" in both_sides.value("input_margin_linearised[aggregate=p10]").reason


def test_geometric_complexity_is_at_most_outputs_times_the_squared_lipschitz_constant(small_fit):
    assert small_fit["geometric_complexity"] <= 3 * small_fit["lipschitz_lower"] ** 2


def test_noise_of_no_size_leaves_the_training_error(small_fit):
    assert small_fit["perturbation_robustness[noise=1e-9]"] == pytest.approx(small_fit["train_error"])


def test_noise_of_any_size_leaves_a_third_of_three_classes(fit):
    model = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.eye(3))
    found = fit(model, torch.eye(3).repeat(2000, 1), torch.arange(6000) % 3)
    assert found["train_error"] == 0
    assert found["perturbation_robustness[noise=1e6]"] == pytest.approx(2 / 3, abs=0.03)


def test_few_examples_are_moved_several_times(small_fit):
    model, inputs, targets = (small_fit.roots[name] for name in ("model", "inputs", "targets"))
    generator = torch.Generator().manual_seed(1)
    wrong = 0
    for _ in range(3):
        shift = torch.randn(inputs.shape, generator=generator)
        for point, noise, label in zip(inputs, shift, targets, strict=True):
            wrong += int(model((point + noise).unsqueeze(0)).argmax()) != label
    assert small_fit["perturbation_robustness[noise=1.0,points=81]"] == pytest.approx(wrong / 120)


def test_partners_are_of_the_same_class_and_everybody_is_one():
    targets = torch.tensor([0, 1, 1, 0, 2, 1, 0, 3, 3])
    partners = partners_of_class(targets, torch.Generator().manual_seed(0))
    assert torch.equal(targets[partners], targets)
    assert partners.sort().values.tolist() == list(range(9))
    alone = [place for place in range(9) if partners[place] == place]
    assert alone == [4]


def test_few_examples_are_paired_several_times(small_fit):
    model, inputs, targets = (small_fit.roots[name] for name in ("model", "inputs", "targets"))
    generator = torch.Generator().manual_seed(1)
    wrong = 0
    for _ in range(3):
        for example, partner in enumerate(partners_of_class(targets, generator).tolist()):
            middle = (inputs[[example]] + inputs[[partner]]) / 2
            wrong += int(model(middle).argmax()) != targets[example]
    assert 0 < wrong < 120
    assert small_fit["label_wise_mixup[midpoints=81]"] == pytest.approx(wrong / 120)


def test_mixup_of_a_class_in_two_clusters_leaves_the_class(fit):
    # One class on both sides of the other: midpoints of its two clusters fall among the other's.
    inputs = torch.tensor([[-1.0], [1.0], [-1.0], [1.0], [0.0], [0.0]])
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [-1.0]]))
        model[0].bias.zero_()
        model[2].weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
        model[2].bias.copy_(torch.tensor([0.0, 0.5]))
    found = fit(model, inputs, torch.tensor([0, 0, 0, 0, 1, 1]))
    assert found["train_error"] == 0
    assert 0 < found["label_wise_mixup"] <= 4 / 6


@pytest.mark.parametrize("name", ["label_wise_mixup", "manifold_mixup"])
def test_an_example_alone_in_its_class_has_no_midpoint(fit, name):
    # Nothing is given class 2: were its only example paired with itself, it would count as wrong.
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]))
        model[0].bias.zero_()
        model[2].weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0] * 4]))
        model[2].bias.copy_(torch.tensor([0.0, 0.0, -1.0]))
    inputs = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 3.0]])
    found = fit(model, inputs, torch.tensor([0, 0, 1, 1, 2]))
    assert found["train_error"] == pytest.approx(1 / 5)
    assert found[name] == 0
    assert "two examples of one class" in fit(model, inputs[::2], torch.tensor([0, 1, 2])).value(name).reason


@pytest.mark.parametrize("name", ["weight_tail_kurtosis", "input_margin_linearised"])
def test_a_network_of_zeros_has_neither_tails_nor_a_boundary(fit, name):
    model = nn.Linear(2, 2)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    assert fit(model, torch.eye(2), torch.arange(2)).value(name).status == "not_applicable"
