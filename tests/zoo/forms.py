"""Networks that take several inputs, or return more or less than an output for each class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo.sequences import WORDS
from zoo.written import HIDDEN, WIDTH


class Returning(nn.Module):
    """A network whose outputs come in a form of choice, beside something else."""

    def __init__(self, form: Callable[[Tensor], Any], of: nn.Sequential):
        super().__init__()
        self.network, self.form = of, form

    def forward(self, x: Tensor) -> Any:
        return self.form(self.network(x))


def in_dictionary(outputs: Tensor) -> Any:
    return {"loss": None, "logits": outputs}


def in_tuple(outputs: Tensor) -> Any:
    return outputs.sum(), outputs


class TwoInputs(nn.Module):
    """The features of the network come in two arguments."""

    def __init__(self, of: nn.Sequential):
        super().__init__()
        self.network = of

    def forward(self, left: Tensor, *, right: Tensor) -> Tensor:
        return self.network(torch.cat([left, right.flatten(1)], 1))


def in_two_parts(rows: Tensor) -> dict[str, Tensor]:
    return {"left": rows[:, :4], "right": rows[:, 4:].reshape(len(rows), 2, -1)}


class MaskedWords(nn.Module):
    """Indices of words and a mask, as tokenizers make them; the outputs beside the hidden states."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 8)
        self.body = nn.Sequential(nn.Linear(8, 10), nn.ReLU(), nn.Linear(10, 3))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        seen = attention_mask.unsqueeze(2)
        hidden = (self.embedding(input_ids) * seen).sum(1) / seen.sum(1).clamp_min(1)
        return {"logits": self.body(hidden), "hidden": hidden}


def with_mask(words: Tensor) -> dict[str, Tensor]:
    return {"input_ids": words, "attention_mask": (words > 1).long()}


class MaskedSeries(nn.Module):
    """Real numbers at the steps that a mask lets through."""

    def __init__(self) -> None:
        super().__init__()
        self.lift, self.head = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, series: Tensor, mask: Tensor) -> Tensor:
        hidden = F.relu(self.lift(series)) * mask.unsqueeze(2)
        return self.head(hidden.sum(1) / mask.sum(1, keepdim=True).clamp_min(1))


def with_steps(series: Tensor) -> dict[str, Tensor]:
    return {"series": series, "mask": torch.arange(series.shape[1]) < 4 - (series[:, :1, 0] > 0).long()}


def one_logit() -> nn.Sequential:
    """One output for two classes."""
    return nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))


class TwoLogits(nn.Module):
    """The same with an output for each class."""

    def __init__(self, of: nn.Sequential):
        super().__init__()
        self.network = of

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.network(x)
        return torch.cat([torch.zeros_like(outputs), outputs], 1)
