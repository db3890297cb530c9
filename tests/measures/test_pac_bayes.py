"""PAC-Bayes measures against their formulas, written out over single weights."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from genbench.host import Host
from genbench.host.battery import Battery, Request

EPSILON = 1e-3


def sigma_of(fitted, name="pacbayes_flatness"):
    return fitted[name] ** -0.5


def test_isotropic_bounds(fitted, entries):
    sigma = sigma_of(fitted)
    assert 0.01 < sigma < 2
    for name, numbers in zip(("pacbayes_orig", "pacbayes_init"), entries, strict=True):
        length = sum(number**2 for number in numbers)
        expected = length / (4 * sigma**2) + math.log(60 / sigma) + 10
        assert fitted[name] == pytest.approx(expected, rel=1e-6)
        assert fitted[f"{name}[by_size=true]"] == pytest.approx(math.sqrt(expected / 60), rel=1e-6)


def test_the_published_code_has_a_standard_deviation_of_its_square(fitted, entries):
    theirs = math.sqrt(sigma_of(fitted))
    assert fitted["pacbayes_flatness[compat=nitarshan]"] == pytest.approx(theirs**-2)
    expected = sum(number**2 for number in entries[0]) / (4 * theirs**2) + math.log(60 / theirs) + 10
    assert fitted["pacbayes_orig[compat=nitarshan]"] == pytest.approx(expected)


def magnitude_sum(above, below, sigma):
    mean = sum(number**2 for number in above) / len(above)
    terms = [
        math.log((EPSILON**2 + (sigma**2 + 1) * mean) / (EPSILON**2 + sigma**2 * number**2))
        for number in below
    ]
    return sum(terms) / 4


def test_bounds_for_noise_in_proportion(fitted, entries):
    sigma = sigma_of(fitted, "pacbayes_mag_flatness")
    weights, distances = entries
    rest = math.log(60 / sigma) + 10
    for name, above, below in (
        ("pacbayes_mag_init", distances, distances),
        ("pacbayes_mag_orig", weights, distances),
        ("pacbayes_mag_orig[denominator=weight]", weights, weights),
    ):
        assert fitted[name] == pytest.approx(magnitude_sum(above, below, sigma) + rest, rel=1e-6)


@pytest.mark.parametrize("name", ["pacbayes_orig", "pacbayes_init", "pacbayes_mag_orig", "pacbayes_mag_init"])
def test_forms_of_the_bounds(fitted, name):
    sigma = sigma_of(fitted, "pacbayes_mag_flatness" if "mag" in name else "pacbayes_flatness")
    main = 2 * (fitted[name] - math.log(60 / sigma) - 10)
    assert fitted[f"{name}[form=main]"] == pytest.approx(main, rel=1e-6)
    rest = math.sqrt((main + math.log(6000) + math.log(20_000)) / 118)
    full = fitted["train_error"] + 0.1 + rest
    assert fitted[f"{name}[form=full]"] == pytest.approx(full, rel=1e-6)


def test_noise_whose_deviation_is_the_published_variance(fitted):
    sigma = sigma_of(fitted, "pacbayes_mag_flatness[compat=nitarshan]")
    model, inputs, targets = (fitted.roots[name] for name in ("model", "inputs", "targets"))
    clean = (model(inputs).argmax(1) == targets).double().mean().item()
    before = {name: parameter.clone() for name, parameter in model.state_dict().items()}
    torch.manual_seed(1)

    def lost(sigma):
        total = 0.0
        for _ in range(400):
            moved = {
                name: weight + (sigma**2 * weight**2 + EPSILON**2) * torch.randn_like(weight)
                for name, weight in before.items()
            }
            found = torch.func.functional_call(model, moved, (inputs,)).argmax(1)
            total += clean - (found == targets).double().mean().item()
        return total / 400

    assert 0.03 < lost(sigma) < 0.25
    assert lost(0.5 * sigma) < lost(sigma) < lost(2 * sigma)


def test_the_sum_is_half_a_divergence_from_the_best_prior(entries):
    sigma = 0.3
    for numbers in entries:
        mean = torch.tensor(numbers, dtype=torch.float64)
        posterior = Normal(mean, (EPSILON**2 + (sigma * mean).square()).sqrt())
        divergences = [
            kl_divergence(posterior, Normal(torch.zeros_like(mean), scale)).sum().item()
            for scale in torch.linspace(0.01, 3, 3000, dtype=torch.float64)
        ]
        assert magnitude_sum(numbers, numbers, sigma) == pytest.approx(min(divergences) / 2, rel=1e-5)


def test_variants_share_one_search():
    host = Host.load(rooms={"probes", "measures"})
    probes = set()
    for name in ("pacbayes_init", "pacbayes_orig", "pacbayes_flatness"):
        request = Request.of(host.find("measure", name))
        below = Battery.resolve([request], host.probe_lookup).below[name]
        probes.add(next(key for key in below if "tolerated_noise" in key))
    assert len(probes) == 1


def test_regression_has_no_accuracy_to_lose(fit):
    network = nn.Linear(4, 1)
    found = fit(network, torch.randn(20, 4), torch.randn(20, 1), kind="regression").value("pacbayes_flatness")
    assert found.status == "not_applicable"
    assert "classification" in found.reason


def test_a_network_that_has_diverged_has_no_value(fit):
    network = nn.Linear(4, 2)
    with torch.no_grad():
        network.weight[0, 0] = math.nan
    found = fit(network, torch.randn(20, 4), torch.arange(20) % 2).value("pacbayes_flatness")
    assert found.status == "not_applicable"
    assert "finite" in found.reason


def test_other_initial_layers_are_refused(fitted):
    fitted.roots["initial_model"] = nn.Linear(5, 3).double()
    assert fitted.value("pacbayes_mag_init").status == "not_applicable"
