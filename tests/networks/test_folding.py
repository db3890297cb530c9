"""Folding batch norm must leave the function alone, and say so where it cannot."""

import pytest
import torch
from torch import nn

import genbench
from genbench.networks.folding import fold_plan, folded_copy
from genbench.networks.kinds import is_batch_norm
from genbench.networks.layers import weight_layers


class Residual(nn.Module):
    """Pre-activation block: the first batch norm is read by two convolutions and follows none of its own."""

    def __init__(self, after=nn.ReLU):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.activation = after()
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1, stride=2, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.shortcut = nn.Conv2d(8, 8, 1, stride=2)
        self.norm3 = nn.BatchNorm2d(8)
        self.pool = nn.AvgPool2d(2)
        self.flatten = nn.Flatten()
        self.out = nn.Linear(8 * 4, 5)

    def forward(self, x):
        x = self.stem(x)
        pre = self.activation(self.norm1(x))
        y = self.conv2(torch.relu(self.norm2(self.conv1(pre)))) + self.shortcut(pre) + self.pool(x)
        return self.out(self.flatten(self.pool(self.activation(self.norm3(y)))))


def scrambled(model):
    """Batch norms with statistics, scales (of both signs) and shifts that matter."""
    torch.manual_seed(0)
    for module in model.modules():
        if is_batch_norm(module):
            module.running_mean.normal_()
            module.running_var.uniform_(0.3, 3)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return model.double().eval()


CHAIN = [nn.Conv2d(3, 6, 3), nn.Dropout(0.3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 4)]


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(*CHAIN, nn.BatchNorm1d(4, affine=False)),
        Residual(),
        nn.Sequential(
            nn.Flatten(), nn.Linear(192, 7, bias=False), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 4)
        ),
    ],
    ids=["chain", "pre-activation", "linear"],
)
def test_the_function_stays_the_same(model):
    model = scrambled(model)
    inputs = torch.randn(5, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(folded_copy(model)(inputs), model(inputs), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(folded_copy(model, fold=False)(inputs), model(inputs))


def test_folded_batch_norms_have_scale_one():
    for norm in folded_copy(scrambled(Residual())).modules():
        if isinstance(norm, nn.BatchNorm2d):
            torch.testing.assert_close(norm.weight.abs(), torch.ones_like(norm.weight))


def test_the_scale_of_batch_norm_drops_out_of_the_folded_weights():
    model = scrambled(Residual())
    before = [layer.weight for layer in weight_layers(folded_copy(model))]
    with torch.no_grad():
        model.conv1.weight.mul_(7)
        model.norm2.running_mean.mul_(7)
        model.norm2.running_var.copy_((model.norm2.running_var + model.norm2.eps) * 49 - model.norm2.eps)
    after = [layer.weight for layer in weight_layers(folded_copy(model))]
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(old, new)


def test_a_plan_says_which_side_takes_the_norm():
    plan = fold_plan(Residual())
    assert plan.behind == {"conv1": "norm2"}
    assert plan.before == {"conv1": "norm1", "shortcut": "norm1", "out": "norm3"}


def test_the_original_is_not_touched():
    model = scrambled(Residual()).float()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folded_copy(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else self.norm(x)


def reused():
    norm = nn.BatchNorm1d(4)
    return nn.Sequential(nn.Linear(4, 4), norm, nn.Linear(4, 4), norm)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Residual(after=nn.GELU), "batch norm 'norm1' cannot be folded"),
        (Branching(), "tracing fails"),
        (nn.Sequential(nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)), "batch norm '0' cannot be folded"),
        (reused(), "batch norm '1' cannot be folded"),
        (
            nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False)),
            "no running statistics",
        ),
    ],
    ids=["gelu", "branching", "tanh", "reused", "no statistics"],
)
def test_what_cannot_be_folded_is_refused_with_the_reason(model, said):
    with pytest.raises(genbench.NotApplicable, match=said):
        folded_copy(model.eval())


def test_parametrized_weights_are_read_as_they_act():
    layer = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    with torch.no_grad():
        layer.parametrizations.weight.original0.mul_(5)
    (found,) = weight_layers(folded_copy(nn.Sequential(layer).eval()))
    torch.testing.assert_close(found.weight, layer.weight.detach().double())
