"""Recurrent networks over the rows of an image, or over any sequence.

The cells are written out with linear layers, with the equations and parameters of `torch.nn.RNN`, `GRU` and
`LSTM`. The fused layers of torch hide their matrices from hooks and have no batching rule, so nothing that
looks at a layer's inputs and output gradients, and no per-example gradient, would work on them.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count, Probability

__all__ = ["RecurrentLayer", "RecurrentNetwork", "rnn"]

Cell = Literal["elman", "gru", "lstm"]

GATES = {"elman": 1, "gru": 3, "lstm": 4}


class Elman(nn.Module):
    """h' = tanh(W x + b + U h + c), Elman 1990."""

    def forward(
        self, projected: Tensor, recurrent: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next hidden state (n, width), and the memory, which takes no part."""
        return torch.tanh(projected + recurrent), memory


class GRU(nn.Module):
    """Cho et al. 2014: a reset and an update gate; the reset gate acts on the recurrent part."""

    def forward(
        self, projected: Tensor, recurrent: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next hidden state (n, width), and the memory, which takes no part."""
        reset_x, update_x, new_x = projected.chunk(3, dim=1)
        reset_h, update_h, new_h = recurrent.chunk(3, dim=1)
        reset, update = torch.sigmoid(reset_x + reset_h), torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + reset * new_h)
        return new + update * (hidden - new), memory


class LSTM(nn.Module):
    """Hochreiter & Schmidhuber 1997 with forget gates: input, forget, cell and output."""

    def forward(
        self, projected: Tensor, recurrent: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next hidden state and the next memory, both (n, width)."""
        entry, forget, new, exit_ = (projected + recurrent).chunk(4, dim=1)
        memory = torch.sigmoid(forget) * memory + torch.sigmoid(entry) * torch.tanh(new)
        return torch.sigmoid(exit_) * torch.tanh(memory), memory


CELLS = {"elman": Elman, "gru": GRU, "lstm": LSTM}


class RecurrentLayer(nn.Module):
    """One recurrent layer: from (n, steps, features) to (n, steps, width), starting at zero.

    Attributes
    ----------
    input, recurrent : Linear
        ``weight_ih``, ``bias_ih`` and ``weight_hh``, ``bias_hh`` of torch, with the gates in its order.
    """

    def __init__(self, cell: Cell, steps: int, features: int, width: int):
        super().__init__()
        self.steps = steps
        self.input = nn.Linear(features, GATES[cell] * width)
        self.recurrent = nn.Linear(width, GATES[cell] * width)
        self.cell = CELLS[cell]()
        self.width = width
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(width), 1 / math.sqrt(width))

    def forward(self, sequence: Tensor) -> Tensor:
        """The hidden states after all steps, one behind the other."""
        projected = self.input(sequence)
        hidden = memory = torch.zeros_like(projected[:, 0, : self.width])
        outputs = []
        for step in range(self.steps):
            hidden, memory = self.cell(projected[:, step], self.recurrent(hidden), hidden, memory)
            outputs.append(hidden)
        return torch.stack(outputs, dim=1)


class Rows(nn.Module):
    """An image as the sequence of its rows, all channels of a row together: (n, height, channels · width)."""

    def forward(self, images: Tensor) -> Tensor:
        """The rows from top to bottom, as steps."""
        return images.transpose(1, 2).flatten(2)


class LastStep(nn.Module):
    """What a sequence ends with: from (n, steps, features) to (n, features)."""

    def forward(self, sequence: Tensor) -> Tensor:
        """The last step."""
        return sequence[:, -1]


class RecurrentNetwork(nn.Module):
    """Recurrent layers, the last hidden state of the top one, a linear classifier."""

    def __init__(self, encoder: nn.Sequential, classifier: nn.Linear, depth: int):
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier
        self.roles = {
            "block_outputs": [f"encoder.layer{index}" for index in range(1, depth + 1)],
            "encoder": ["encoder"],
            "classifier": ["classifier"],
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (n, outputs) for images (n, channels, height, width) or sequences (n, steps, features)."""
        return self.classifier(self.encoder(inputs))


@genbench.model(source="Elman 1990; Cho et al. 2014; Hochreiter & Schmidhuber 1997")
def rnn(
    task: genbench.Task,
    *,
    cell: Cell = "lstm",
    width: Count = 128,
    depth: Count = 1,
    dropout: Probability = 0.0,
) -> nn.Module:
    """A recurrent network that reads an image row by row, or a sequence step by step.

    Parameters
    ----------
    task : Task
        Inputs are images (channels, height, width) or sequences (steps, features).
    cell : {"elman", "gru", "lstm"}
    width : int
        Units of each layer.
    depth : int
        Number of recurrent layers.
    dropout : float
        Rate of dropout between layers and before the classifier.

    Raises
    ------
    InvalidInput
        The inputs are neither images nor sequences, or there is no such cell.
    """
    if cell not in CELLS:
        raise genbench.InvalidInput(f"model 'rnn': cell is one of {', '.join(CELLS)}, not '{cell}'")
    encoder = nn.Sequential()
    if len(task.input_shape) == 3:
        channels, steps, columns = task.input_shape
        features = channels * columns
        encoder.add_module("rows", Rows())
    elif len(task.input_shape) == 2:
        steps, features = task.input_shape
    else:
        raise genbench.InvalidInput(
            f"model 'rnn' takes images or sequences (steps, features), not inputs of shape {task.input_shape}"
        )
    for index in range(1, depth + 1):
        encoder.add_module(f"layer{index}", RecurrentLayer(cell, steps, features, width))
        encoder.add_module(f"dropout{index}", nn.Dropout(dropout))
        features = width
    encoder.add_module("last", LastStep())
    return RecurrentNetwork(encoder, nn.Linear(width, task.outputs), depth)
