import math

import pytest
import torch
from torch import nn

import genbench
from genbench.models.layers import activation_layer, initialize, normalization_layer
from genbench.models.mlp import mlp


@pytest.mark.parametrize("channels", [1, 17, 32, 48, 100])
@pytest.mark.parametrize("spatial", [True, False])
@pytest.mark.parametrize("name", ["batch", "layer", "group"])
def test_normalizations_keep_shapes(name, channels, spatial):
    inputs = torch.randn(3, channels, 4, 4) if spatial else torch.randn(3, channels)
    assert normalization_layer(name, channels, spatial=spatial)(inputs).shape == inputs.shape


def test_layer_normalization_of_images_is_over_channels_and_positions():
    outputs = normalization_layer("layer", 6, spatial=True)(torch.randn(3, 6, 5, 5) * 4 + 2)
    assert torch.allclose(outputs.mean((1, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(outputs.var((1, 2, 3), correction=0), torch.ones(3), atol=1e-4)


@pytest.mark.parametrize(("channels", "groups"), [(16, 1), (32, 2), (64, 4), (160, 10), (17, 1), (40, 2)])
def test_groups_have_sixteen_channels_where_that_divides(channels, groups):
    assert normalization_layer("group", channels, spatial=True).num_groups == groups


def test_every_activation_is_a_new_module():
    assert activation_layer("gelu") is not activation_layer("gelu")


@pytest.mark.parametrize(("activation", "gain"), [("relu", math.sqrt(2)), ("tanh", 5 / 3), ("identity", 1.0)])
def test_initial_weights_have_the_gain_of_the_activation(activation, gain):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(500, 400), nn.Linear(400, 300))
    initialize(network, network[1], activation)
    assert abs(network[0].weight.std().item() * math.sqrt(500) - gain) < 0.02
    assert abs(network[1].weight.std().item() * math.sqrt(400) - 1) < 0.02
    assert not network[0].bias.any()


def test_deep_network_keeps_the_scale_of_its_inputs():
    torch.manual_seed(0)
    model = mlp(genbench.Task("regression", (64,), 10), width=256, depth=20)
    assert 0.2 < model(torch.randn(100, 64)).std() < 5
