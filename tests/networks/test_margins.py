"""Margins against a loop over examples and classes."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from genbench.networks.margins import margins_of


def example():
    torch.manual_seed(0)
    outputs = torch.randn(40, 5, dtype=torch.float64)
    outputs[3] = 0.5  # all classes tie
    return outputs, torch.randint(5, (40,))


def test_margins_are_those_of_a_loop():
    outputs, targets = example()
    for row, label, margin in zip(
        outputs.tolist(), targets.tolist(), margins_of(outputs, targets), strict=True
    ):
        assert float(margin) == row[label] - max(each for place, each in enumerate(row) if place != label)


def test_a_margin_grows_with_its_class_and_falls_with_the_runner_up():
    outputs, targets = example()
    outputs.requires_grad_()
    (slopes,) = torch.autograd.grad(margins_of(outputs, targets).sum(), outputs)
    for place, (row, label, slope) in enumerate(zip(outputs.tolist(), targets.tolist(), slopes, strict=True)):
        best = max(each for other, each in enumerate(row) if other != label)
        runners_up = [other for other, each in enumerate(row) if other != label and each == best]
        assert len(runners_up) == (4 if place == 3 else 1)
        expected = torch.zeros(5, dtype=torch.float64)
        expected[label] = 1
        expected[runners_up] = -1 / len(runners_up)
        assert torch.equal(slope, expected)


def test_no_gradient_is_scattered_which_cuda_could_not_capture():
    class Operators(TorchDispatchMode):
        def __torch_dispatch__(self, operator, types, given=(), named=None):
            seen.add(operator.name())
            return operator(*given, **(named or {}))

    seen: set[str] = set()
    outputs = torch.randn(5, 3, requires_grad=True)
    with Operators():
        torch.autograd.grad(margins_of(outputs, torch.arange(5) % 3).sum(), outputs)
    assert not [each for each in seen if "scatter" in each or "index_put" in each]
