"""Which weights count as layers, and the shapes at which they work."""

import pytest
import torch
from torch import nn

import genbench
from genbench.networks.layers import matched
from genbench.probes.layers import folded_model, input_shapes, layers


def read(model, fold=True):
    return layers(folded_model(model.eval(), fold=fold))


def test_biases_and_normalizations_are_no_layers():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(16, 5), nn.LayerNorm(5)
    )
    assert [(layer.name, tuple(layer.weight.shape)) for layer in read(model)] == [
        ("0.weight", (4, 3, 3, 3)),
        ("3.weight", (5, 16)),
    ]


def test_recurrent_and_embedding_weights_are_layers():
    model = nn.ModuleDict({"words": nn.Embedding(7, 3), "rnn": nn.LSTM(3, 5), "out": nn.Linear(5, 2)})
    assert [layer.name for layer in read(model)] == [
        "words.weight",
        "rnn.weight_ih_l0",
        "rnn.weight_hh_l0",
        "out.weight",
    ]


def test_tied_weights_count_once():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    assert [layer.name for layer in read(nn.Sequential(first, second))] == ["0.weight"]


def test_a_network_without_weights_is_not_applicable():
    with pytest.raises(genbench.NotApplicable, match="no weight layers"):
        read(nn.Sequential(nn.Flatten()))


def test_shapes_are_those_at_which_convolutions_work():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    shapes = input_shapes(model, torch.zeros(9, 3, 7, 7))
    assert shapes == {"0": (3, 7, 7), "1": (4, 3, 3)}
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_networks_of_different_shapes_cannot_be_compared():
    one, other = read(nn.Sequential(nn.Linear(3, 2))), read(nn.Sequential(nn.Linear(4, 2)))
    with pytest.raises(genbench.NotApplicable, match="other layers"):
        matched(one, other)


def test_each_weight_has_the_bias_of_its_own():
    model = nn.ModuleDict(
        {
            "lstm": nn.LSTM(3, 5, num_layers=2, bidirectional=True, proj_size=2),
            "gru": nn.GRU(3, 5, bias=False),
            "cell": nn.RNNCell(3, 5),
            "joint": nn.MultiheadAttention(4, 2),
            "separate": nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
            "none": nn.MultiheadAttention(4, 2, kdim=3, vdim=5, bias=False),
            "words": nn.Embedding(7, 3),
        }
    ).double()
    for bias in (each for name, each in model.named_parameters() if "bias" in name):
        nn.init.normal_(bias)
    given = dict(model.named_parameters())
    found = {layer.name: layer.bias for layer in read(model)}
    paired = {name.replace("weight", "bias") for name, bias in found.items() if bias is not None}
    thirds = ("q_proj_bias", "k_proj_bias", "v_proj_bias")
    for name in paired - {f"separate.{each}" for each in thirds}:
        torch.testing.assert_close(found[name.replace("bias", "weight")], given[name])
    for place, each in enumerate(thirds):
        expected = given["separate.in_proj_bias"][4 * place : 4 * place + 4]
        torch.testing.assert_close(found[f"separate.{each.replace('bias', 'weight')}"], expected)
    biases = sum(each.numel() for name, each in given.items() if "bias" in name)
    assert sum(bias.numel() for bias in found.values() if bias is not None) == biases


@pytest.mark.parametrize("kind", [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d])
def test_weights_without_a_row_for_each_output_unit_are_refused(kind):
    with pytest.raises(genbench.NotApplicable, match="'1' is a transposed convolution"):
        read(nn.Sequential(nn.Identity(), kind(2, 5, 3)))
