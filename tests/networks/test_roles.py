import pytest
import torchvision
from torch import nn

from genbench.networks.roles import module_roles


def test_a_network_names_its_own_roles():
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.Linear(2, 2))
    model.roles = {"classifier": ["0"], "gate": ["2"]}
    assert module_roles(model) == {
        "block_outputs": [],
        "normalizations": ["1"],
        "block_normalizations": [],
        "encoder": [],
        "classifier": ["0"],
        "generalization_layers": [],
        "gate": ["2"],
    }


def test_roles_of_a_foreign_network_are_found_by_structure():
    model = torchvision.models.resnet18(weights=None)
    roles = module_roles(model)
    assert roles["block_outputs"] == [f"layer{stage}.{index}" for stage in range(1, 5) for index in (0, 1)]
    assert roles["classifier"] == ["fc"]
    assert len(roles["normalizations"]) == 20
    assert roles["encoder"] == []


@pytest.mark.parametrize("last", [nn.Linear(3, 2), nn.Conv2d(3, 2, 1)])
def test_classifier_is_the_last_layer(last):
    assert module_roles(nn.Sequential(nn.Conv2d(3, 3, 1), last, nn.Dropout()))["classifier"] == ["1"]
