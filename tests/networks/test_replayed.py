"""Functions whose operators alone are called: the same bits, also of what they draw and change."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from genbench.networks import replayed
from genbench.networks.operators import CannotRecord, Recorder
from genbench.networks.replayed import Replayed

CALLS = 8


def batches(shape=(5, 4), count=CALLS):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def gradients_of(model, loss=lambda outputs: outputs.square().mean()):
    parameters = list(model.parameters())

    def function(inputs):
        value = loss(model(inputs))
        return (value.detach(), *torch.autograd.grad(value, parameters, allow_unused=True))

    return function


def network(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), *layers, nn.Linear(6, 3))


class Gated(nn.Module):
    """One weight used twice, one not at all, a constant, a view of a weight and a cut of it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.randn(4, 4))
        self.unused = nn.Parameter(torch.randn(3))

    def forward(self, inputs):
        hidden = inputs @ self.weight + torch.tensor(0.5) * torch.ones(4)
        first, second = (hidden @ self.weight.t()[:, :4]).chunk(2, dim=1)
        return first * torch.sigmoid(second)


NETWORKS = {
    "plain": lambda: network(nn.ReLU()),
    "in place": lambda: network(nn.ReLU(inplace=True)),
    "normalized": lambda: network(nn.BatchNorm1d(6), nn.GELU()),
    "layer norm": lambda: network(nn.LayerNorm(6), nn.Tanh()),
    "dropout": lambda: network(nn.Dropout(0.3)),
    "gated": Gated,
    "recurrent": lambda: nn.Sequential(nn.Unflatten(1, (2, 2)), Last(nn.LSTM(2, 3, batch_first=True))),
    "double": lambda: network(nn.SiLU()).double(),
}


class Last(nn.Module):
    def __init__(self, layer):
        super().__init__()
        torch.manual_seed(0)
        self.layer = layer

    def forward(self, inputs):
        return self.layer(inputs)[0][:, -1]


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_buffers_and_draws_have_the_same_bits(name):
    found = []
    for by_operators in (False, True):
        model = NETWORKS[name]()
        function = gradients_of(model)
        called = Replayed(function) if by_operators else function
        torch.manual_seed(2)
        results = [called(each.to(next(model.parameters()).dtype)) for each in batches()]
        found.append((results, [*model.buffers()], torch.get_rng_state()))
        if by_operators:
            # Of what oneDNN's recurrent layers leave for their backward pass, Python sees a part.
            assert called.replays is (name != "recurrent")
    for one, other in zip(*(each[0] for each in found), strict=True):
        assert all(a is b is None or torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert all(map(torch.equal, found[0][1], found[1][1]))
    assert torch.equal(found[0][2], found[1][2])


def test_weights_that_are_changed_in_place_are_seen():
    model = network(nn.ReLU())
    function = gradients_of(model)
    called = Replayed(function)
    for each in batches():
        assert all(map(torch.equal, called(each), function(each)))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.9)
    assert called.replays


def test_a_generator_of_its_own_goes_on_as_it_would():
    def function(generator):
        return lambda inputs: (inputs * torch.rand(inputs.shape, generator=generator),)

    one, other = torch.Generator().manual_seed(4), torch.Generator().manual_seed(4)
    plain, called = function(one), Replayed(function(other), [other])
    for each in batches():
        assert torch.equal(plain(each)[0], called(each)[0])
    assert called.replays
    assert torch.equal(one.get_state(), other.get_state())


def looks(inputs):
    return (inputs * 2 if inputs.sum() > 0 else -inputs,)


def leaves(inputs):
    return (torch.as_tensor(inputs.numpy() + 1),)


def picks(inputs):
    return (inputs[inputs > 0],)


class Counts:
    """Keeps a number on the host."""

    def __init__(self):
        self.calls = 0

    def __call__(self, inputs):
        self.calls += 1
        return (inputs * self.calls,)


class Notes:
    """Keeps a tensor in another place at each call."""

    def __init__(self):
        self.last = torch.zeros(5, 4)

    def __call__(self, inputs):
        self.last = self.last + inputs
        return (self.last,)


@pytest.mark.parametrize("make", [lambda: looks, lambda: leaves, lambda: picks, Counts, Notes])
def test_what_is_more_than_its_operators_stays_a_function(make):
    plain, called = make(), Replayed(make())
    for each in batches():
        assert torch.equal(plain(each)[0], called(each)[0])
    assert called.replays is False


def test_what_was_done_before_a_value_was_looked_at_is_done_once():
    def adding(total):
        def function(inputs):
            total.add_(torch.rand(()) * inputs.sum())
            return (total * 2 if total > 0 else total,)

        return function

    totals = [torch.zeros(()), torch.zeros(())]
    plain, called = adding(totals[0]), Replayed(adding(totals[1]))
    for draw, each in enumerate(batches()):
        torch.manual_seed(draw)
        expected = plain(each)[0].clone()
        torch.manual_seed(draw)
        assert torch.equal(called(each)[0], expected)
    assert torch.equal(*totals)


def test_one_tensor_given_twice_stays_a_function():
    called = Replayed(lambda one, other: (one * 2 - other,))
    for each in batches():
        assert torch.equal(called(each, each)[0], each)
    assert called.replays is False


def test_much_memory_is_not_held_twice(monkeypatch):
    monkeypatch.setattr(replayed, "MOST_BYTES", 100)
    called = Replayed(gradients_of(network(nn.ReLU())))
    for each in batches():
        called(each)
    assert called.replays is False


def test_sparse_gradients_stay_calls():
    torch.manual_seed(0)
    table = nn.Embedding(7, 3, sparse=True)
    rows = [torch.randint(7, (5,)) for _ in range(CALLS)]

    def function(chosen):
        table.zero_grad()
        F.relu(table(chosen)).sum().backward()
        return (table.weight.grad.to_dense(),)

    called = Replayed(function)
    assert all(torch.equal(called(each)[0], function(each)[0]) for each in rows)


def test_nothing_that_a_call_made_is_held():
    """A program needs no more memory than the function."""

    class Living(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.made = weakref.WeakSet()
            self.most = 0

        def __torch_dispatch__(self, operator, types, given=(), named=None):
            found = operator(*given, **(named or {}))
            self.made.add(found)
            self.most = max(self.most, len(self.made))
            return found

    called = Replayed(lambda inputs: (inputs.exp().exp().exp().exp().exp().sum(),))
    for each in batches():
        called(each)
    assert called.replays
    living, inputs = Living(), batches()[0]
    with living:
        called(inputs)
    assert living.most <= 2


def test_views_through_which_nobody_looks_are_not_made():
    class Noted(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.names = []

        def __torch_dispatch__(self, operator, types, given=(), named=None):
            self.names.append(operator.overloadpacket.__name__)
            return operator(*given, **(named or {}))

    def function(inputs):
        _, used = inputs.t(), inputs.view(-1)
        return (used.exp(),)

    called = Replayed(function)
    for each in batches():
        called(each)
    inputs = batches()[0]
    with Noted() as noted:
        called(inputs)
    assert noted.names == ["view", "exp"]


def test_who_records_is_told_what_cannot_be():
    recorder = Recorder()
    with pytest.raises(CannotRecord, match="_local_scalar_dense"), recorder.recording():
        torch.ones(2).sum().item()


def test_it_is_gone_when_nobody_holds_it():
    called = Replayed(gradients_of(network(nn.ReLU())))
    for each in batches():
        called(each)
    gone = weakref.ref(called)
    gc.disable()
    try:
        del called
        assert gone() is None
    finally:
        gc.enable()
