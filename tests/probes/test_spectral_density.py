"""The density of a spectrum against the eigenvalues of dense matrices."""

import math

import pytest
import torch
from torch import nn

import genbench
from genbench.networks.hessian import Hessian
from genbench.networks.lanczos import lanczos
from genbench.probes.curvature import hessian_krylov
from genbench.probes.layers import folded_model
from genbench.probes.objective import objective
from genbench.probes.spectral_density import Density, hessian_density


@pytest.fixture
def fitted():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    inputs, targets = torch.randn(40, 4, dtype=torch.float64), torch.arange(40) % 3
    task = genbench.Task("classification", (4,), 3)
    with torch.no_grad():
        copied = folded_model(model, fold=False)
        return objective(model, inputs, targets, task, torch.device("cpu"), copied, fold=False)


@pytest.fixture
def dense(fitted):
    with torch.no_grad():
        hessian = Hessian(fitted)
        return torch.stack([hessian.product(row) for row in torch.eye(51, dtype=torch.float64)])


def test_quadrature_is_exact_for_polynomials(dense):
    start = torch.randn(51, dtype=torch.float64)
    space = lanczos(lambda vector: dense @ vector, start, 4, torch.Generator())
    nodes, vectors = torch.linalg.eigh(space.projected)
    unit = start / start.norm()
    for degree in range(8):
        expected = float(unit @ torch.linalg.matrix_power(dense, degree) @ unit)
        assert float(vectors[0].square() @ nodes**degree) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_a_space_that_is_continued_is_the_longer_one(dense):
    start = torch.randn(51, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator()
    longer = lanczos(lambda vector: dense @ vector, start, 12, generator)
    shorter = lanczos(lambda vector: dense @ vector, start, 5, generator)
    products = []

    def counted(vector):
        products.append(vector)
        return dense @ vector

    found = lanczos(counted, torch.zeros_like(start), 12, generator, shorter)
    assert len(products) == 8
    torch.testing.assert_close(found.values, longer.values)
    torch.testing.assert_close(found.basis, longer.basis)
    assert len(lanczos(counted, start, 5, generator, shorter).values) == 5


def test_moments_of_the_density(fitted, dense):
    with torch.no_grad():
        krylov = hessian_krylov(torch.Generator(), fitted, steps=15)
        density = hessian_density(torch.Generator(), fitted, krylov, tuple(range(400)), points=5)
    values = torch.linalg.eigvalsh(dense)
    assert float(density.masses.sum()) == pytest.approx(1)
    for degree in (1, 2):
        expected = float((values**degree).mean())
        assert float(density.masses @ density.values**degree) == pytest.approx(expected, rel=0.05)


def test_the_whole_spectrum_is_its_own_density(fitted, dense):
    with torch.no_grad():
        krylov = hessian_krylov(torch.Generator(), fitted, steps=60)
        density = hessian_density(torch.Generator(), fitted, krylov, (1, 2))
    torch.testing.assert_close(density.values, torch.linalg.eigvalsh(dense).flip(0), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(density.masses, torch.full((51,), 1 / 51, dtype=torch.float64))


def test_the_density_at_points():
    density = Density(torch.tensor([0.0, 2.0]).double(), torch.tensor([0.75, 0.25]).double(), 8)
    assert density.total(density.values**2).item() == 8
    expected = (0.75 * math.exp(-0.5) + 0.25 * math.exp(-4.5)) / (0.5 * math.sqrt(2 * math.pi))
    assert density.at(torch.tensor([0.5]), 0.5).item() == pytest.approx(expected)
    grid = torch.linspace(-5, 7, 1201)
    assert density.at(grid, 0.5).sum().item() * 0.01 == pytest.approx(1, rel=1e-6)
