"""Networks of the papers: their published parameter counts, and their parts against slow formulas."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import genbench
from genbench.models.alexnet import ResponseNorm, pooled_flat, small_alexnet
from genbench.models.flattened_convnets import all_convolutional, five_layer_convnet, three_layer_convnet
from genbench.models.inception import shift_batch_norm, small_inception
from genbench.models.mlp import mlp
from genbench.models.network_in_network import network_in_network
from genbench.models.polynomial_activation import PolynomialActivation, relu_coefficients
from genbench.models.residual_mlp import residual_mlp
from genbench.models.wide_resnet import wide_resnet
from genbench.networks.roles import module_roles

CIFAR = genbench.Task("classification", (3, 32, 32), 10)
CROPS = genbench.Task("classification", (3, 28, 28), 10)
MNIST = genbench.Task("classification", (1, 28, 28), 10)
CURVE = genbench.Task("regression", (1,), 1)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("build", "task", "settings", "count"),
    [
        (mlp, CROPS, {"depth": 1, "width": 512}, 1_209_866),
        (small_alexnet, CROPS, {}, 1_387_786),
        (small_inception, CROPS, {}, 1_649_402),
        (small_inception, CROPS, {"normalization": "none"}, 1_649_402),
        (wide_resnet, CROPS, {"depth": 40, "widen_factor": 4}, 8_949_210),
        (all_convolutional, CIFAR, {}, 9_370),
        (all_convolutional, CIFAR, {"activation": "polynomial"}, 9_370),
        (three_layer_convnet, CIFAR, {}, 154_464),
        (three_layer_convnet, MNIST, {"width": 34}, 165_784),
        (three_layer_convnet, CIFAR, {"width": 64, "stride": 2, "padding": 2, "biases": "none"}, 148_160),
        (residual_mlp, CURVE, {}, 36_160),
        (residual_mlp, CURVE, {"skip": 7}, 36_160),
        (residual_mlp, CURVE, {"depth": 1, "width": 11_999, "skip": 0}, 35_998),
    ],
)
def test_published_number_of_parameters(build, task, settings, count):
    assert parameters(build(task, **settings)) == count


@pytest.mark.parametrize(
    ("build", "task", "settings", "published", "count"),
    [
        (five_layer_convnet, CIFAR, {}, 188_810, 193_194),
        (residual_mlp, CURVE, {"depth": 7, "width": 76, "skip": 0}, 35_989, 35_341),
        (residual_mlp, CURVE, {"depth": 7, "width": 77, "skip": 0}, 35_989, 36_268),
    ],
)
def test_counts_that_cannot_be_met_are_near(build, task, settings, published, count):
    assert parameters(build(task, **settings)) == count
    assert abs(count / published - 1) < 0.025


def test_the_kernels_of_the_all_convolutional_network_are_those_with_its_count():
    """Kernels of odd size that do not grow behind the first, and the map left for the last one."""
    found = []
    for first in (1, 3, 5, 7):
        for second, third, fourth in ((5, 3, 1), (3, 3, 3), (3, 3, 1), (3, 1, 1), (5, 5, 5), (5, 5, 3),
                                      (5, 5, 1), (5, 3, 3), (5, 1, 1), (1, 1, 1)):  # fmt: skip
            filters = 3 * first**2 + 16 * (second**2 + third**2 + fourth**2) + 4
            found += [
                (first, second, third, fourth, side)
                for side in range(1, 33)
                if 16 * filters + 10 * (16 * side**2 + 1) == 9_370
            ]
    assert found == [(3, 3, 3, 1, 5)]
    layers = [each for each in all_convolutional(CIFAR).encoder.modules() if isinstance(each, nn.Conv2d)]
    assert [each.kernel_size[0] for each in layers] == [3, 3, 3, 1]
    assert all_convolutional(CIFAR).classifier.in_features == 16 * 5**2


@pytest.mark.parametrize("side", range(7, 40))
def test_the_all_convolutional_network_fits_every_image(side):
    task = genbench.Task("classification", (1, side, side + 3), 4)
    assert all_convolutional(task, width=2)(torch.randn(2, 1, side, side + 3)).shape == (2, 4)


@pytest.mark.parametrize(
    ("build", "side"), [(all_convolutional, 6), (three_layer_convnet, 8), (five_layer_convnet, 6)]
)
def test_too_small_images_are_refused_when_building(build, side):
    with pytest.raises(genbench.InvalidInput, match=f"images of {side} x {side} pixels are too small"):
        build(genbench.Task("classification", (1, side, side), 3))


def test_the_three_layer_network_is_homogeneous_in_what_follows_the_first_layer():
    torch.manual_seed(0)
    model, images = three_layer_convnet(MNIST, width=4), torch.randn(3, 1, 28, 28)
    outputs = model(images)
    with torch.no_grad():
        model.encoder.layer2.convolution.weight *= 3
        model.classifier.weight /= 2
    torch.testing.assert_close(model(images), 1.5 * outputs)
    assert [name for name, _ in model.named_parameters() if "bias" in name] == [
        "encoder.layer1.convolution.bias"
    ]


def test_alexnet_normalizes_as_the_network_of_tensorflow():
    """b = a / (1 + 0.001/9 · Σ a²)^0.75 over four channels on each side."""
    maps = 20 * torch.randn(2, 12, 3, 3, dtype=torch.float64)
    expected = torch.empty_like(maps)
    for channel in range(12):
        near = maps[:, max(0, channel - 4) : channel + 5].square().sum(1)
        expected[:, channel] = maps[:, channel] / (1 + 0.001 / 9 * near) ** 0.75
    model = small_alexnet(MNIST, width=12)
    torch.testing.assert_close(model.encoder.layer1.normalization(maps), expected)
    assert module_roles(model)["normalizations"] == [
        f"encoder.layer{index}.normalization" for index in (1, 2)
    ]


def test_inception_blocks_put_channels_side_by_side():
    model = small_inception(CROPS)
    maps, seen = torch.randn(2, 3, 28, 28), []
    for name in module_roles(model)["block_outputs"]:
        model.get_submodule(name).register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:3])))
    model(maps)
    channels = [64, 80, 160, 160, 160, 160, 144, 240, 336, 336]
    assert seen == list(zip(channels, [28] * 2 + [14] * 5 + [7] * 3, strict=True))


def test_batch_normalization_without_scale():
    torch.manual_seed(0)
    own, usual, maps = shift_batch_norm(3), nn.BatchNorm2d(3), 2 + 3 * torch.randn(8, 3, 4, 4)
    nn.init.normal_(own.bias)
    with torch.no_grad():
        usual.bias.copy_(own.bias)
    torch.testing.assert_close(own(maps), usual(maps))
    assert [name for name, _ in own.named_parameters()] == ["bias"]
    restored = shift_batch_norm(3)
    restored.load_state_dict(own.state_dict())
    torch.testing.assert_close(restored.eval()(maps), usual.eval()(maps))


@pytest.mark.parametrize(
    ("depth", "skip", "skips"), [(119, 2, 59), (119, 7, 17), (90, 2, 45), (1, 2, 0), (2, 5, 1)]
)
def test_the_residual_network_has_its_skips(depth, skip, skips):
    model = residual_mlp(CURVE, depth=depth, skip=skip)
    layers = [each for each in model.modules() if isinstance(each, nn.Linear)]
    assert len(layers) == depth + 1
    assert len(module_roles(model)["block_outputs"]) == skips + 1


def test_a_skip_leads_over_its_layers():
    torch.manual_seed(0)
    model, x = residual_mlp(CURVE, width=4, depth=6, skip=3), torch.randn(5, 1)
    linear = [each for each in model.encoder.modules() if isinstance(each, nn.Linear)]
    hidden = torch.relu(linear[0](x))
    inner = linear[3](torch.relu(linear[2](torch.relu(linear[1](hidden)))))
    hidden = torch.relu(hidden + inner)
    hidden = torch.relu(hidden + linear[5](torch.relu(linear[4](hidden))))
    torch.testing.assert_close(model(x), model.classifier(hidden))


def test_without_skips_the_network_is_plain_and_its_units_bend_at_many_inputs():
    torch.manual_seed(0)
    model, x = residual_mlp(CURVE, width=4, depth=3, skip=0), torch.randn(5, 1)
    hidden = x
    for linear in [each for each in model.encoder.modules() if isinstance(each, nn.Linear)]:
        hidden = torch.relu(linear(hidden))
    torch.testing.assert_close(model(x), model.classifier(hidden))
    first = model.encoder.layer1.linear
    assert len((-first.bias / first.weight[:, 0]).unique()) == 4


def test_the_deepest_residual_network_keeps_its_scale():
    torch.manual_seed(0)
    assert residual_mlp(CURVE)(torch.linspace(-8, 8, 100)[:, None]).abs().max() < 100


@pytest.mark.parametrize("rectified", [True, False])
def test_network_in_network(rectified):
    torch.manual_seed(0)
    model = network_in_network(CIFAR, depth=3, width=6, rectified_outputs=rectified).eval()
    images = torch.randn(4, 3, 32, 32)
    maps = model.classifier(model.encoder(images))
    assert maps.shape == (4, 10, 4, 4)
    maps = torch.relu(maps / math.sqrt(1 + 1e-5)) if rectified else maps
    torch.testing.assert_close(model(images), maps.mean((2, 3)))
    convolutions = [each for each in model.modules() if isinstance(each, nn.Conv2d)]
    assert [each.kernel_size[0] for each in convolutions] == [3, 1, 1] * 3 + [1]
    # Kernels, scale and shift of each normalization, and the classifier with either kind of them.
    weights = 9 * 3 * 6 + 2 * 9 * 6 * 6 + 6 * 6 * 6 + 6 * 10
    assert parameters(model) == weights + 2 * 9 * 6 + (20 if rectified else 10)


@pytest.mark.parametrize("degree", [2, 3, 10])
def test_the_polynomial_is_the_least_squares_fit(degree):
    """Against a fit on a fine grid, with the trapezoidal rule as weights."""
    t = np.linspace(-1, 1, 20_001)
    weights = np.full(len(t), 1.0)
    weights[[0, -1]] = 0.5
    powers = np.vander(t, degree + 1, increasing=True) * np.sqrt(weights)[:, None]
    wanted = np.linalg.lstsq(powers, np.maximum(t, 0) * np.sqrt(weights), rcond=None)[0]
    np.testing.assert_allclose(relu_coefficients(degree), wanted, rtol=1e-5, atol=1e-5)


def test_the_polynomial_resembles_relu_on_its_interval():
    x = torch.linspace(-3, 3, 601, dtype=torch.float64)
    activation = PolynomialActivation(degree=10, radius=3.0)
    expected = sum(coefficient * (x / 3) ** power for power, coefficient in enumerate(relu_coefficients(10)))
    torch.testing.assert_close(activation(x), 3 * expected, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(activation(x) - activation(-x), x)
    assert (activation(x) - x.relu()).abs().max() < 0.2
    assert activation(torch.tensor(30.0)) > 1e6


@pytest.mark.parametrize("size", [9, 4])
def test_its_normalization_by_deterministic_algorithms_is_the_same(size):
    torch.manual_seed(0)
    settings = {"alpha": 0.5, "beta": 0.75, "k": 1.0}
    pictures = torch.randn(2, 12, 3, 5, dtype=torch.float64, requires_grad=True)
    ways = ResponseNorm(size, **settings)(pictures), pooled_flat(pictures, size, **settings)
    torch.testing.assert_close(*ways)
    slopes = [torch.autograd.grad(each.square().sum(), pictures)[0] for each in ways]
    torch.testing.assert_close(*slopes)
