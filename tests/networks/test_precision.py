"""Networks that mention a precision have the values of their twins that do not."""

import copy

import pytest
import torch
from torch import nn

import genbench
from genbench.fitting.fit import normalized_losses
from genbench.networks.copying import copy_of
from genbench.networks.precision import widen_where_needed

torch.manual_seed(0)
BODY = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
DATA = torch.randn(16, 6), torch.arange(16) % 3
NAMES = [
    "depth", "path_norm", "linear_path_norm", "param_norm", "linear_regions", "normalized_margin",
    "inverse_margin", "hessian_trace", "fisher_rao", "grad_norm_train", "log_prod_of_spec",
]  # fmt: skip


class Mentioning(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.body, self.way = copy.deepcopy(BODY), way
        self.eye, self.kept = torch.eye(6), [torch.zeros(8)]

    def forward(self, inputs):
        return getattr(self, self.way)(inputs)

    def plain(self, inputs):
        return self.body(inputs)

    def cast(self, inputs):
        return self.body(inputs.float())

    def cast_by_dtype(self, inputs):
        return self.body(inputs.to(dtype=torch.float32))

    def constant(self, inputs):
        return self.body(inputs @ self.eye)

    def new(self, inputs):
        return torch.cat([self.body(inputs), torch.zeros(len(inputs), 0)], 1) + torch.zeros(
            3, dtype=torch.float32
        )

    def new_by_values(self, inputs):
        return self.body(torch.addmm(torch.tensor([0.0] * 6), inputs, torch.eye(6)))

    def written_to(self, inputs):
        kept = self.kept[0]
        kept.zero_().add_(1)
        return self.body[2:](torch.einsum("i,ni->ni", kept, self.body[:2](inputs)))

    def last(self, inputs):
        return self.body(inputs).float()


MENTIONS = ["cast", "cast_by_dtype", "constant", "new", "new_by_values", "written_to", "last"]


@pytest.fixture(scope="module")
def right():
    return genbench.evaluate(Mentioning("plain"), *DATA, measures=NAMES)


@pytest.mark.parametrize("way", MENTIONS)
def test_values_are_those_of_the_plain_twin(right, way):
    model = Mentioning(way)
    found = genbench.evaluate(model, *DATA, measures=NAMES)
    for name in NAMES:
        assert str(found[name].status) == str(right[name].status), (name, found[name].reason)
        assert found[name].value == pytest.approx(right[name].value, rel=1e-5), name
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


@pytest.mark.parametrize("way", MENTIONS)
def test_a_wide_copy_does_not_round(way):
    model = Mentioning(way).eval()
    widen_where_needed(model, DATA[0])
    with torch.no_grad():
        found = copy_of(model).double()(DATA[0].double())
        assert torch.allclose(found, copy.deepcopy(BODY).double()(DATA[0].double()), rtol=1e-14, atol=1e-14)
        assert model(DATA[0]).dtype == torch.float32


def test_a_network_that_fails_leaves_nothing_behind():
    model = Mentioning("cast")
    widen_where_needed(model, DATA[0])
    wide = copy_of(model).double()
    with pytest.raises(RuntimeError):
        wide(torch.zeros(2, 5))
    assert torch.zeros(1).float().dtype == torch.float32


def test_what_no_cast_mends_and_what_needs_none_is_left_alone():
    for model in (Mentioning("plain"), BODY, Mentioning("cast").double()):
        widen_where_needed(model, DATA[0])
        assert not model._forward_pre_hooks
    widen_where_needed(model := Mentioning("cast"), torch.zeros(2, 5))
    assert not model._forward_pre_hooks


def test_normalized_losses_of_training_are_those_of_the_plain_twin():
    task, data = genbench.Task("classification", (6,), 3), {"train": DATA}
    found, right = (
        normalized_losses(Mentioning(way), task, data, torch.device("cpu")) for way in ("cast", "plain")
    )
    assert None not in right.values()
    assert found == pytest.approx(right, rel=1e-6)
