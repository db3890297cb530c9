"""`batch-norm`, `layer-norm` and `group-norm` as interventions."""

import pytest
import torch
from torch import nn

from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.models.mlp import mlp
from genbench.models.resnet import resnet
from genbench.models.wide_resnet import wide_resnet

IMAGES = Task("classification", (3, 16, 16), 4)
KINDS = {"batch-norm": "batch", "layer-norm": "layer", "group-norm": "group"}


def normalizations(model):
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
    return {name: type(each) for name, each in model.named_modules() if isinstance(each, kinds)}


@pytest.mark.parametrize("name", KINDS)
def test_is_the_models_own_normalization(problem, same, name):
    own = problem.with_(build=lambda task: mlp(task, width=6, depth=2, normalization=KINDS[name]))
    assert same(problem.train(name).final_state, own.train().final_state)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("build", [resnet, wide_resnet])
def test_goes_where_a_network_keeps_a_place(spelled, name, build):
    model = spelled(name).build(build(IMAGES, normalization="none"), IMAGES)
    assert normalizations(model) == normalizations(build(IMAGES, normalization=KINDS[name]))
    assert model(torch.randn(2, 3, 16, 16)).shape == (2, 4)


@pytest.mark.parametrize("name", KINDS)
def test_goes_behind_the_layers_of_any_network(spelled, name):
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 6),
        nn.ReLU(),
        nn.Linear(6, 4),
    )
    model = spelled(name).build(model, IMAGES)
    assert list(normalizations(model)) == ["normalization", "normalization2"]
    order = [type(each).__name__ for each in model]
    assert order[:2] == ["Conv2d", normalizations(model)["normalization"].__name__]
    assert isinstance(model[-1], nn.Linear)
    assert model(torch.randn(2, 3, 16, 16)).shape == (2, 4)


def test_only_the_first_layers(problem):
    model = problem.network("batch-norm[layers=1]")
    assert list(normalizations(model)) == ["encoder.layer1.normalization"]


def test_is_for_networks_that_come_without(normalized):
    with pytest.raises(
        InvalidInput, match=r"'layer-norm': the network has normalizations already \('encoder"
    ):
        normalized.network("layer-norm")
