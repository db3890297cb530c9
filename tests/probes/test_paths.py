"""Path norms against sums over explicitly listed paths."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import genbench
from genbench.models.polynomial_activation import PolynomialActivation
from genbench.networks.linear_pieces import require_linear_pieces
from genbench.probes.layers import folded_model
from genbench.probes.paths import active_paths, linear_paths, squared_paths


def paths_of(model, shape, fold=True):
    return squared_paths(torch.zeros(3, *shape), folded_model(model.eval(), fold=fold))


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


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, inputs):
        return self.function(inputs)


def between_layers(function):
    torch.manual_seed(0)
    module = function if isinstance(function, nn.Module) else Apply(function)
    return nn.Sequential(nn.Linear(4, 6), module, nn.Linear(6, 3)).eval()


def signed_paths(model):
    return linear_paths(torch.zeros(2, 4), folded_model(model))


def open_paths(model, inputs=None):
    torch.manual_seed(1)
    inputs = torch.randn(5, 4) if inputs is None else inputs
    return active_paths(model, inputs, torch.device("cpu"), folded_model(model))


@pytest.mark.parametrize(
    "function",
    [
        PolynomialActivation(),
        lambda hidden: hidden.reshape(-1, 2, 3).amax(1).repeat(1, 2),
        lambda hidden: F.max_pool1d(hidden.unsqueeze(1), 3, 1, 1, return_indices=True)[0].squeeze(1),
        lambda hidden: F.lp_pool1d(hidden.unsqueeze(1), 2, 3, 1).squeeze(1).repeat(1, 2)[:, :6],
        lambda hidden: F.local_response_norm(hidden, 3),
        lambda hidden: F.glu(hidden.repeat(1, 2)),
        lambda hidden: -0.5 * hidden,
        F.softsign, F.normalize, F.softmin, F.tanhshrink, torch.exp, torch.square, torch.cos,
        nn.LogSoftmax(1),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_no_sum_over_paths(function):
    model = between_layers(function)
    for found in (lambda: paths_of(model, (4,)), lambda: open_paths(model)):
        with pytest.raises(genbench.NotApplicable, match="a sum over paths does not pass through"):
            found()


def test_a_logarithm_at_the_end_is_no_sum_over_paths():
    with pytest.raises(genbench.NotApplicable, match="log-softmax"):
        paths_of(nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(1)), (4,))


@pytest.mark.parametrize(
    "relu",
    [
        nn.Threshold(0.0, 0.0),
        lambda hidden: hidden.clamp(min=0),
        lambda hidden: torch.maximum(hidden, torch.zeros_like(hidden)),
        lambda hidden: torch.where(hidden > 0, hidden, torch.zeros_like(hidden)),
        torch.abs,
    ],
)
def test_a_relu_of_another_name_leaves_the_sum_and_hides_which_paths_are_open(relu):
    model, plain = between_layers(relu), between_layers(nn.ReLU())
    torch.testing.assert_close(paths_of(model, (4,)), paths_of(plain, (4,)))
    with pytest.raises(genbench.NotApplicable, match="without its ReLUs is not linear"):
        signed_paths(model)
    with pytest.raises(genbench.NotApplicable, match="bends elsewhere than at ReLUs"):
        open_paths(model)


@pytest.mark.parametrize(
    "relu",
    [nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(0.3), nn.LeakyReLU(2.0, inplace=True), nn.PReLU(6)],
)
def test_relus_that_are_held_leave_a_linear_network(relu):
    model = folded_model(between_layers(relu))
    require_linear_pieces(model, torch.randn(1, 4))


def test_a_relu_in_place_may_be_called_for_what_it_does_to_its_argument():
    def relu(hidden):
        hidden.relu_()
        return hidden

    require_linear_pieces(folded_model(between_layers(relu)), torch.randn(1, 4))


def test_matrix_without_relus_is_the_product_of_the_layers():
    model = between_layers(nn.ReLU())
    torch.testing.assert_close(signed_paths(model), model[2].weight.double() @ model[0].weight.double())


def chain(scale):
    weights = [nn.Linear(4, 4, bias=False) for _ in range(100)]
    for each in weights:
        nn.init.constant_(each.weight, scale)
    return nn.Sequential(*[layer for each in weights for layer in (each, nn.ReLU())])


def test_sums_beyond_double_precision_are_refused():
    # Each layer multiplies by 4 times the squared weight: e^±740 and beyond, where doubles end at e^±709.
    for scale, said in ((1e-3, "no layer is zero"), (1e3, "leaves the range")):
        with pytest.raises(genbench.NotApplicable, match=said):
            paths_of(chain(scale), (4,))
        with pytest.raises(genbench.NotApplicable, match=said):
            open_paths(chain(scale))


def test_the_sum_is_zero_where_a_layer_is():
    model = between_layers(nn.ReLU())
    with torch.no_grad():
        for parameter in model[2].parameters():
            parameter.zero_()
    assert paths_of(model, (4,)) == 0


def test_no_path_starts_at_an_index():
    model = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(8, 3)).eval()
    inputs = torch.zeros(5, 2, dtype=torch.long)
    for found in (squared_paths, linear_paths):
        with pytest.raises(genbench.NotApplicable, match=r"no path starts at inputs of type torch\.int64"):
            found(inputs, folded_model(model))
    with pytest.raises(genbench.NotApplicable, match=r"no path starts at inputs of type torch\.int64"):
        open_paths(model, inputs)
