"""The zoo: small networks, one for each way of writing a network that people use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm
from zoo import differences, families, forms, sequences, written
from zoo.animal import Animal, pictures, rows, series, words

__all__ = ["ZOO"]

_row = partial(Animal, inputs=rows, size=written.WIDTH)
_picture = partial(Animal, inputs=pictures, size=8)
_large = partial(Animal, inputs=pictures, size=16)
_series = partial(Animal, inputs=series, size=6)
_words = partial(Animal, inputs=words, size=5)


def _spelled(convert: Callable[[Any], nn.Module], differs: frozenset[str] = frozenset()) -> Animal:
    """The plain network in another spelling."""
    return _row(written.mlp, twin="mlp", convert=convert, differs=differs)


def _in_each_layer(change: Callable[[nn.Module], Any], network: nn.Module) -> nn.Module:
    for module in list(network.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d):
            change(module)
    return network


def _pruned(network: Any) -> nn.Module:
    prune.l1_unstructured(network[2], "weight", 0.3)
    return network


def _pruned_for_good(network: Any) -> nn.Module:
    prune.remove(_pruned(network)[2], "weight")
    return network


def _signals(count: int, length: int) -> Tensor:
    return torch.randn(count, 3, length)


def _bent(activation: Callable[[], nn.Module]) -> Animal:
    return _row(written.with_activation(activation))


def _normalized(norm: Callable[[int], nn.Module]) -> Animal:
    return _picture(partial(written.convolutional, norm))


ZOO: Mapping[str, Animal] = {
    # One function in many spellings.
    "mlp": _row(written.mlp),
    "functions": _spelled(written.ByFunctions, differences.BY_MODULE),
    "disordered": _spelled(written.Disordered),
    "loops": _spelled(written.ByLoops),
    "nested": _spelled(written.nested),
    "wrapped": _spelled(written.Wrapper),
    "unused layers": _spelled(written.WithUnused, differences.BY_UNUSED_LAYERS),
    "own autograd function": _spelled(written.OwnFunction),
    "checkpointed": _spelled(written.Checkpointed),
    "checkpointed reentrant": _spelled(partial(written.Checkpointed, reentrant=True)),
    "weight norm": _spelled(partial(_in_each_layer, parametrizations.weight_norm), differences.BY_MORE_WEIGHTS),
    "old weight norm": _spelled(partial(_in_each_layer, weight_norm), differences.BY_MORE_WEIGHTS),
    "prepared for quantization": _spelled(written.Quantizable),
    "traced": _spelled(torch.fx.symbolic_trace),
    "scripted": _spelled(torch.jit.script),
    "float64": _row(written.mlp, twin="mlp", dtype=torch.float64, tolerance=1e-3),
    "bfloat16": _row(written.mlp, dtype=torch.bfloat16),
    "float16": _row(written.mlp, twin="mlp", dtype=torch.float16, tolerance=0.02),
    "dictionary output": replace(_spelled(partial(forms.Returning, forms.in_dictionary)), output="logits"),
    "tuple output": replace(_spelled(partial(forms.Returning, forms.in_tuple)), output=1),
    "two inputs": replace(_spelled(forms.TwoInputs), hand=forms.in_two_parts),
    "two logits": _row(forms.one_logit, convert=forms.TwoLogits, classes=2),
    "one logit": _row(forms.one_logit, twin="two logits", classes=2),
    # Weights that are no free parameters.
    "spectral norm": _row(lambda: _in_each_layer(parametrizations.spectral_norm, written.mlp())),
    "old spectral norm": _row(lambda: _in_each_layer(spectral_norm, written.mlp())),
    "pruned": _row(written.mlp, convert=_pruned),
    "pruned for good": _row(written.mlp, convert=_pruned_for_good, twin="pruned", differs=differences.BY_MASKED_WEIGHTS),
    "partly frozen": _row(written.mlp, convert=written.partly_frozen),
    "frozen": _row(written.mlp, convert=written.frozen),
    "only buffers": _row(written.OnlyBuffers),
    "tied": _row(written.Tied),
    "called twice": _row(written.CalledTwice),
    "adapted": _row(written.adapted),
    "experts": _row(written.Experts),
    "all experts": _row(written.Experts, twin="experts", convert=written.AllExperts),
    "orthogonal": _row(lambda: _in_each_layer(parametrizations.orthogonal, written.mlp())),
    # Layers.
    "linear": _row(written.linear),
    "without biases": _row(written.without_biases),
    "residual": _row(written.residual),
    "residual in place": _row(written.residual, twin="residual", convert=written.added_in_place),
    "gelu": _bent(nn.GELU),
    "silu": _bent(nn.SiLU),
    "softplus": _bent(nn.Softplus),
    "prelu": _bent(nn.PReLU),
    "hardswish": _bent(nn.Hardswish),
    "hardsigmoid": _bent(nn.Hardsigmoid),
    "batch norm": _normalized(nn.BatchNorm2d),
    "batch norm, reshaped": _picture(
        written.convolutional, twin="batch norm", convert=written.ReshapedConvolutions
    ),
    "channels last": _picture(
        written.convolutional, twin="batch norm", convert=lambda n: n.to(memory_format=torch.channels_last)
    ),
    "group norm": _normalized(partial(nn.GroupNorm, 2)),
    "instance norm": _normalized(partial(nn.InstanceNorm2d, affine=True, track_running_stats=True)),
    "no norm": _normalized(nn.Identity),
    "depthwise": _picture(written.depthwise),
    "transposed convolution": _picture(written.decoder),
    "dropout": _picture(written.with_dropout),
    "lazy": _picture(written.lazy),
    "one dimension": Animal(written.one_dimensional, _signals, 10),
    # Sequences.
    "complex weights": _series(written.Spectral),
    "fourier": _series(written.FourierMixing),
    "rnn": _series(partial(sequences.Recurrent, nn.RNN)),
    "rnn, time first": _series(
        partial(sequences.Recurrent, nn.RNN), twin="rnn", convert=sequences.TimeFirst
    ),
    "lstm": _series(partial(sequences.Recurrent, nn.LSTM, proj_size=5)),
    "gru": _series(partial(sequences.Recurrent, nn.GRU, bidirectional=True)),
    "cells": _series(sequences.Cells),
    "encoder": _series(sequences.Encoder),
    "encoder, positions first": _series(
        sequences.Encoder, twin="encoder", convert=sequences.PositionsFirst, differs=differences.NOISE
    ),
    "own attention": _series(sequences.OwnAttention),
    "attention written out": _series(
        sequences.OwnAttention, twin="own attention", convert=sequences.WrittenOutAttention
    ),
    "embedding": _words(sequences.Embedded),
    "embedding bag": _words(sequences.Embedded, twin="embedding", convert=sequences.EmbeddingBag),
    "tied embedding": _words(sequences.TiedEmbedding),
    "words and mask": _words(forms.MaskedWords, hand=forms.with_mask, output="logits"),
    "series and mask": _series(forms.MaskedSeries, hand=forms.with_steps),
    # Families.
    **{name: _large(getattr(families, name)) for name in families.__all__},
}  # fmt: skip
