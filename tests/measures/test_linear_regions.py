"""Borders of linear pieces, against the places where the slope of the network changes."""

import itertools
import math

import pytest
import torch
from torch import nn

from genbench.models.polynomial_activation import PolynomialActivation


def crossings(start, stop, model):
    """Switches of the ReLUs of a network of two layers of them: exact, piece after piece."""
    first, second = model[0], model[2]
    point, direction = start.double(), (stop - start).double()
    w1, b1, w2, b2 = (p.detach() for p in (first.weight, first.bias, second.weight, second.bias))
    roots = (-(w1 @ point + b1) / (w1 @ direction)).tolist()
    inner = sorted(root for root in roots if 0 < root < 1)
    total = len(inner)
    edges = [0.0, *inner, 1.0]
    for left, right in itertools.pairwise(edges):
        ends = []
        for place in (left, right):
            hidden = (w1 @ (point + place * direction) + b1).clamp_min(0)
            ends.append(w2 @ hidden + b2)  # linear in between
        total += int(((ends[0] > 0) != (ends[1] > 0)).sum())
    return total


@pytest.fixture
def pieces(fit):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(inplace=True), nn.Linear(7, 3))
    return fit(model, 2 * torch.randn(12, 4), torch.arange(12) % 3)


def test_switches_are_counted(pieces):
    inputs, model = pieces.roots["inputs"], pieces.roots["model"]
    expected = [crossings(inputs[i], inputs[(i + 1) % 12], model) for i in range(12)]
    assert pieces["linear_regions[steps=20000]"] == pytest.approx(sum(expected) / 12, rel=1e-12)
    assert pieces["linear_regions"] <= sum(expected) / 12
    some = [0, 6, 11]
    expected = [crossings(inputs[i], inputs[j], model) for i, j in zip(some, [6, 11, 0], strict=True)]
    found = pieces["linear_regions[segments=3,steps=20000]"]
    assert found == pytest.approx(sum(expected) / 3, rel=1e-12)


def test_scaling_of_layers_leaves_the_pieces(fit, pieces):
    before = pieces["linear_regions"]
    with torch.no_grad():
        pieces.roots["model"][0].weight.mul_(4)
        pieces.roots["model"][0].bias.mul_(4)
        pieces.roots["model"][2].weight.div_(4)
    assert pieces["linear_regions"] == before


def test_low_quantiles_of_pre_activations(pieces):
    model, inputs = pieces.roots["model"], pieces.roots["inputs"]
    with torch.no_grad():
        one = model[0](inputs)
        two = model[2](one.clamp_min(0))
    expected = 0.0
    for values in (one, two):
        ordered = sorted(abs(value) for value in values.flatten().tolist())
        expected -= math.log(ordered[int(0.2 * len(ordered)) - 1])
    assert pieces["inverse_preactivation[quantile=0.2]"] == pytest.approx(expected, rel=1e-9)
    smallest = -sum(math.log(float(values.abs().min())) for values in (one, two))
    assert pieces["inverse_preactivation[quantile=0]"] == pytest.approx(smallest, rel=1e-9)


def test_chunks_change_nothing(pieces, monkeypatch):
    import genbench.networks.passes as sample

    names = ("linear_regions", "inverse_preactivation")
    before = [pieces[name] for name in names]
    monkeypatch.setitem(sample._CHUNK, "cpu", 400)
    assert [pieces[name] for name in names] == before


class Halves(nn.Module):
    """The larger of two units, as max-pooling takes it."""

    def forward(self, hidden):
        return hidden.reshape(-1, 2, 3).amax(1).repeat(1, 2)


@pytest.mark.parametrize(
    ("activation", "reason"),
    [
        (nn.Tanh(), "tanh"),
        (nn.GELU(), "GELU"),
        (nn.ELU(), "ELU"),
        (nn.LogSoftmax(1), "log-softmax"),
        (nn.Identity(), "no ReLUs"),
        (nn.Threshold(0.0, 0.0), "elsewhere than at ReLUs"),
        (nn.Sequential(nn.ReLU(), Halves()), "elsewhere than at ReLUs"),
        (nn.Sequential(nn.ReLU(), nn.Softshrink()), "elsewhere than at ReLUs"),
        (nn.Sequential(nn.ReLU(), PolynomialActivation()), "elsewhere than at ReLUs"),
    ],
)
def test_networks_without_pieces_are_refused(fit, activation, reason):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), activation, nn.Linear(6, 2))
    found = fit(model, torch.randn(9, 4), torch.arange(9) % 2)
    for name in ("linear_regions", "inverse_preactivation"):
        value = found.value(name)
        assert value.status == "not_applicable"
        assert reason in value.reason


def test_leaky_relus_have_pieces(fit):
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.LeakyReLU(), nn.Linear(1, 2))
    found = fit(model, torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 1]))
    assert found["linear_regions"] == 1.0


def test_a_segment_takes_two_examples(pieces):
    assert "two examples" in pieces.value("linear_regions[segments=1]").reason
    pieces.roots["inputs"], pieces.roots["targets"] = pieces.roots["inputs"][:1], torch.zeros(1).long()
    assert "two examples" in pieces.value("linear_regions").reason


def test_switches_that_no_output_sees_are_counted(pieces):
    before = pieces["linear_regions"]
    with torch.no_grad():
        pieces.roots["model"][4].weight.zero_()
    assert pieces["linear_regions"] == before > 0
