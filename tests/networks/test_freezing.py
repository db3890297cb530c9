"""Parts that a network freezes in its forward pass: `no_grad` and `detach` are one thing."""

import pytest
import torch
from torch import nn

import genbench
from genbench.base.errors import NotApplicable
from genbench.networks.freezing import FrozenForwardToo, Unfrozen, slope

torch.manual_seed(0)
BODY = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
DATA = torch.randn(12, 4), torch.arange(12) % 3


class Frozen(nn.Module):
    """The first `parts` modules without gradients."""

    def __init__(self, way, parts=3):
        super().__init__()
        self.body, self.way, self.parts = BODY, way, parts

    def forward(self, inputs):
        if self.way == "detach":
            hidden = self.body[: self.parts](inputs).detach()
        else:
            with torch.no_grad():
                hidden = self.body[: self.parts](inputs)
        return self.body[self.parts :](hidden)


# One of each way to differentiate.
NAMES = [
    "depth", "fisher_rao", "fisher_trace", "grad_norm_train", "coherence_from_batches", "stiffness_cos", "tk_trace",
    "hessian_trace", "sam_sharpness", "input_jacobian_norm", "geometric_complexity", "geometric_margin",
    "adversarial_margin", "interlayer_jacobian", "hidden_jacobian_norm", "margin_jacobian_sum", "linear_path_norm",
    "pgdl_mixup_margin", "sgd_sharpness_a", "noise_scale",
]  # fmt: skip


@pytest.fixture(scope="module")
def values():
    return {way: genbench.evaluate(Frozen(way), *DATA, measures=NAMES) for way in ("detach", "no_grad")}


def test_both_ways_have_the_same_values(values):
    statuses = {name: (str(each.status), each.value) for name, each in values["detach"].items()}
    assert {name: (str(each.status), each.value) for name, each in values["no_grad"].items()} == statuses
    assert "error" not in {status for status, _ in statuses.values()}


def test_hidden_layers_do_not_vanish_by_being_frozen(values):
    assert [float(each["depth"]) for each in values.values()] == [2, 2]


def test_gradients_are_those_of_the_part_that_is_not_frozen(values):
    def losses(weights):
        hidden = BODY[:3](DATA[0]).detach()
        outputs = torch.func.functional_call(BODY[3:], weights, (hidden,))
        return nn.functional.cross_entropy(outputs.double(), DATA[1], reduction="none")

    parameters = dict(BODY[3:].named_parameters())
    rows = torch.func.jacrev(losses)(parameters)
    radial = sum((rows[name].flatten(1) * each.flatten()).sum(1) for name, each in parameters.items())
    expected = (3 + 1) ** 2 * float(radial.detach().double().square().mean())
    assert float(values["no_grad"]["fisher_rao"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("way", ["detach", "no_grad"])
def test_a_network_without_any_gradient_raises_no_errors(way):
    found = genbench.evaluate(Frozen(way, parts=5), *DATA, measures=NAMES)
    assert {str(each.status) for each in found.values()} == {"ok", "not_applicable"}
    assert float(found["depth"]) == 2


def test_a_slope_is_torchs_own_or_not_applicable():
    point = torch.ones(2, requires_grad=True)
    assert torch.equal(slope((3 * point).sum(), point), torch.full((2,), 3.0))
    for values in (point.detach().sum(), torch.ones(1, requires_grad=True).sum()):
        with pytest.raises(NotApplicable, match="cuts its outputs off"):
            slope(values, point)


def test_the_switches_are_as_before_behind_a_block():
    weight = torch.ones(1, requires_grad=True)
    with Unfrozen(), torch.no_grad():
        assert (2 * weight).detach().requires_grad
    for mode in (FrozenForwardToo(), Unfrozen()):
        with pytest.raises(ZeroDivisionError), mode, torch.no_grad():
            raise ZeroDivisionError
        assert torch.is_grad_enabled()
        assert torch._C._is_fwd_grad_enabled()
    with torch.no_grad():
        assert not (2 * weight).requires_grad
