import pytest
import torch

from genbench.datasets.digits import digits
from genbench.host.settings import check
from genbench.host.signatures import describe


def test_default_split_is_stratified_and_half():
    data = digits(None)
    assert data.train.inputs.shape == (899, 1, 8, 8)
    assert data.test.inputs.shape == (898, 1, 8, 8)
    assert data.train.inputs.dtype == torch.uint8
    assert data.task.outputs == 10
    difference = torch.bincount(data.train.targets) - torch.bincount(data.test.targets)
    assert difference.abs().max() <= 1


def test_split_is_fixed_and_disjoint():
    first, again = digits(None), digits(None)
    assert torch.equal(first.train.inputs, again.train.inputs)
    together = torch.cat([first.train.inputs, first.test.inputs]).flatten(1)
    assert len(together.unique(dim=0)) == 1797


def test_test_splits_are_nested_and_one_checksum_serves_all():
    small, large = digits(None, test_fraction=0.2), digits(None, test_fraction=0.6)
    rows = {tuple(row) for row in large.test.inputs.flatten(1).tolist()}
    assert {tuple(row) for row in small.test.inputs.flatten(1).tolist()} <= rows
    assert small.checksum == large.checksum == describe(digits, "core").declared.checksum


@pytest.mark.parametrize("fraction", [0, 1, -0.1, "half"])
def test_bad_fraction_is_refused_when_a_suite_is_read(fraction):
    assert check(describe(digits, "core"), {"test_fraction": fraction})[1]
