"""Networks of sequences: recurrent ones, transformers, embeddings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WORDS = 12


class Recurrent(nn.Module):
    """A recurrent module, and a linear layer that reads its last step."""

    def __init__(self, kind: Any, **settings: Any):
        super().__init__()
        self.recurrent = kind(4, 6, batch_first=True, **settings)
        directions = 2 if settings.get("bidirectional") else 1
        self.head = nn.Linear(settings.get("proj_size", 6) * directions, 3)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.recurrent(x)
        return self.head(outputs[:, -1])


class TimeFirst(nn.Module):
    """The same recurrent module with the steps in front."""

    def __init__(self, of: Recurrent):
        super().__init__()
        self.recurrent, self.head = of.recurrent, of.head
        self.recurrent.batch_first = False

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.recurrent(x.transpose(0, 1))
        return self.head(outputs[-1])


class Cells(nn.Module):
    """A recurrent cell in a loop over time."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 6)
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.head(state)


class Encoder(nn.Module):
    """torch's own transformer encoder, and a linear layer that reads the mean over positions."""

    def __init__(self, *, norm_first: bool = False):
        super().__init__()
        self.lift = nn.Linear(4, 8)
        layer = nn.TransformerEncoderLayer(
            8, 2, dim_feedforward=12, dropout=0.1, batch_first=True, norm_first=norm_first
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.lift(x)).mean(1))


class PositionsFirst(nn.Module):
    """The same encoder with the positions in front."""

    def __init__(self, of: Encoder):
        super().__init__()
        self.lift, self.encoder, self.head = of.lift, of.encoder, of.head
        for layer in self.encoder.layers:
            layer.self_attn.batch_first = False

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.lift(x).transpose(0, 1)).mean(0))


class OwnAttention(nn.Module):
    """Attention by torch's function, with a class token, positions and a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        self.lift = nn.Linear(4, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(0.1 * torch.randn(1, 7, 8))
        self.norm = nn.RMSNorm(8)
        self.keys_queries_values = nn.Linear(8, 24, bias=False)
        self.out = nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def attended(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(queries, keys, values)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), self.lift(x)], 1) + self.positions
        n, positions, width = x.shape
        parts = self.keys_queries_values(self.norm(x)).reshape(n, positions, 3, 2, width // 2)
        mixed = self.attended(*parts.permute(2, 0, 3, 1, 4))
        x = x + self.out(mixed.transpose(1, 2).reshape(n, positions, width))
        return self.head(x[:, 0])


class WrittenOutAttention(OwnAttention):
    """The same, attention written as a softmax of products."""

    def __init__(self, of: OwnAttention):
        super().__init__()
        self.load_state_dict(of.state_dict())

    def attended(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        scores = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        return scores.softmax(-1) @ values


class Embedded(nn.Module):
    """Indices of words, embedded, and averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 8)
        self.body = nn.Sequential(nn.Linear(8, 10), nn.ReLU(), nn.Linear(10, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.embedding(x).mean(1))


class EmbeddingBag(nn.Module):
    """The same in one module."""

    def __init__(self, of: Embedded):
        super().__init__()
        self.embedding = nn.EmbeddingBag(WORDS, 8, mode="mean")
        self.embedding.weight = of.embedding.weight
        self.body = of.body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.embedding(x))


class TiedEmbedding(nn.Module):
    """A word model whose last layer has the weights of its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 8)
        self.recurrent = nn.RNN(8, 8, batch_first=True)
        self.out = nn.Linear(8, WORDS, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.recurrent(self.embedding(x))
        return self.out(state[0])
