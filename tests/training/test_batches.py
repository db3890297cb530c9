import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genbench.training import batches as module
from genbench.training.augmentation import augment, draw
from genbench.training.batches import batch_sizes, batches


@given(examples=st.integers(1, 500), batch_size=st.integers(1, 600))
def test_sizes(examples, batch_size):
    sizes = batch_sizes(examples, batch_size)
    assert sum(sizes) == examples
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] <= batch_size + 1
    if batch_size > 1 and examples > 1:
        assert min(sizes) > 1, "batch normalization has no variance of one example"


@pytest.mark.parametrize(
    ("examples", "batch_size", "expected"),
    [(8, 4, [4, 4]), (9, 4, [4, 5]), (10, 4, [4, 4, 2]), (3, 4, [3]), (1, 4, [1]), (3, 1, [1, 1, 1])],
)
def test_sizes_by_example(examples, batch_size, expected):
    assert batch_sizes(examples, batch_size) == expected


@pytest.mark.parametrize("block", [1, 100, 2**24])
@pytest.mark.parametrize("kind", ["none", "crop-flip"])
def test_an_epoch_has_every_example_once_whatever_the_block(monkeypatch, block, kind):
    monkeypatch.setattr(module, "BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(13, 1, 8, 8, generator=generator), torch.arange(13)
    order = torch.randperm(13, generator=generator)
    draws = draw(kind, 13, (1, 8, 8), generator, torch.device("cpu"))
    parts = list(batches(inputs, targets, order, batch_sizes(13, 4), draws))
    assert [len(each) for _, each in parts] == [4, 4, 5]
    assert torch.equal(torch.cat([each for _, each in parts]), order)
    expected = inputs[order] if draws is None else augment(inputs[order], draws)
    assert torch.equal(torch.cat([each for each, _ in parts]), expected)


def test_memory_format_is_kept():
    inputs = torch.randn(6, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    draws = draw("crop-flip", 6, (3, 8, 8), torch.Generator().manual_seed(0), torch.device("cpu"))
    for some, _ in batches(inputs, torch.arange(6), torch.arange(6), [3, 3], draws):
        assert some.is_contiguous(memory_format=torch.channels_last)
