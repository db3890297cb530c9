"""Per-example gradients from layer inputs and output gradients, against one backward pass for each example."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

import genbench
from genbench.models.rnn import rnn
from genbench.networks import gradient_products as engine
from genbench.networks import layer_gradients
from genbench.networks.gradient_products import has_small_factors
from genbench.networks.passes import at_most
from genbench.probes.gradients import batch_gradients, gradient_gram, gradient_moments

CPU = torch.device("cpu")


class Residual(nn.Module):
    """A convolution that is called twice, at two sizes, and a skip connection."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu_(self.norm(self.twice(self.first(x))) + self.first(x))
        return self.out(self.twice(F.avg_pool2d(x, 2)).mean((2, 3)))


class Twice(nn.Module):
    """A wide convolution that is called at two sizes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 16, 1)
        self.twice = nn.Conv2d(16, 16, 3, padding=1)
        self.out = nn.Linear(16, 3)

    def forward(self, x):
        x = torch.tanh(self.twice(self.first(x)))
        return self.out(self.twice(F.pad(x, (0, 2, 0, 0))).mean((2, 3)))


class Functional(nn.Module):
    """A weight that is used otherwise than by calling its layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(50, 3)

    def forward(self, x):
        return F.linear(x.flatten(1), self.layer.weight.square(), self.layer.bias)


class Grown(nn.Module):
    """The examples' order of the batch is mixed with the positions inside."""

    def __init__(self):
        super().__init__()
        self.rows = nn.Linear(5, 4)
        self.out = nn.Linear(40, 3)

    def forward(self, x):
        return self.out(torch.tanh(self.rows(x.reshape(-1, 5))).reshape(len(x), -1))


def tied():
    first, second = nn.Linear(50, 50), nn.Linear(50, 50)
    second.weight = first.weight
    return nn.Sequential(nn.Flatten(), first, nn.Tanh(), second, nn.Linear(50, 3))


def frozen():
    model = nn.Sequential(nn.Flatten(), nn.Linear(50, 6), nn.ReLU(), nn.Linear(6, 3))
    model[1].weight.requires_grad_(False)
    return model


STRUCTURED = {
    "mlp": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(50, 7), nn.LayerNorm(7), nn.ReLU(inplace=True), nn.Linear(7, 3, bias=False)
    ),
    "batch norm": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(50, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 3)
    ),
    "strides": lambda: nn.Sequential(
        nn.Conv2d(2, 6, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 8, (1, 3), padding="same", padding_mode="reflect", dilation=(1, 1)),
        nn.GroupNorm(2, 8),
        nn.Tanh(),
        nn.Conv2d(8, 4, 2, dilation=2, bias=False),
        nn.Flatten(),
        nn.Linear(4, 3),
    ),
    "shifted": lambda: nn.Sequential(
        nn.Conv2d(2, 16, 1),
        nn.Tanh(),
        nn.Conv2d(16, 16, (3, 2), padding="same", dilation=(1, 2), padding_mode="circular"),
        nn.Tanh(),
        nn.Conv2d(16, 6, (2, 3), padding=(2, 0), bias=False),
        nn.Flatten(),
        nn.Linear(144, 3),
    ),
    "groups": lambda: nn.Sequential(
        nn.Conv2d(2, 6, 3, groups=2), nn.Tanh(), nn.Conv2d(6, 6, 3, groups=6), nn.Flatten(), nn.Linear(6, 3)
    ),
    "positions": lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Flatten(), nn.Linear(40, 3)),
    "sequence": lambda: nn.Sequential(
        nn.Flatten(2), nn.Conv1d(2, 4, 5, stride=3), nn.Flatten(), nn.Linear(28, 3)
    ),
    "large kernel": lambda: nn.Sequential(nn.Conv2d(2, 64, 4), nn.Flatten(), nn.Linear(256, 3)),
    "recurrent": lambda: rnn(genbench.Task("classification", (2, 5, 5), 3), cell="gru", width=6),
    "residual": Residual,
    "shifted twice": Twice,
    "frozen": frozen,
}
OTHERS = {
    "tied": tied,
    "functional": Functional,
    "mixed positions": Grown,
    "parametrized": lambda: nn.Sequential(nn.Flatten(), parametrizations.weight_norm(nn.Linear(50, 3))),
    "fused": lambda: nn.Sequential(nn.Flatten(2), FusedRecurrent()),
    "transposed": lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 3), nn.Flatten(), nn.Linear(98, 3)),
}


class FusedRecurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(25, 3, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0][:, -1]


def built(make, dtype=torch.float64):
    torch.manual_seed(0)
    model = make().to(dtype)
    model(torch.randn(20, 2, 5, 5, dtype=dtype))  # running statistics
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model.eval(), torch.randn(9, 2, 5, 5, dtype=dtype), torch.arange(9) % 3


def task(kind="classification"):
    return genbench.Task(kind, (2, 5, 5), 3)


def one_by_one(model, inputs, targets, loss=F.cross_entropy):
    """Gradients of the examples' losses, shape (n, parameters)."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    rows = []
    for x, y in zip(inputs, targets, strict=True):
        value = loss(model(x.unsqueeze(0)), y.unsqueeze(0))
        gradients = torch.autograd.grad(value, parameters)
        rows.append(torch.cat([each.flatten() for each in gradients]))
    return torch.stack(rows)


@pytest.mark.parametrize("name", [*STRUCTURED, *OTHERS])
def test_inner_products_and_moments(name):
    model, inputs, targets = built((STRUCTURED | OTHERS)[name])
    assert (layer_gradients.trained_layers(model, inputs[:3]) is not None) == (name in STRUCTURED)
    gradients = one_by_one(model, inputs, targets)
    products = gradients @ gradients.T
    with torch.no_grad():
        gram = gradient_gram(model, inputs, targets, task(), CPU)
        moments = gradient_moments(model, inputs, targets, task(), CPU, powers=4)
    torch.testing.assert_close(gram.products, products, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gram.norms, gradients.norm(dim=1))
    torch.testing.assert_close(moments.squared_norms, products.diagonal(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(moments.mean.sort()[0], gradients.mean(0).sort()[0], rtol=1e-9, atol=1e-12)
    for exponent, found in enumerate(moments.powers, start=1):
        expected = gradients.pow(exponent).mean(0).sort()[0]
        torch.testing.assert_close(found.sort()[0], expected, rtol=1e-9, atol=1e-12)
    assert not any(module._forward_hooks for module in model.modules())


def test_regression_differentiates_the_mean_squared_error():
    model, inputs, _ = built(STRUCTURED["mlp"])
    targets = torch.randn(9, 3, dtype=torch.float64)
    gradients = one_by_one(model, inputs, targets, F.mse_loss)
    gram = gradient_gram(model, inputs, targets, task("regression"), CPU)
    torch.testing.assert_close(gram.products, gradients @ gradients.T)


@pytest.mark.parametrize("name", ["strides", "shifted", "large kernel", "recurrent", "tied"])
def test_neither_chunks_nor_groups_of_layers_change_anything(name, monkeypatch):
    model, inputs, targets = built((STRUCTURED | OTHERS)[name])
    whole = gradient_gram(model, inputs, targets, task(), CPU)
    moments = gradient_moments(model, inputs, targets, task(), CPU, powers=4)
    monkeypatch.setattr(engine, "_KEPT", 2000)
    monkeypatch.setattr(engine, "_KEPT_BYTES", 2000 * 8)
    monkeypatch.setattr(engine, "_BLOCK", 4)
    monkeypatch.setattr(layer_gradients, "_WRITTEN_OUT", 500)
    monkeypatch.setitem(engine.chunks.__globals__["_CHUNK"], "cpu", 4 * 4 * 50)
    again = gradient_gram(model, inputs, targets, task(), CPU)
    torch.testing.assert_close(again.cosines, whole.cosines)
    torch.testing.assert_close(again.norms, whole.norms)
    in_parts = gradient_moments(model, inputs, targets, task(), CPU, powers=4)
    for field in ("squared_norms", "powers"):
        torch.testing.assert_close(getattr(in_parts, field), getattr(moments, field))


def test_large_layers_are_split_between_passes(monkeypatch):
    model, inputs, _ = built(STRUCTURED["strides"])
    monkeypatch.setattr(engine, "_KEPT_BYTES", 9 * 60 * inputs.element_size())
    layers = layer_gradients.trained_layers(model, inputs[:3])
    groups = list(engine._groups(model, layers, inputs[:1], 9))
    assert len(groups) > len(layers)
    assert all(sum(unit.numbers for unit in group) <= 60 or len(group) == 1 for group in groups)


def test_gradients_of_well_fitted_examples_keep_their_direction():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    inputs, targets = torch.randn(6, 4), torch.arange(6) % 3
    model[2].weight.data *= 0
    model[2].bias.data = torch.tensor([160.0, 0.0, 0.0])
    targets[:] = 0
    plain = genbench.Task("classification", (4,), 3)
    gram = gradient_gram(model, inputs, targets, plain, CPU)
    expected = gradient_gram(model.double(), inputs.double(), targets, plain, CPU)
    assert gram.norms.max() < 1e-60  # the squares are out of the range of single precision
    torch.testing.assert_close(gram.cosines, expected.cosines, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gram.norms, expected.norms, rtol=1e-5, atol=0)


def test_a_vanishing_gradient_has_no_direction():
    model = nn.Sequential(nn.Linear(2, 2, bias=False)).double()
    model[0].weight.data = torch.eye(2, dtype=torch.float64)
    inputs = torch.tensor([[0.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
    plain = genbench.Task("classification", (2,), 2)
    gram = gradient_gram(model, inputs, torch.tensor([0, 1]), plain, CPU)
    torch.testing.assert_close(gram.cosines, torch.diag(torch.tensor([0.0, 1.0], dtype=torch.float64)))
    assert gram.norms[0] == 0


@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("name", ["strides", "mlp"])
@pytest.mark.parametrize("orders", [1, 2])
@pytest.mark.parametrize("at_once", [True, False])
def test_batches_have_the_gradients_of_their_mean_loss(name, chunk, orders, at_once, monkeypatch):
    model, inputs, targets = built(STRUCTURED[name])
    monkeypatch.setattr("genbench.probes.gradients.has_small_factors", lambda *_: at_once)
    gradients = one_by_one(model, inputs, targets)
    generator = torch.Generator().manual_seed(5)
    divided = [torch.randperm(9, generator=generator).split([5, 4]) for _ in range(orders)]
    mean = gradients.mean(0)
    spreads = [
        sum(len(some) * (gradients[some].mean(0) - mean).square().sum() for some in each) for each in divided
    ]
    with at_most(chunk or 9):
        found = batch_gradients(
            model, inputs, targets, task(), CPU, generator.manual_seed(5), batch=4, batches=2 * orders
        )
    torch.testing.assert_close(found.spread, torch.stack(spreads).mean())
    torch.testing.assert_close(found.squared_norm_of_mean, mean.square().sum())
    assert (found.batches, found.examples) == (2, 9)
    with pytest.raises(genbench.NotApplicable, match="no two batches"):
        batch_gradients(model, inputs, targets, task(), CPU, generator, batch=5)


def test_patches_are_worth_it_where_they_are_few():
    wide = nn.Sequential(nn.Conv2d(2, 8, 4), nn.Flatten(), nn.Linear(32, 200), nn.Linear(200, 3))
    inputs = torch.randn(5, 2, 5, 5)
    # 2 · 2 patches with 2 · 16 numbers and 8 derivatives, and what enters and leaves the other layers.
    numbers = 4 * (32 + 8) + 32 + 200 + 200 + 3
    parameters = sum(each.numel() for each in wide.parameters())
    limit = parameters // (2 * numbers)
    assert has_small_factors(wide, inputs, limit)
    assert not has_small_factors(wide, inputs, limit + 1)
    assert has_small_factors(nn.Linear(5, 3), torch.randn(2, 5), 1000)
    assert not has_small_factors(nn.Sequential(nn.LSTM(3, 4), Last()), torch.randn(2, 5, 3), 1)


class Last(nn.Module):
    """What a recurrent layer says at the last position."""

    def forward(self, states):
        return states[0][:, -1]


def test_only_some_examples_where_asked_for():
    model, inputs, targets = built(STRUCTURED["mlp"])
    some = gradient_gram(model, inputs, targets, task(), CPU, examples=3)
    whole = gradient_gram(model, inputs, targets, task(), CPU)
    torch.testing.assert_close(some.cosines, whole.cosines[::4, ::4])
    assert some.targets.tolist() == [0, 1, 2]


def test_networks_without_gradients_of_single_examples_are_refused():
    inputs, targets = torch.randn(6, 4), torch.arange(6) % 2
    plain = genbench.Task("classification", (4,), 2)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False), nn.Linear(3, 2))
    with pytest.raises(genbench.NotApplicable, match="batch norm '1' keeps no running statistics"):
        gradient_gram(model.eval(), inputs, targets, plain, CPU)
    with pytest.raises(genbench.NotApplicable, match="no parameters that are trained"):
        gradient_moments(nn.Linear(4, 2).requires_grad_(False), inputs, targets, plain, CPU)
    with pytest.raises(genbench.NotApplicable, match="one output"):
        gradient_gram(nn.Linear(4, 1), inputs, targets, plain, CPU)
