"""Layers are found by the order of calls: networks of one function have the same, however they are defined."""

import pytest
import torch
from torch import nn

from genbench.base.errors import NotApplicable
from genbench.networks.hidden import altered, chosen_place, hidden_places
from genbench.networks.layers import last_layer, weight_layers
from genbench.networks.roles import module_roles
from genbench.networks.watching import called

INPUTS = torch.linspace(-1, 1, 12).reshape(3, 4)


class Defined(nn.Module):
    """Calls a, b and c, in this order, and nothing else."""

    def __init__(self, order, twice=False):
        super().__init__()
        torch.manual_seed(0)
        layers = {"a": nn.Linear(4, 5), "b": nn.Linear(5, 5), "c": nn.Linear(5, 2), "s": nn.Linear(5, 5)}
        self.twice = twice
        for name in order:
            setattr(self, name, layers[name])

    def forward(self, inputs):
        hidden = self.b(self.a(inputs).relu()).relu()
        self.last = hidden
        return self.c(self.b(hidden) if self.twice else hidden)


@pytest.mark.parametrize("order", ["abc", "cab", "bca", "sabc", "abcs", "csab"])
def test_layers_do_not_depend_on_where_they_are_defined(order):
    model = Defined(order).train()
    assert called(model, INPUTS) == ["a", "b", "c"]
    assert module_roles(model, INPUTS)["classifier"] == ["c"]
    assert [place.module for place in hidden_places(model, "blocks", INPUTS)] == ["b", "c"]
    assert chosen_place(model, "penultimate", INPUTS).module == "c"
    assert last_layer(model, weight_layers(model), INPUTS).module == "c"
    assert model.training
    assert not hasattr(model, "last")


def test_where_no_call_is_seen_definition_decides():
    assert called(Defined("abc"), torch.zeros(2, 3)) == []
    assert module_roles(Defined("cab"), torch.zeros(2, 3))["classifier"] == ["b"]


@pytest.mark.parametrize(("model", "why"), [(Defined("abcs"), "never"), (Defined("abc", True), "several")])
def test_a_change_that_is_not_made_once_is_no_change(model, why):
    place = type(chosen_place(model, "penultimate", INPUTS))("s" if why == "never" else "b", "output")
    with pytest.raises(NotApplicable, match=why), altered(model, [place], lambda _, value: value):
        model(INPUTS)
