"""What surrounds a block does not enter it, and networks do not reach what they are handed."""

import pytest
import torch
from torch import nn

from genbench.networks.ambient import handing_copies, ordinary_torch, with_own_inputs, works_in_place
from genbench.networks.passes import forward

INPUTS = torch.linspace(-1, 1, 12).reshape(3, 4)


class Shifting(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 2)

    def forward(self, inputs):
        inputs -= 0.5
        return self.layer(inputs)


class Squeezing(nn.Module):
    def __init__(self, keep=False):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.last, self.keep = nn.Linear(4, 3), nn.LayerNorm([3, 1]), keep

    def forward(self, inputs):
        hidden = self.layer(inputs)[:, None].squeeze()
        return self.last(hidden.unsqueeze(2)).squeeze(2) if self.keep else hidden


@pytest.mark.parametrize(
    "surrounding",
    [
        torch.inference_mode,
        torch.no_grad,
        lambda: torch.autocast("cpu", torch.bfloat16),
        lambda: torch.device("meta"),
    ],
)
def test_a_block_computes_as_if_nothing_surrounded_it(surrounding):
    layer = Shifting().layer
    with surrounding():
        with ordinary_torch():
            outputs = layer(INPUTS)
            made = torch.zeros(1)
        assert torch.is_inference_mode_enabled() == (surrounding is torch.inference_mode)
    assert outputs.requires_grad
    assert not outputs.is_inference()
    assert outputs.dtype == torch.float32
    assert (made.device.type, made.dtype) == ("cpu", torch.float32)


def test_the_default_precision_is_put_back_whoever_changes_it():
    torch.set_default_dtype(torch.float64)
    try:
        with ordinary_torch():
            assert torch.zeros(1).dtype == torch.float32
            torch.set_default_dtype(torch.float16)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_network_in_place_is_noticed_and_kept_from_its_inputs():
    model, inputs = Shifting(), INPUTS.clone()
    assert works_in_place(model, inputs)
    assert not works_in_place(model.layer, inputs)
    with with_own_inputs(model):
        model(inputs)
    assert torch.equal(inputs, INPUTS)
    assert not model._forward_pre_hooks
    handing_copies(handing_copies(model))(inputs)
    assert torch.equal(inputs, INPUTS)
    assert len(model._forward_pre_hooks) == 1
    leaf = inputs.requires_grad_()
    model(leaf).sum().backward()
    assert torch.equal(leaf.grad, model.layer.weight.sum(0).expand(3, 4))


@pytest.mark.parametrize("model", [Squeezing(), Squeezing(keep=True)])
def test_one_example_squeezed_away_comes_back(model):
    assert torch.allclose(forward(model, INPUTS[:1]), forward(model, INPUTS)[:1])
