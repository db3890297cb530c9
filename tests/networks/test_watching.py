"""Functions at calls of modules: what they are told, what they change, and that they do not stay."""

import pytest
import torch
from torch import nn

from genbench.networks.watching import counted, watched


class Twice(nn.Module):
    """Calls its layer once with an argument and once with a keyword, and has a layer that it never calls."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.idle = nn.Linear(2, 2)

    def forward(self, inputs):
        return self.layer(input=self.layer(inputs))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Twice()


INPUTS = torch.tensor([[1.0, -2.0]])


def hooks(model):
    return [
        hook for each in model.modules() for hook in [*each._forward_hooks, *each._forward_pre_hooks]
    ]  # fmt: skip


def test_functions_are_told_key_arguments_and_output(model):
    entered, left = [], []
    with watched(
        {"a": model.layer, "b": model.idle},
        before=lambda key, given: entered.append((key, given)),
        after=lambda key, given, output: left.append((key, given, output)),
    ):
        outputs = model(INPUTS)
    assert [key for key, _ in entered] == [key for key, *_ in left] == ["a", "a"]
    assert entered[0][1] == (INPUTS,)
    assert left[1][2] is outputs
    assert torch.equal(outputs, model(INPUTS))
    assert not hooks(model)


def test_what_is_given_by_keywords_is_given_too(model):
    entered, left = [], []
    with watched(
        {"a": model.layer},
        before=lambda _, given: entered.append(given),
        after=lambda _, given, output: left.append((given, output)),
    ):
        model(INPUTS)
    assert entered[1] == left[1][0] == (left[0][1],)


def test_what_is_given_by_keywords_is_replaced_too():
    class Adding(nn.Module):
        def forward(self, first, *, second):
            return first + second

    class Calling(nn.Module):
        def __init__(self):
            super().__init__()
            self.add = Adding()

        def forward(self, inputs):
            return self.add(inputs, second=10 * inputs)

    model = Calling()
    with watched({"": model.add}, before=lambda _, given: tuple(2 * each for each in given)):
        assert torch.equal(model(INPUTS), 22 * INPUTS)


def test_what_is_returned_takes_the_place(model):
    with watched({"": model}, before=lambda _, given: (2 * given[0],), after=lambda *given: given[-1] + 1):
        outputs = model(INPUTS)
    assert torch.equal(outputs, model(2 * INPUTS) + 1)


def test_a_module_under_two_keys_is_watched_under_each(model):
    keys = []
    with watched({1: model, 2: model}, before=lambda key, _: keys.append(key)):
        model(INPUTS)
    assert keys == [1, 2]


def test_functions_are_gone_after_an_error(model):
    def fail(*_):
        raise ValueError("seen enough")

    with (
        pytest.raises(ValueError, match="seen enough"),
        watched({"": model, "layer": model.layer}, after=fail),
    ):
        model(INPUTS)
    assert not hooks(model)


def test_calls_are_counted_in_the_order_of_the_first(model):
    with counted(dict(model.named_modules())) as calls:
        model(INPUTS)
    assert list(calls.items()) == [("", 1), ("layer", 2)]
    assert calls["idle"] == 0
    assert not hooks(model)
