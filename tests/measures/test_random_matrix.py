"""Spectra against those of random matrices, and truncated power laws, by slow means."""

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.spatial.distance import jensenshannon
from torch import nn

from genbench.measures.random_matrix import ww_num_rand_spikes
from genbench.networks.layers import Layer
from genbench.probes.random_matrices import bulk_of, random_spikes, shuffled_eigenvalues
from genbench.probes.truncated_power_laws import fit_truncated_power_law


@pytest.fixture
def spiked(fit):
    """A layer of noise with two directions that stand out, one of noise alone, one too small."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(40, 60), nn.ReLU(), nn.Linear(60, 30), nn.ReLU(), nn.Linear(30, 3)
    ).double()
    with torch.no_grad():
        for place in (0, 2, 4):
            model[place].weight.normal_()
        for vector in range(2):
            model[0].weight += (5 + vector) * torch.outer(torch.randn(60), torch.randn(40))
    return fit(model, torch.randn(9, 40), torch.arange(9) % 3)


def spectra(fitted):
    matrices = [fitted.roots["model"][place].weight.detach().numpy() for place in (0, 2)]
    return [np.linalg.svd(each)[1][::-1] ** 2 for each in matrices]


def bulk_slowly(values, longer, shorter):
    """Take the largest eigenvalue out as long as it lies above the edge of the rest."""
    rest = sorted(values)
    while True:
        variance = sum(rest) / (longer * (shorter - len(values) + len(rest)))
        edge = variance * (math.sqrt(longer) + math.sqrt(shorter)) ** 2
        inside = [each for each in rest if each <= edge]
        if len(inside) == len(rest):
            return edge, len(values) - len(rest)
        rest = inside


def test_the_bulk_and_its_spikes(spiked):
    first, second = spectra(spiked)
    bulks = [bulk_slowly(first, 60, 40), bulk_slowly(second, 60, 30)]
    assert bulks[0][1] == 2
    assert bulks[0][0] == pytest.approx((math.sqrt(60) + math.sqrt(40)) ** 2, rel=0.1)
    ratios = [edge / values[-1] for (edge, _), values in zip(bulks, (first, second), strict=True)]
    assert spiked["ww_mp_softrank"] == pytest.approx(sum(ratios) / 2, rel=1e-9)
    assert spiked["num_spikes"] == spiked["ww_num_spikes"] == (bulks[0][1] + bulks[1][1]) / 2


def test_pooled_slices_have_the_bulk_of_one():
    torch.manual_seed(0)
    slices = torch.randn(9, 50, 80, dtype=torch.float64)
    values = torch.linalg.svdvals(slices).square().flatten().sort().values
    assert bulk_of(values, 80, 50, 9).edge == pytest.approx((math.sqrt(80) + math.sqrt(50)) ** 2, rel=0.02)


def test_shuffling_takes_the_spikes_out(spiked):
    assert spiked["ww_num_rand_spikes[smallest=40]"] == 2
    assert spiked["ww_softrank[smallest=40]"] < 0.5
    tops = [values[-1] for values in spectra(spiked)]
    random = tops[0] * spiked["ww_softrank[smallest=40]"]
    assert spiked["ww_maxdist[smallest=40]"] == pytest.approx(tops[0] - random, rel=1e-9)
    # The shuffled layer is a random matrix of the variance of all its entries.
    variance = spiked.roots["model"][0].weight.var().item()
    assert random == pytest.approx(variance * (math.sqrt(60) + math.sqrt(40)) ** 2, rel=0.15)


def shuffled_alone(weight, seed, **settings):
    layer = Layer("only.weight", weight, None, None, "only")
    spectra = (torch.linalg.svdvals(weight.flatten(2)[..., 0]),)
    return shuffled_eigenvalues(torch.Generator().manual_seed(seed), (layer,), spectra, **settings)[0]


def test_spectra_of_shuffled_layers_by_singular_values():
    torch.manual_seed(0)
    weight = torch.randn(12, 30, 1, 1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    for found in shuffled_alone(weight, 3, draws=4):
        order = torch.randperm(360, generator=generator).numpy()
        matrix = weight.numpy().flatten()[order].reshape(12, 30)
        assert found.numpy() == pytest.approx(np.linalg.svd(matrix)[1][::-1] ** 2, rel=1e-9)


@pytest.mark.parametrize(
    ("size", "draws", "taken"), [(20, 40, 40), (64, 40, 40), (128, 40, 20), (128, 4, 3), (128, 2, 2)]
)
def test_large_layers_are_shuffled_less_often(size, draws, taken):
    assert len(shuffled_alone(torch.randn(size, size, 1, 1), 0, draws=draws)) == taken


def test_the_spikes_are_a_mean_over_the_orders():
    spectra = (torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 5]))
    tops = ((0.5, 2.5, 9.0), (4.0, 4.0))
    shuffled = tuple(tuple(torch.tensor([0.1, top]) for top in each) for each in tops)
    counts = random_spikes((None, None), spectra, shuffled, smallest=1)
    assert float(ww_num_rand_spikes(counts)) == ((4 + 2 + 0) / 3 + 1) / 2


def test_the_distance_from_the_shuffled_spectrum(spiked, fit):
    noise = spiked.roots["model"][2]
    alone = fit(nn.Sequential(noise), torch.randn(4, 60), torch.arange(4))
    # Of noise it is that of one random matrix from another.
    other = np.linalg.svd(np.random.default_rng(0).normal(size=(30, 60)))[1] ** 2
    typical = jensenshannon(np.sort(other), spectra(spiked)[1])
    assert alone["ww_rand_distance"] < 3 * typical
    assert spiked["ww_rand_distance[smallest=40]"] > 10 * typical


def test_a_matrix_of_equal_entries_has_no_distance_from_itself_shuffled(fit):
    model = nn.Linear(12, 12, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.5)
    found = fit(model, torch.randn(4, 12), torch.arange(4))
    assert found["ww_rand_distance[smallest=1]"] == pytest.approx(0, abs=1e-7)
    assert found["ww_softrank[smallest=1]"] == pytest.approx(1)
    assert found.value("ww_entropy[smallest=1]").reason == "no layer has two eigenvalues"


def test_entropy_and_fit(spiked):
    entropies = [
        -sum(value / sum(each) * math.log(value / sum(each)) for value in each) / math.log(len(each))
        for each in spectra(spiked)
    ]
    assert spiked["ww_entropy"] == pytest.approx(sum(entropies) / 2, rel=1e-9)
    assert 0 < spiked["ww_D"] == spiked["ww_ks_distance"] < 1


def truncated_slowly(values):
    """The most likely exponent and rate, by an incomplete gamma function of many digits."""
    scaled = np.array(values) / values[0]
    logs, mean = float(np.log(scaled).mean()), float(scaled.mean())

    def loss(point):
        alpha, rate = point[0], math.exp(point[1])
        total = mpmath.log(mpmath.gammainc(1 - alpha, rate) * mpmath.mpf(rate) ** (alpha - 1))
        return float(total) + alpha * logs + rate * mean

    best = minimize(loss, (1.0, -1.0), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13})
    return best.x[0], math.exp(best.x[1]) / values[0]


def test_truncated_power_laws_agree_with_a_slow_fit():
    draw = np.random.default_rng(0)
    # Of a power law's sample, what an exponential lets pass.
    pareto = 3 * (1 - draw.random(4000)) ** (-1 / 0.8)
    kept = np.sort(pareto[draw.random(4000) < np.exp(-0.05 * (pareto - 3))])
    kept[0] = 3
    found = fit_truncated_power_law(torch.tensor(kept))
    alpha, rate = truncated_slowly(kept)
    assert (found.alpha, found.rate) == pytest.approx((alpha, rate), rel=1e-3)
    assert found.alpha == pytest.approx(1.8, abs=0.15)
    assert found.rate == pytest.approx(0.05, rel=0.2)


@pytest.mark.parametrize("rows", [8, 40])
def test_exponents_below_one_are_found(rows):
    # The whole spectrum of a random matrix: of no tail, and its density falls more slowly than 1/λ.
    matrix = np.random.default_rng(0).normal(size=(rows, 2 * rows))
    values = np.linalg.svd(matrix)[1][::-1] ** 2
    found = fit_truncated_power_law(torch.tensor(values.copy()))
    assert found.alpha < 1
    assert (found.alpha, found.rate) == pytest.approx(truncated_slowly(values), rel=1e-4)


def test_a_law_that_is_not_truncated_is_found_to_be_none():
    values = (1 - (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000) ** -0.5
    found = fit_truncated_power_law(values)
    assert found.rate < 5e-3
    assert found.alpha == pytest.approx(3.0, abs=0.05)


def test_rates_are_means_over_layers_with_enough_of_a_tail(spiked):
    assert spiked["etpl_lambda"] > 0
    found = spiked.value("etpl_lambda[tail=100]")
    assert found.status == "not_applicable"
    assert found.reason.startswith("no tail has 100 eigenvalues, the longest has")
