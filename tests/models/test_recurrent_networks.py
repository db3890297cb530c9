"""The cells written out here against the fused ones of torch."""

import pytest
import torch
from torch import nn

import genbench
from genbench.models.rnn import RecurrentLayer, Rows, rnn

FUSED = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


@pytest.mark.parametrize("cell", FUSED)
def test_layer_is_that_of_torch(cell):
    torch.manual_seed(0)
    layer = RecurrentLayer(cell, steps=6, features=3, width=5)
    fused = FUSED[cell](3, 5, batch_first=True)
    with torch.no_grad():
        fused.weight_ih_l0.copy_(layer.input.weight)
        fused.bias_ih_l0.copy_(layer.input.bias)
        fused.weight_hh_l0.copy_(layer.recurrent.weight)
        fused.bias_hh_l0.copy_(layer.recurrent.bias)
    sequence = torch.randn(4, 6, 3)
    assert torch.allclose(layer(sequence), fused(sequence)[0], atol=1e-6)
    assert sum(each.numel() for each in layer.parameters()) == sum(
        each.numel() for each in fused.parameters()
    )


def test_rows_of_an_image():
    images = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    rows = Rows()(images)
    assert rows.shape == (2, 4, 15)
    assert torch.equal(rows[1, 2], torch.cat([images[1, channel, 2] for channel in range(3)]))


def test_outputs_come_from_the_last_step():
    task = genbench.Task("classification", (7, 3), 4)
    model = rnn(task, width=6, depth=2).eval()
    hidden = model.encoder.layer2(model.encoder.layer1(torch.ones(1, 7, 3)))
    assert torch.allclose(model(torch.ones(1, 7, 3)), model.classifier(hidden[:, -1]))


def test_vectors_are_refused():
    with pytest.raises(genbench.InvalidInput, match=r"not inputs of shape \(9,\)"):
        rnn(genbench.Task("regression", (9,), 1))
