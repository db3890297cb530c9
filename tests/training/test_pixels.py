"""Bytes that stay bytes give the bits of floats that were made once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from training.test_member import CASES, CPU, Case, assert_same

from genbench.base.data import Task
from genbench.contract.regularizer import Regularizer, Training
from genbench.training.evaluation import evaluate
from genbench.training.member import Assignment, Member
from genbench.training.pixels import Pixels, in_channels_last, normalized
from genbench.training.tape import Tape

BYTES = torch.arange(256, dtype=torch.uint8)
NUMBERS = st.floats(2**-10, 1, width=32)
ALIKE = [
    "plain", "normalized", "one batch", "adam", "clip", "crops", "flips", "pretrained", "closest", "gl",
    "jacobian", "mixup", "wgd", "early-stopping",
]  # fmt: skip


def pixels(shape: tuple[int, ...] = (3, 4, 4), count: int = 27) -> Pixels:
    """Some of more pictures, in an order of their own."""
    generator = torch.Generator().manual_seed(7)
    whole = torch.randint(256, (count + 13, *shape), generator=generator, dtype=torch.uint8)
    rows = torch.randperm(count + 13, generator=generator)[:count]
    mean, std = torch.rand(2, *shape[:1], generator=generator) / 2 + 0.2
    across = (..., *(None,) * (len(shape) - 1)) if len(shape) == 3 else ...
    return Pixels(whole, rows, mean[across], std[across])


@given(mean=NUMBERS, std=NUMBERS)
def test_every_byte_becomes_the_float_that_numpy_finds(mean, std):
    numbers = BYTES.numpy().astype(np.float32) / np.float32(255)
    wanted = torch.from_numpy((numbers - np.float32(mean)) / np.float32(std))
    mean, std = torch.tensor([mean]), torch.tensor([std])
    assert torch.equal(Pixels(BYTES[:, None], torch.arange(256), mean, std)[:][:, 0], wanted)
    assert torch.equal(normalized(BYTES[:, None], mean, std)[:, 0], wanted)


@pytest.mark.parametrize("layout", [lambda each: each, in_channels_last])
def test_what_is_read_are_the_chosen_examples(layout):
    held = layout(pixels())
    floats = normalized(held.whole[held.rows], held.mean, held.std)
    assert held.shape == floats.shape
    assert len(held) == 27
    places = torch.tensor([5, 0, 26, 5])
    for read, wanted in [(held[:], floats), (held[3:9], floats[3:9]), (held[places], floats[places])]:
        assert torch.equal(read, wanted)
        assert read.dtype == torch.float32
        assert read.is_contiguous(memory_format=torch.channels_last) == (layout is in_channels_last)


def both(case: Case) -> tuple[Assignment, Assignment]:
    """A case with pictures, as floats and as bytes."""
    held = pixels()
    floats, as_bytes = (replace(case.assignment(case.objects()), inputs=each) for each in (held[:], held))
    return floats, as_bytes


@pytest.mark.parametrize("how", [{}, {"capture": Tape}], ids=["calls", "captured"])
@pytest.mark.parametrize("name", ALIKE)
def test_a_training_on_bytes_has_the_bits_of_one_on_floats(name, how):
    floats, as_bytes = both(CASES[name])
    assert_same(Member(as_bytes, CPU, **how).train(), Member(floats, CPU, **how).train())


def test_an_evaluation_of_bytes_has_the_bits_of_one_of_floats(monkeypatch):
    monkeypatch.setattr("genbench.training.evaluation.CHUNK", 48 * 5)
    held = pixels()
    model, targets = CASES["plain"].build(Task("classification", (3, 4, 4), 3)), torch.arange(27) % 3
    task = Task("classification", (3, 4, 4), 3)
    found, wanted = (evaluate(model, each, targets, task, device="cpu") for each in (held, held[:]))
    assert found == wanted


def test_regularizers_that_look_at_the_training_set_see_floats():
    seen: list[Tensor] = []

    class Looks(Regularizer):
        def start(self, training: Training) -> Any:
            seen.append(training.inputs)
            assert training.inputs is seen[0]

    floats, as_bytes = both(Case())
    for each in (floats, as_bytes):
        Member(replace(each, regularizers=[Looks()]), CPU).close()
        assert torch.equal(seen.pop(), floats.inputs)


def test_nothing_but_bytes_is_held_where_nobody_looks():
    member = Member(both(CASES["mixup"])[1], CPU, capture=Tape)
    assert "inputs" not in vars(member._phase._training)
    member.close()
