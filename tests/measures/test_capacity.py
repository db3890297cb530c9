"""Sizes of networks, and the bounds by size, written out."""

import math

import pytest
import torch
from torch import nn

import genbench
from genbench.models.mlp import mlp
from genbench.models.resnet import resnet
from genbench.models.rnn import rnn

PICTURES = genbench.Task("classification", (3, 8, 8), 4)


def on_pictures(fit, model):
    torch.manual_seed(0)
    return fit(model, torch.randn(12, 3, 8, 8), torch.arange(12) % 4)


@pytest.mark.parametrize(
    ("model", "depth"),
    [
        (lambda: mlp(PICTURES, depth=3, width=5), 3),
        (lambda: resnet(PICTURES, depth=14), 13),
        (lambda: rnn(PICTURES, depth=2, width=5), 2),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 4, bias=False)), 0),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Flatten(), nn.Linear(256, 4)), 1),
    ],
)
def test_depth_counts_hidden_layers_on_the_longest_way(fit, model, depth):
    assert on_pictures(fit, model())["depth"] == depth


class Words(nn.Module):
    """Indices, looked up and averaged in two modules or in one."""

    def __init__(self, *lookup):
        super().__init__()
        self.lookup = nn.Sequential(*lookup)
        self.body = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))

    def forward(self, inputs):
        values = self.lookup(inputs)
        return self.body(values if values.ndim == 2 else values.mean(1))


@pytest.mark.parametrize("lookup", [nn.Embedding, nn.EmbeddingBag])
def test_an_embedding_is_a_layer(lookup):
    found = genbench.evaluate(
        Words(lookup(9, 4)), torch.randint(9, (12, 5)), torch.arange(12) % 3, measures=["depth"]
    )
    assert found["depth"].value == 2


class Twice(nn.Module):
    """One hidden layer, applied twice."""

    def __init__(self):
        super().__init__()
        self.hidden, self.last = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, inputs):
        return self.last(self.hidden(self.hidden(inputs).relu()).relu())


def test_layers_used_twice_in_a_network_without_blocks_are_not_counted(fit):
    found = fit(Twice(), torch.randn(5, 6), torch.arange(5) % 3).value("depth")
    assert (found.status, found.reason) == (
        "not_applicable",
        "a layer is used several times, and the network names no blocks to count",
    )


def test_width_is_that_of_the_hidden_layers(small_fit):
    assert small_fit["width"] == 8
    assert small_fit["width[aggregate=mean]"] == 6.5


def test_a_linear_model_has_no_width(fit):
    found = fit(nn.Linear(6, 3), torch.randn(5, 6), torch.arange(5) % 3)
    assert found.value("width").reason == "the network has no hidden layer"


def test_size_and_its_bounds(fit):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 4))
    found = on_pictures(fit, model)
    size = 3 * 4 * 9 + 256 * 4
    logarithm = math.log2(6 * 2 * 8) ** 3
    assert found["log_params"] == pytest.approx(math.log(size), rel=1e-12)
    assert found["log_params[biases=true]"] == pytest.approx(math.log(size + 8), rel=1e-12)
    dimension = (4000 * math.sqrt(2 * logarithm * size) + math.sqrt(math.log(20))) ** 2
    assert found["vc_dim[delta=0.05]"] == pytest.approx(dimension, rel=1e-12)
    assert found["vc_dim[delta=0.05,by_size=true]"] == pytest.approx(math.sqrt(dimension / 12), rel=1e-12)
    error, rest = found["train_error"], math.sqrt(math.log(100) / 12)
    theorem = error + 3888 * 4 * math.sqrt(2 * logarithm * size / 12) + rest
    assert found["vc_bound"] == pytest.approx(theorem, rel=1e-12)
    program = 1 - error + 3888 * 4 * math.sqrt(2 * logarithm * size**2) + rest
    assert found["vc_bound[form=program]"] == pytest.approx(program, rel=1e-12)


def test_no_bound_is_certain(fit):
    with pytest.raises(genbench.InvalidInput, match="delta = 0"):
        on_pictures(fit, nn.Sequential(nn.Flatten(), nn.Linear(192, 4)))["vc_dim[delta=0]"]
