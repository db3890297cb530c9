"""What WeightWatcher 0.7.7 prints, derived again, and by the program itself where it is installed."""

import contextlib
import io
import logging
import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KernelDensity
from torch import nn

from genbench.networks.layers import Layer
from genbench.probes.bulk_density import density_edge
from genbench.probes.eigenvalues import fit_power_law
from genbench.probes.random_matrices import random_spikes

# The names of the program's columns, of those that chance does not move.
COLUMNS = {
    "ww_alpha": "alpha",
    "ww_alpha_weighted": "alpha_weighted",
    "ww_ks_distance": "D",
    "ww_log_alpha_norm": "log_alpha_norm",
    "ww_log_norm": "log_norm",
    "ww_log_spectral_norm": "log_spectral_norm",
    "ww_stable_rank": "stable_rank",
    "ww_mp_softrank": "mp_softrank",
    "ww_num_spikes": "num_spikes",
    "ww_entropy": "entropy",
}
DRAWN = {"ww_softrank": "ww_softrank", "ww_maxdist": "ww_maxdist", "ww_rand_distance": "rand_distance"}


def spiked(weight):
    """A weight with a few directions that stand out."""
    with torch.no_grad():
        strengths = torch.tensor([3.0, 1.5, 0.7]) / math.sqrt(weight.shape[0] * weight.shape[1])
        added = (torch.randn(weight.shape[0], 3) * strengths) @ torch.randn(3, weight.shape[1])
        weight += added if weight.ndim == 2 else added[..., None, None] * torch.randn(weight.shape[2:])


def network(*layers):
    torch.manual_seed(0)
    model = nn.Sequential(*layers)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            spiked(parameter)
    return model


def dense():
    return network(
        nn.Linear(64, 90),
        nn.ReLU(),
        nn.Linear(90, 90),
        nn.ReLU(),
        nn.Linear(90, 40),
        nn.ReLU(),
        nn.Linear(40, 10),
    )


def convolutional():
    return network(
        nn.Conv2d(3, 12, 3), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 9),
    )  # fmt: skip


CASES = {"dense": (dense, (64,)), "convolutional": (convolutional, (3, 8, 8))}


@pytest.fixture(params=CASES)
def networks(request, fit):
    build, shape = CASES[request.param]
    model = build()
    return model, fit(model, torch.randn(9, *shape), torch.arange(9))


def spectra(model):
    """Of each layer N, M and the eigenvalues of all places of its kernel, scaled as the program scales them."""
    for parameter in model.parameters():
        if parameter.ndim < 2:
            continue
        weight = parameter.detach().double().numpy()
        slices = weight.reshape(*weight.shape[:2], -1)
        scale = 1.0 if weight.ndim == 2 else 0.5
        values = [np.linalg.svd(slices[..., place])[1] ** 2 * scale for place in range(slices.shape[2])]
        yield max(weight.shape[:2]), min(weight.shape[:2]), np.sort(np.concatenate(values))


def program_law(values):
    """Distance and exponent: tails of eight, and exponents without bias, where there are fewer than 20."""
    few = len(values) < 20
    tried = []
    for start in range(len(values) - (7 if few else 1)):
        tail = [value / values[start] for value in values[start:]]
        alpha = 1 + (len(tail) - few) / sum(map(math.log, tail))
        steps = [abs(1 - value ** (1 - alpha) - place / len(tail)) for place, value in enumerate(tail)]
        tried.append((max(steps), alpha))
    return min(tried)


def test_scales_and_power_laws_of_the_program(networks):
    model, found = networks
    layers = [values for _, _, values in spectra(model)]
    laws = [program_law(values) for values in layers]
    expected = {
        "ww_log_norm": [math.log10(values.sum()) for values in layers],
        "ww_log_spectral_norm": [math.log10(values[-1]) for values in layers],
        "ww_alpha": [alpha for _, alpha in laws],
        "ww_ks_distance": [distance for distance, _ in laws],
        "ww_log_alpha_norm": [
            math.log10((values ** law[1]).sum()) for values, law in zip(layers, laws, strict=True)
        ],
    }
    for name, values in expected.items():
        assert found[f"{name}[form=program,smallest=8]"] == pytest.approx(np.mean(values), rel=1e-9)


def test_short_spectra_have_no_exponents_of_chance():
    # Two eigenvalues close to each other at the top: the tail of two fits best, and says nothing.
    values = torch.cat([torch.linspace(1, 1.008, 9), torch.tensor([90.0, 99, 100, 100.01])]).double()
    assert fit_power_law(values).alpha > 100
    assert fit_power_law(values, "program").alpha == pytest.approx(program_law(values.tolist())[1])
    assert fit_power_law(values[:5], "program").smallest == 1


def misfit_slowly(values, longer, shorter):
    """By how much a law of a deviation differs from the density that a library's kernel gives."""
    read = np.sqrt(values) if longer == shorter else values
    grid = np.linspace(0, read.max() + 0.5, 1000)
    kernels = KernelDensity(kernel="linear", bandwidth=0.1).fit(read[:, None])
    density = np.exp(kernels.score_samples(grid[:, None]))
    grid, density = grid[density > 0.01], density[density > 0.01]
    ratio = longer / shorter

    def misfit(deviation):
        low, high = (deviation * (1 - ratio**-0.5)) ** 2, (deviation * (1 + ratio**-0.5)) ** 2
        if ratio > 1 and not low <= grid[density.argmax()] <= high <= grid[-1]:
            return math.inf
        law = np.zeros_like(grid)
        for place, point in enumerate(grid):
            if longer == shorter:
                law[place] = math.sqrt(max(0, 4 - point**2)) / (math.pi * deviation**2)
            elif low < point < high:
                law[place] = (
                    ratio * math.sqrt((high - point) * (point - low)) / (2 * math.pi * deviation**2 * point)
                )
        return ((law - density) ** 2).sum()

    return misfit


def test_no_law_is_nearer_to_the_density_than_the_bulk_of_the_program(networks):
    model, found = networks
    edges, spikes = [], []
    for longer, shorter, values in spectra(model):
        mean = values.mean()
        edge, _ = density_edge(torch.tensor(values), longer, shorter)
        deviation = math.sqrt(edge / mean) / (1 + math.sqrt(shorter / longer))
        misfit = misfit_slowly(values / mean, longer, shorter)
        highest = math.sqrt(values[-1] / mean) / (1 + math.sqrt(shorter / longer))
        assert misfit(deviation) <= min(misfit(highest * place / 100) for place in range(5, 200, 2)) + 1e-9
        edges.append(edge / values[-1])
        margin = math.sqrt(math.sqrt(shorter / longer) * (edge / mean / shorter) ** (2 / 3))
        spikes.append(sum(values / mean > edge / mean + margin))
    assert found["ww_mp_softrank[form=program,smallest=8]"] == pytest.approx(np.mean(edges), rel=1e-6)
    assert found["ww_num_spikes[form=program,smallest=8]"] == pytest.approx(np.mean(spikes))


def test_the_density_of_a_random_matrix_ends_where_its_law_does():
    torch.manual_seed(0)
    values = torch.linalg.svdvals(torch.randn(300, 900, dtype=torch.float64)).square()
    edge, spikes = density_edge(values, 900, 300)
    assert edge == pytest.approx((math.sqrt(900) + math.sqrt(300)) ** 2, rel=0.05)
    assert spikes == 0


def test_a_kernels_places_are_shuffled_by_themselves(fit):
    # All weights of a place are the same, so that their order is of no account.
    model = nn.Sequential(nn.Conv2d(8, 8, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.arange(1.0, 10).reshape(3, 3).expand(8, 8, 3, 3))
    found = fit(model, torch.randn(8, 8, 5, 5), torch.arange(8))
    assert found["ww_softrank[form=program,smallest=1]"] == pytest.approx(1)
    assert found["ww_softrank[smallest=1]"] != pytest.approx(1, rel=0.1)


def test_spikes_of_shuffled_layers_are_of_five_orders_together():
    layer = Layer("only.weight", torch.zeros(12, 20, 1, dtype=torch.float64), None, None, "only")
    generator = torch.Generator().manual_seed(0)
    orders = tuple(
        torch.linalg.svdvals(torch.randn(12, 20, generator=generator, dtype=torch.float64))
        .square()
        .sort()
        .values
        for _ in range(7)
    )
    orders[0][-1] *= 9
    expected = [density_edge(torch.cat(each), 20, 12)[1] for each in (orders[:5], orders[5:])]
    assert expected == [1, 0]
    assert random_spikes((layer,), (orders[1],), (orders,), form="program").tolist() == [0.5]


def test_numbers_of_the_program_itself(networks):
    weightwatcher = pytest.importorskip("weightwatcher", reason="weightwatcher is not installed")
    logging.getLogger("weightwatcher").setLevel(logging.CRITICAL)
    model, found = networks
    np.random.seed(0)  # noqa: NPY002, the generator that the program draws from
    with contextlib.redirect_stdout(io.StringIO()):
        details = weightwatcher.WeightWatcher(model=model).analyze(
            min_evals=8, mp_fit=True, randomize=True, plot=False, savefig=False
        )
    for name, column in COLUMNS.items():
        assert found[f"{name}[form=program,smallest=8]"] == pytest.approx(details[column].mean(), rel=1e-5), (
            name
        )
    for name, column in DRAWN.items():
        assert found[f"{name}[form=program,smallest=8]"] == pytest.approx(details[column].mean(), rel=0.2), (
            name
        )
