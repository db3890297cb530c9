"""Layers that see some of the examples only: gradients are those of a network that computes all and chooses."""

import pytest
import torch
from torch import nn

import genbench
from genbench.networks.gradient_products import gradient_pieces, gradient_products
from genbench.networks.hidden import Place, captured
from genbench.networks.layer_gradients import RowsMissing
from genbench.networks.layer_gradients import captured as captured_gradients
from genbench.networks.per_example import per_example_gradients

CPU = torch.device("cpu")


class Chosen(nn.Module):
    """Two layers, of which the first input chooses one for each example."""

    def __init__(self, dense):
        super().__init__()
        torch.manual_seed(0)
        self.layers, self.head = nn.ModuleList([nn.Linear(4, 5), nn.Linear(4, 5)]), nn.Linear(5, 3)
        self.dense = dense
        self.double()

    def forward(self, x):
        hidden = x.new_zeros(len(x), 5)
        for mine, layer in zip((x[:, 0] > 0, x[:, 0] <= 0), self.layers, strict=True):
            if self.dense:
                hidden = hidden + mine.unsqueeze(1) * layer(x).tanh()
            elif mine.any():
                hidden[mine] = layer(x[mine]).tanh()
        return self.head(hidden)


@pytest.fixture(params=["mixed", "one kind in front"])
def data(request):
    torch.manual_seed(1)
    inputs = torch.randn(9, 4, dtype=torch.float64)
    if request.param != "mixed":  # a trial of two examples sees one of the layers
        inputs[:3, 0] = inputs[:3, 0].abs()
        inputs[3:, 0] = -inputs[3:, 0].abs()
    return inputs, torch.randn(9, 3, dtype=torch.float64)


def test_products_of_gradients(data):
    found, expected = (gradient_products(Chosen(dense), *data, CPU) for dense in (False, True))
    torch.testing.assert_close(found, expected)


def test_sums_of_gradients(data):
    inputs, cotangents = data

    def total(network):
        norms = []
        for scale, pieces in gradient_pieces(network, inputs, lambda _, part: cotangents[part], CPU):
            rows = [each if isinstance(each, torch.Tensor) else each.written_out() for _, each in pieces]
            norms.append(sum(each.square().sum(1) for each in rows) * scale**2)
        return torch.cat(norms)

    torch.testing.assert_close(total(Chosen(False)), total(Chosen(True)))


def test_gradients_of_examples_that_make_no_vector(data):
    inputs, cotangents = data
    found, expected = (
        per_example_gradients(Chosen(dense), inputs, cotangents, lambda outputs, u: (outputs * u).sum())
        for dense in (False, True)
    )
    torch.testing.assert_close(found, expected)


def test_a_layer_without_a_row_for_each_example_is_refused(data):
    inputs, cotangents = data
    network = Chosen(False)
    layers = {"layers.0": network.layers[0]}
    with captured_gradients(layers) as gradients:
        outputs = network(inputs)
        with pytest.raises(RowsMissing, match=r"layer 'layers\.0' is not called with a row for each example"):
            gradients(outputs, cotangents)
    with (
        pytest.raises(genbench.NotApplicable, match=r"'layers\.0' has no row for each example"),
        captured(network, [Place("layers.0", "output")]),
    ):
        network(inputs)
