"""How many examples a pass takes at a time."""

import pytest
import torch

from genbench.networks.passes import at_most, chunks

CPU = torch.device("cpu")


def first(shape, copies=1, **named):
    return next(iter(chunks(torch.empty(1).expand(5000, *shape), CPU, copies, **named))).stop


@pytest.mark.parametrize(
    ("shape", "copies", "examples"),
    [
        ((64,), 82, 199),  # as many as the memory of a chunk is for
        ((3, 32, 32), 1, 341),
        ((3, 32, 32), 82, 16),  # four would read the weights for little: four times the memory
        ((1, 28, 28), 82, 32),
        ((3, 32, 32), 802, 1),
        ((3, 224, 224), 82, 1),
    ],
)
def test_small_examples_are_taken_together_and_memory_is_bounded(shape, copies, examples):
    assert first(shape, copies) == examples


def test_a_limit_and_groups_are_kept_to():
    with at_most(4):
        assert first((3, 32, 32), 82) == 4
    assert first((3, 32, 32), 82, together=10) == 10
