"""Bounds by products of norms, written out layer by layer."""

import math

import pytest
import torch
from torch import nn


@pytest.fixture
def pictures(fit):
    """A convolution of kernels 3 × 3 and a linear layer on images of side 4, and another such as initial one."""
    torch.manual_seed(0)
    model, initial = (
        nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))
        for _ in range(2)
    )
    return fit(model, torch.randn(20, 2, 4, 4), torch.arange(20) % 3, initial_model=initial.double())


def matrices(model):
    return [model[0].weight.detach().flatten(1), model[3].weight.detach()]


@pytest.mark.parametrize("name", ["spec_init", "spec_orig"])
def test_margin_bounds(pictures, name):
    now, then = (matrices(pictures.roots[each]) for each in ("model", "initial_model"))
    sigmas = [torch.linalg.svdvals(each)[0].item() for each in now]
    moved = [a - b for a, b in zip(now, then, strict=True)] if name == "spec_init" else now
    ranks = sum((torch.linalg.norm(a).item() / s) ** 2 for a, s in zip(moved, sigmas, strict=True))
    gamma2 = 1 / pictures["inverse_margin"]
    largest = max(math.sqrt(sum(x**2 for x in each.flatten().tolist())) for each in pictures.roots["inputs"])
    factor = 84 * largest * (3 * math.sqrt(3) + math.sqrt(3)) + math.sqrt(math.log(4 * 16 * 2))
    main = math.prod(s**2 for s in sigmas) * ranks / gamma2
    rest = math.log(20 / 0.01) / gamma2
    with torch.no_grad():
        outputs = pictures.roots["model"](pictures.roots["inputs"]).tolist()
    margins = [
        row[place % 3] - max(row[: place % 3] + row[place % 3 + 1 :]) for place, row in enumerate(outputs)
    ]
    errors = sum(margin <= math.sqrt(gamma2) + 1e-12 for margin in margins) / 20
    assert errors > 0.1  # γ is the size of a negative margin
    theorem = errors + math.sqrt((factor**2 * main + rest) / 20)
    program = 0.1 + math.sqrt(factor * main / 20 + rest)
    assert pictures[f"{name}[kernel=reshaped]"] == pytest.approx(theorem, rel=1e-8)
    assert pictures[f"{name}[kernel=reshaped,form=program]"] == pytest.approx(program, rel=1e-8)
    assert pictures[f"{name}[margin_sign=signed]"] == math.inf


def test_rademacher_complexity_by_norms(small_fit, weights):
    rho = math.prod(torch.linalg.norm(each).item() for each in weights[0])
    length = math.sqrt(sum(x**2 for x in small_fit.roots["inputs"].flatten().tolist()))
    expected = math.log(rho * (math.sqrt(2 * math.log(2) * 3) + 1) * length / 40)
    assert small_fit["log_rademacher"] == pytest.approx(expected, rel=1e-10)
    assert small_fit["prod_fro_norm"] == pytest.approx(rho, rel=1e-10)
    assert small_fit["prod_fro_norm[log=true]"] == pytest.approx(math.log(rho), rel=1e-10)


@pytest.mark.parametrize("norm", ["frobenius", "l1"])
def test_the_first_bias_is_the_weight_of_an_input_that_is_always_one(fit, norm):
    torch.manual_seed(0)
    biased, plain = (
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False)),
        nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False)),
    )
    with torch.no_grad():
        plain[0].weight.copy_(torch.cat([biased[0].weight, biased[0].bias[:, None]], 1))
        plain[2].weight.copy_(biased[2].weight)
    inputs, targets = torch.randn(10, 3) / 10, torch.arange(10) % 2
    longer = torch.cat([inputs, torch.ones(10, 1)], 1)
    spelling = f"log_rademacher[norm={norm}]"
    assert fit(biased, inputs, targets)[spelling] == pytest.approx(fit(plain, longer, targets)[spelling])
    without = fit(biased, inputs, targets)[f"log_rademacher[norm={norm},first_bias=false]"]
    plain[0].weight.data[:, 3] = 0
    longer[:, 3] = 0
    assert without == pytest.approx(fit(plain, longer, targets)[spelling])


def test_the_bound_is_above_the_complexity_of_random_signs(small_fit):
    # Of the networks of one shape and product of norms, random ones fit random signs no better than the bound.
    generator = torch.Generator().manual_seed(0)
    inputs, sizes = small_fit.roots["inputs"], [(8, 6), (5, 8), (1, 5)]
    signs = torch.randint(0, 2, (40,), generator=generator).double() * 2 - 1
    best = 0.0
    for _ in range(300):
        hidden = inputs
        for place, size in enumerate(sizes):
            weight = torch.randn(size, generator=generator, dtype=torch.float64)
            hidden = hidden @ (weight / weight.norm()).T
            hidden = hidden.relu() if place < 2 else hidden
        best = max(best, abs((signs @ hidden[:, 0]).item()) / 40)
    assert math.log(best) < small_fit["log_rademacher"] - small_fit["prod_fro_norm[log=true]"]


def test_signed_margins_leave_a_bound_where_all_are_right(fit):
    model = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(2 * torch.eye(3))
    found = fit(model, torch.eye(3), torch.arange(3))
    assert found["spec_orig[margin_sign=signed]"] == found["spec_orig"] < math.inf


def test_the_product_of_spectral_norms_bounds_every_jacobian(small_fit, weights):
    product = math.prod(torch.linalg.svdvals(each)[0].item() for each in weights[0])
    assert small_fit["lipschitz_upper"] == pytest.approx(product, rel=1e-8)
    assert small_fit["lipschitz_lower"] <= product


@pytest.mark.parametrize("name", ["log_rademacher", "spec_orig"])
def test_a_network_that_is_one_layer(fit, name):
    torch.manual_seed(0)
    alone, wrapped = nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3))
    wrapped[0].load_state_dict(alone.state_dict())
    inputs, targets = torch.randn(9, 3), torch.arange(9) % 3
    assert fit(alone, inputs, targets)[name] == fit(wrapped, inputs, targets)[name]


def test_no_margin_bound_of_zero_weights(fit):
    model = nn.Linear(3, 3)
    nn.init.zeros_(model.weight)
    assert "all zero" in fit(model, torch.eye(3), torch.arange(3)).value("spec_orig").reason
