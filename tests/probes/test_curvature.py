"""Krylov spaces of the Hessian against the dense matrix."""

import pytest
import torch
from torch import nn

import genbench
from genbench.networks import hessian
from genbench.networks.passes import chunks
from genbench.probes.curvature import hessian_krylov, hessian_remainder
from genbench.probes.layers import folded_model
from genbench.probes.objective import objective
from genbench.probes.perturbation import normal_direction


def objective_of(model, inputs, targets, kind="classification"):
    task = genbench.Task(kind, tuple(inputs.shape[1:]), model(inputs[:1]).shape[1])
    with torch.no_grad():
        copied = folded_model(model, fold=False)
        return objective(model, inputs, targets, task, torch.device("cpu"), copied, fold=False)


def dense_hessian(found):
    def loss(weights):
        return torch.cat(list(found.losses(weights))).mean()

    return torch.func.hessian(loss)(found.weights)


def network(width=6):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 3)).double()
    inputs, targets = torch.randn(40, 4, dtype=torch.float64), torch.arange(40) % 3
    return objective_of(model, inputs, targets)


def krylov_of(found, steps):
    with torch.no_grad():
        return hessian_krylov(torch.Generator().manual_seed(0), found, steps=steps)


@pytest.mark.parametrize("kept", [2**30, 10_000, 0], ids=["all graphs kept", "some", "one"])
def test_products_are_those_of_the_dense_matrix(monkeypatch, kept):
    found = network()
    dense = dense_hessian(found)
    vector = torch.randn(len(found.weights), dtype=torch.float64)
    monkeypatch.setitem(chunks.__globals__["_CHUNK"], "cpu", 100)
    monkeypatch.setattr(hessian, "_KEPT", kept)
    ends = torch.tensor([shape.numel() for shape in found.shapes]).cumsum(0).tolist()
    with torch.no_grad():
        whole = hessian.Hessian(found)
        blocks = hessian.Hessian(found, [[0], [1, 3]])
        first, others = torch.arange(ends[0]), torch.arange(ends[3])
        others = others[((others >= ends[0]) & (others < ends[1])) | (others >= ends[2])]
        for _ in range(2):
            torch.testing.assert_close(whole.product(vector), dense @ vector)
            for block, places in enumerate([first, others]):
                expected = dense[places][:, places] @ vector[places]
                torch.testing.assert_close(blocks.product(vector[places], block), expected)
    assert (len(whole._kept) == len(whole._parts)) == (kept == 2**30)


def test_a_whole_space_has_all_eigenvalues():
    found = network()
    expected = torch.linalg.eigvalsh(dense_hessian(found)).flip(0)
    krylov = krylov_of(found, 1000)
    torch.testing.assert_close(krylov.values, expected, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(krylov.basis @ krylov.basis.T, torch.eye(51, dtype=torch.float64))


def test_the_largest_eigenvalues_are_there_after_few_steps():
    found = network(width=40)
    expected = torch.linalg.eigvalsh(dense_hessian(found)).flip(0)
    torch.testing.assert_close(krylov_of(found, 30).values[:5], expected[:5], rtol=1e-6, atol=0)


def test_a_space_that_closes_is_continued():
    # Orthonormal inputs: every eigenvalue is the same, and the first vector spans a closed space.
    inputs = torch.eye(6, dtype=torch.float64)
    model = nn.Linear(6, 1, bias=False).double()
    found = objective_of(model, inputs, torch.zeros(6, 1, dtype=torch.float64), "regression")
    torch.testing.assert_close(
        krylov_of(found, 6).values, torch.full((6,), 2 / 6, dtype=torch.float64), rtol=1e-9, atol=0
    )


def test_linear_regression():
    torch.manual_seed(0)
    inputs = torch.randn(200, 4, dtype=torch.float64)
    model, targets = nn.Linear(4, 1, bias=False).double(), torch.randn(200, 1, dtype=torch.float64)
    found = objective_of(model, inputs, targets, "regression")
    expected = torch.linalg.eigvalsh(2 * inputs.T @ inputs / 200).flip(0)
    torch.testing.assert_close(krylov_of(found, 30).values, expected)


def test_the_trace_of_the_remainder_is_that_of_what_the_space_leaves():
    found = network(width=20)
    dense = dense_hessian(found)
    krylov = krylov_of(found, 8)
    projection = torch.eye(len(dense), dtype=torch.float64) - krylov.basis.T @ krylov.basis
    rest = projection @ dense @ projection
    signs = [normal_direction(seed, found.weights).sign() for seed in range(5)]
    with torch.no_grad():
        estimate = hessian_remainder(found, krylov, tuple(range(5)))
        none = hessian_remainder(found, krylov_of(found, 1000), (1, 2))
    assert estimate == pytest.approx(sum(float(z @ rest @ z) for z in signs) / 5, rel=1e-6)
    assert none == pytest.approx(0, abs=1e-9)
