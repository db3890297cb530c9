"""Path norms against sums over explicitly listed paths."""

import itertools

import pytest
import torch
from torch import nn

import genbench
from genbench.probes.folding import folded_model
from genbench.probes.paths import squared_paths


def paths_of(model, shape, fold=True):
    return squared_paths(torch.zeros(3, *shape), folded_model(model.eval(), fold=fold), fold=fold)


def listed(weights, biases):
    """Every path from an input or a bias to an output, one by one."""
    total = 0.0
    sizes = [weights[0].shape[1], *(weight.shape[0] for weight in weights)]
    for path in itertools.product(*(range(size) for size in sizes)):
        product = 1.0
        for place, (source, target) in enumerate(itertools.pairwise(path)):
            product *= weights[place][target, source].item() ** 2
        total += product
    for start in range(len(weights)):
        for path in itertools.product(*(range(size) for size in sizes[start + 1 :])):
            product = biases[start][path[0]].item() ** 2
            for place, (source, target) in enumerate(itertools.pairwise(path), start=start + 1):
                product *= weights[place][target, source].item() ** 2
            total += product
    return total


def test_it_is_the_sum_over_all_paths_biases_included():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 3)).double()
    linear = [module for module in model if isinstance(module, nn.Linear)]
    expected = listed([each.weight for each in linear], [each.bias for each in linear])
    assert paths_of(model, (3,)).item() == pytest.approx(expected, rel=1e-10)


def test_it_is_invariant_to_rescaling_of_relu_units():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4)).double()
    before = paths_of(model, (5,))
    scale = torch.rand(6, dtype=torch.float64) * 10 + 0.1
    with torch.no_grad():
        model[0].weight.mul_(scale[:, None])
        model[0].bias.mul_(scale)
        model[2].weight.div_(scale)
    torch.testing.assert_close(paths_of(model, (5,)), before)


def test_folding_forward_moves_a_scale_that_no_path_sees():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).double()
    nn.init.normal_(model[1].weight)
    nn.init.normal_(model[1].bias)
    torch.testing.assert_close(paths_of(model, (4,)), paths_of(model, (4,), fold=False))


def test_deep_networks_do_not_overflow():
    model = nn.Sequential(*[layer for _ in range(60) for layer in (nn.Linear(8, 8, bias=False), nn.ReLU())])
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.constant_(module.weight, 5.0)
    # Each layer multiplies the sum by 8 · 25, from 8 inputs on; single precision ends at e^88.
    expected = torch.tensor(200.0, dtype=torch.float64).log() * 60 + torch.tensor(8.0).double().log()
    torch.testing.assert_close(paths_of(model, (8,)).log(), expected)


@pytest.mark.parametrize(
    ("model", "shape", "said"),
    [
        (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2)),
            (1, 8, 8),
            "max-pooling",
        ),
        (nn.Sequential(nn.Linear(4, 2), nn.Tanh()), (4,), "tanh"),
        (nn.Sequential(nn.Linear(4, 2), nn.GELU()), (4,), "GELU"),
        (nn.Sequential(nn.Linear(4, 2), nn.Sigmoid()), (4,), "sigmoid"),
        (nn.Sequential(nn.Linear(4, 2), nn.LayerNorm(2)), (4,), "layer norm"),
        (nn.Sequential(nn.Conv2d(2, 2, 3), nn.GroupNorm(1, 2), nn.Flatten()), (2, 4, 4), "group norm"),
        (nn.Sequential(nn.Conv2d(2, 2, 3), nn.InstanceNorm2d(2), nn.Flatten()), (2, 4, 4), "instance norm"),
        (nn.Sequential(nn.RNN(4, 2)), (4,), "recurrent"),
        (nn.Sequential(nn.Linear(4, 2), nn.ReLU6()), (4,), "ReLU6|hardtanh"),
    ],
)
def test_networks_through_which_a_sum_does_not_pass_are_refused(model, shape, said):
    with pytest.raises(genbench.NotApplicable, match=said):
        paths_of(model, shape)
