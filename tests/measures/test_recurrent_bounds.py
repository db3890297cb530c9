"""The surrogate bound of a recurrent network against one written out step by step."""

import math

import pytest
import torch
from torch import nn

import genbench
from genbench.models.rnn import rnn
from genbench.probes.unrolled import unrolled

TASK = genbench.Task("classification", (5, 3), 3)


def labelled(fit, model, count=7):
    """Labels that the network gives itself, so that all margins are positive."""
    inputs = torch.randn(count, 5, 3, dtype=torch.float64)
    with torch.no_grad():
        return fit(model, inputs, model.double()(inputs).argmax(1))


def test_an_elman_network_step_by_step(fit):
    torch.manual_seed(0)
    model = rnn(TASK, cell="elman", width=4)
    found = labelled(fit, model)
    layer = model.encoder.layer1
    enter, recur, last = (each.weight.detach() for each in (layer.input, layer.recurrent, model.classifier))
    shift = (layer.input.bias + layer.recurrent.bias).detach()
    sigma = largest = 1.0
    margins = []
    for sequence in found.roots["inputs"]:
        hidden, slopes = torch.zeros(4, dtype=torch.float64), []
        for step in sequence:
            hidden = torch.tanh(enter @ step + recur @ hidden + shift)
            slopes.append(torch.diag(1 - hidden**2) @ recur)
            largest = max(largest, hidden.norm().item(), step.norm().item())
        for start in range(5):
            product = torch.eye(4, dtype=torch.float64)
            for late in range(start + 1, 5):
                product = slopes[late] @ product
                sigma = max(sigma, torch.linalg.svdvals(product)[0].item())
            sigma = max(sigma, torch.linalg.svdvals(last @ product)[0].item())
        outputs = sorted((last @ hidden + model.classifier.bias.detach()).tolist())
        margins.append(outputs[-1] - outputs[-2])
    both = torch.cat([enter, recur], 1)
    matrices, r = [both] * 5 + [last], 6
    units = sum(sum(math.hypot(*row) for row in each.tolist()) ** (2 / 3) for each in matrices)
    entries = sum(sum(abs(x) for row in each.tolist() for x in row) ** (2 / 3) for each in matrices)
    first = (sigma / min(margins) + r**3 * sigma**2) * largest * (1 + units) ** 1.5
    second = r**2 * sigma * (1 + entries) ** 1.5
    expected = math.log((first + second) / math.sqrt(7) + r * math.sqrt(math.log(20) / 7))
    assert found["rnn_lipaug_bound[places=5]"] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_jacobians_are_exact_whatever_the_start_of_their_search(seed):
    """Singular values that lie close together are told apart."""
    torch.manual_seed(0)
    model = rnn(TASK, cell="elman", width=12).double()
    inputs = torch.randn(3, 5, 3, dtype=torch.float64)
    layer = model.encoder.layer1
    recur, last = layer.recurrent.weight, model.classifier.weight
    with torch.no_grad():
        layer.input.weight.mul_(1e-3)
        for bias in (layer.input.bias, layer.recurrent.bias):
            bias.zero_()
        nn.init.orthogonal_(recur)
        recur.mul_(torch.linspace(1.2, 1.1, 12))
        last.mul_(1e-3)
        found = unrolled(
            inputs, torch.device("cpu"), torch.Generator().manual_seed(seed), model, places=2, examples=3
        )
        sigma = 0.0
        for sequence in inputs:
            hidden, product = torch.zeros(12, dtype=torch.float64), torch.eye(12, dtype=torch.float64)
            for place, step in enumerate(sequence):
                hidden = torch.tanh(layer.input.weight @ step + recur @ hidden)
                if place:
                    product = torch.diag(1 - hidden**2) @ recur @ product
            sigma = max(sigma, torch.linalg.svdvals(product)[0].item())
    assert found.sigma == pytest.approx(sigma, rel=1e-9)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_gated_cells_of_two_layers_have_a_value(fit, cell):
    torch.manual_seed(0)
    found = labelled(fit, rnn(TASK, cell=cell, width=4, depth=2))
    few, all_ = found["rnn_lipaug_bound[places=2]"], found["rnn_lipaug_bound[places=5]"]
    assert math.isfinite(few)
    assert few <= all_


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(15, 3)), "the network has no recurrent layer"),
        (
            nn.Sequential(rnn(TASK, width=4), nn.Linear(3, 3)),
            "the network is more than recurrent layers and one linear layer",
        ),
    ],
)
def test_other_networks_have_none(fit, model, reason):
    assert labelled(fit, model).value("rnn_lipaug_bound").reason == reason
