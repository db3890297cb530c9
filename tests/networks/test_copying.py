"""Copies of networks that `copy.deepcopy` refuses: the same function, nothing shared, the original as it was."""

import copy
import threading

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from genbench.networks.copying import copy_of, make_plain
from genbench.networks.folding import folded_copy

INPUTS = torch.linspace(-1, 1, 20).reshape(5, 4)


def body():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


class Keeping(nn.Module):
    """Keeps what it computed last, alone and in a list, and holds a lock."""

    def __init__(self):
        super().__init__()
        self.body, self.lock, self.log = body(), threading.Lock(), []

    def forward(self, inputs):
        with self.lock:
            self.last = self.body[:2](inputs)
            self.log = [self.last]
            return self.body[2](self.last)


def pruned():
    model = body()
    prune.l1_unstructured(model[0], "weight", amount=0.4)
    return model


def weight_normed():
    model = body()
    torch.nn.utils.weight_norm(model[2])
    return model


def spectrally_normed():
    model = body()
    torch.nn.utils.spectral_norm(model[0])
    return model


def made_in_inference_mode():
    with torch.inference_mode():
        return body()


REFUSED = [Keeping, pruned, weight_normed, spectrally_normed]


@pytest.mark.parametrize("make", [*REFUSED, made_in_inference_mode])
def test_a_copy_is_the_same_function_and_shares_no_tensor(make):
    model = make().eval()
    if make is not made_in_inference_mode:
        model(INPUTS)  # leaves on the network what hangs on a graph
    with torch.no_grad():
        expected = model(INPUTS).clone()
        copied = copy_of(model)
        assert torch.equal(copied(INPUTS), expected)
        for parameter in copied.parameters():
            parameter.add_(1.0)
        assert torch.equal(model(INPUTS), expected)


@pytest.mark.parametrize("make", REFUSED)
def test_these_are_refused_otherwise(make):
    model = make().eval()
    model(INPUTS)
    with pytest.raises((RuntimeError, TypeError)):
        copy.deepcopy(model)


@pytest.mark.parametrize("make", [pruned, weight_normed, spectrally_normed])
def test_computed_weights_become_parameters_of_the_same_values(make):
    model = make().eval()
    folded = folded_copy(model)
    assert sorted(name for name, _ in folded.named_parameters()) == [
        "0.bias",
        "0.weight",
        "2.bias",
        "2.weight",
    ]
    assert torch.allclose(folded(INPUTS.double()), model(INPUTS).double(), atol=1e-6)
    assert any("_" in name for name, _ in model.named_parameters()), "the network itself keeps its parts"


def test_a_plain_module_stays_as_it_is():
    model = body()
    before = list(model[0].named_parameters())
    make_plain(model[0])
    assert all(new is old for (_, new), (_, old) in zip(model[0].named_parameters(), before, strict=True))


def test_parameters_of_the_inference_mode_can_be_differentiated_by():
    copied = copy_of(made_in_inference_mode())
    copied(INPUTS).sum().backward()
    assert copied[0].weight.grad is not None
