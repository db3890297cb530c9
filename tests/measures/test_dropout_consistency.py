"""Units left out at random, against all ways in which they can be."""

import itertools

import pytest
import torch
from torch import nn

import genbench


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3)).double()


def every_mask(model, inputs, rate):
    """Outputs with each set of hidden units left out, and its probability."""
    hidden = model[1](model[0](inputs)).detach()
    for mask in itertools.product([0.0, 1.0], repeat=4):
        kept = torch.tensor(mask, dtype=torch.float64) / (1 - rate)
        share = (1 - rate) ** sum(mask) * rate ** (4 - sum(mask))
        yield model[2](hidden * kept).detach(), share


@pytest.mark.parametrize("place", [None, nn.Dropout(0.7)])
def test_the_variance_is_that_over_all_masks(fit, place):
    model = network()
    inputs = torch.randn(6, 3, dtype=torch.float64)
    mean = square = wrong = 0.0
    whole = model(inputs).argmax(1)
    for outputs, share in every_mask(model, inputs, 0.3):
        mean = mean + share * outputs.softmax(1)
        square = square + share * outputs.softmax(1) ** 2
        wrong += share * (outputs.argmax(1) != whole).double().mean().item()
    layers = list(model) if place is None else [*model[:2], place, model[2]]
    found = fit(nn.Sequential(*layers), inputs.repeat(300, 1), torch.arange(1800) % 3)
    options = "rate=0.3,draws=40,examples=1800"
    expected = (square - mean**2).sum().item() / 6
    assert found[f"mc_dropout_variance[{options}]"] == pytest.approx(expected, rel=0.03)
    few = found["mc_dropout_variance[rate=0.3,draws=2,examples=1800]"]
    assert few == pytest.approx(expected, rel=0.1)  # half of it, were it over as many as there are draws
    assert found[f"mc_dropout_variance[{options},of=predictions]"] == pytest.approx(wrong, rel=0.05)


def test_one_draw_has_no_variance(fit):
    found = fit(network(), torch.randn(6, 3), torch.arange(6) % 3)
    with pytest.raises(genbench.InvalidInput, match="draws = 1: should be greater than or equal to 2"):
        found.value("mc_dropout_variance[draws=1]")


def test_nothing_left_out_changes_nothing(fit):
    found = fit(network(), torch.randn(6, 3), torch.arange(6) % 3)
    assert found["mc_dropout_variance[rate=0.0]"] == pytest.approx(0, abs=1e-20)


def test_regressions_have_a_variance_of_their_outputs(fit):
    found = fit(network(), torch.randn(6, 3), torch.randn(6, 3), kind="regression")
    assert found["mc_dropout_variance"] > 0
    reason = found.value("mc_dropout_variance[of=predictions]").reason
    assert reason == "defined for classification only"


def test_a_linear_network_has_no_place_for_it(fit):
    found = fit(nn.Linear(3, 3), torch.randn(6, 3), torch.arange(6) % 3)
    assert "no modules" in found.value("mc_dropout_variance").reason


def test_networks_and_random_numbers_stay_as_they_were(fit):
    model = network()
    names = [name for name, _ in model.named_modules()]
    found = fit(model, torch.randn(6, 3), torch.arange(6) % 3)
    before = torch.get_rng_state()
    assert found["mc_dropout_variance"] > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert [name for name, _ in model.named_modules()] == names


def test_dropout_inside_an_encoder_of_torchs_is_not_passed_over(fit):
    class Encoder(nn.Module):
        def __init__(self, batch_first):
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.5, batch_first=batch_first)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            if self.layer.self_attn.batch_first:
                return self.head(self.layer(x).mean(1))
            return self.head(self.layer(x.transpose(0, 1)).mean(0))

    inputs, targets = torch.randn(300, 5, 4), torch.arange(300) % 3
    fast, plain = (
        fit(Encoder(each), inputs, targets)["mc_dropout_variance[draws=20]"] for each in (True, False)
    )
    assert fast > 0
    assert fast == pytest.approx(plain, rel=0.1)
    assert torch.backends.mha.get_fastpath_enabled()
