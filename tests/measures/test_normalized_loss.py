"""The normalized loss of Liao et al. against its formula, and the networks that it is not defined for."""

import copy
import math
import statistics

import pytest
import torch


def frobenius(weight):
    return math.sqrt(sum(entry**2 for entry in weight.flatten().tolist()))


def test_normalized_loss(small_fit, logits, weights):
    targets = small_fit.roots["targets"]
    rho = math.prod(frobenius(weight) for weight in weights[0])
    cross_entropy = torch.nn.functional.cross_entropy
    assert small_fit["normalized_cross_entropy"] == pytest.approx(
        cross_entropy(logits / rho, targets).item(), rel=1e-12
    )
    assert small_fit["normalized_cross_entropy[scale=50]"] == pytest.approx(
        cross_entropy(50 * logits / rho, targets).item()
    )
    ones = math.prod(weight.abs().sum().item() for weight in weights[0])
    assert small_fit["normalized_cross_entropy[norm=l1]"] == pytest.approx(
        cross_entropy(logits / ones, targets).item()
    )
    assert small_fit["output_normalized_cross_entropy"] == pytest.approx(
        cross_entropy(logits / logits[0].norm(), targets).item()
    )
    own = logits.gather(1, targets[:, None]).squeeze(1)
    mean_margin = ((own - logits.mean(1)) / rho).mean().item()
    assert small_fit["normalized_mean_margin"] == pytest.approx(mean_margin)
    largest = (logits.amax(1) / rho).tolist()
    assert small_fit["normalized_top_output"] == pytest.approx(statistics.mean(largest))
    assert small_fit["normalized_top_output[statistic=deviation]"] == pytest.approx(statistics.stdev(largest))


def test_the_normalized_loss_is_that_of_the_network_with_normalized_layers(small_fit, weights):
    before = small_fit["normalized_cross_entropy"]
    with torch.no_grad():
        for parameter in small_fit.roots["model"].parameters():
            parameter.div_(parameter.norm())
    assert small_fit["train_loss"] == pytest.approx(before, rel=1e-12)
    assert small_fit["normalized_cross_entropy"] == pytest.approx(before, rel=1e-12)


class Residual(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(3, 3, bias=False), torch.nn.Linear(3, 3, bias=False)

    def forward(self, inputs):
        hidden = self.first(inputs).relu()
        return hidden + self.second(hidden)


@pytest.mark.parametrize(
    "build",
    [
        Residual,
        lambda: torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3)),
        lambda: torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 3)),
    ],
    ids=["residual", "tanh", "layer norm"],
)
@pytest.mark.parametrize("name", ["normalized_cross_entropy", "normalized_margin", "normalized_top_output"])
def test_norms_do_not_factor_out_of_every_network(fit, build, name):
    torch.manual_seed(0)
    found = fit(build(), torch.randn(10, 3), torch.arange(10) % 3)
    value = found.value(name)
    assert (value.status, value.value) == ("not_applicable", None)
    assert "not homogeneous in each of its layers" in value.reason
    assert math.isfinite(found["output_normalized_cross_entropy"])


def test_later_biases_are_scaled_along_as_where_batch_norm_is_absorbed(fit):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5), torch.nn.ReLU(), torch.nn.Linear(5, 3)
    )
    model[1].running_mean.uniform_(-1, 1)
    model[1].running_var.uniform_(1, 2)
    found = fit(model.eval(), torch.randn(10, 3), torch.arange(10) % 3)
    with torch.no_grad():
        scale = model[1].weight / (model[1].running_var + model[1].eps).sqrt()
        shift = model[1].bias + scale * (model[0].bias - model[1].running_mean)
        rho = torch.cat([scale[:, None] * model[0].weight, shift[:, None]], 1).norm() * model[3].weight.norm()
        loss = torch.nn.functional.cross_entropy(model(found.roots["inputs"]) / rho, found.roots["targets"])
    assert found["normalized_cross_entropy"] == pytest.approx(loss.item(), rel=1e-6)


def test_the_first_bias_belongs_to_the_first_layer(fit):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2, bias=False))
    found = fit(model, torch.randn(10, 3), torch.arange(10) % 2)
    with torch.no_grad():
        logits = model(found.roots["inputs"])
        rho = torch.cat([model[0].weight, model[0].bias[:, None]], 1).norm() * model[2].weight.norm()
    loss = torch.nn.functional.cross_entropy(logits / rho, found.roots["targets"])
    assert found["normalized_cross_entropy"] == pytest.approx(loss.item(), rel=1e-12)


class HeadFirst(torch.nn.Module):
    """Two layers, of which the last one called is the first one defined."""

    def __init__(self):
        super().__init__()
        self.head, self.body = torch.nn.Linear(4, 2, bias=False), torch.nn.Linear(3, 4)

    def forward(self, inputs):
        return self.head(self.body(inputs).relu())


def test_the_first_layer_is_the_one_called_first(fit):
    torch.manual_seed(0)
    model = HeadFirst()
    found = fit(model, torch.randn(10, 3), torch.arange(10) % 2)
    body = torch.cat([model.body.weight, model.body.bias[:, None]], 1)
    assert found["prod_fro_norm"] == pytest.approx((body.norm() * model.head.weight.norm()).item())


def test_layers_that_are_zero_cannot_be_scaled_to_norm_one(fit):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    found = fit(model, torch.randn(10, 3), torch.arange(10) % 2, initial_model=copy.deepcopy(model))
    for name in (
        "normalized_cross_entropy", "normalized_mean_margin", "normalized_top_output", "prod_fro_norm",
    ):  # fmt: skip
        assert "layer '0.weight' is zero" in found.value(name).reason
    for name in ("fro_over_spec", "log_spec_orig_main", "log_spec_init_main"):
        assert "layer 1 of 2 is zero" in found.value(name).reason
    assert "path norm is zero" in found.value("active_path_share").reason
    assert found["path_norm"] == found["lipschitz_upper"] == 0


def test_huge_norms_leave_digits_in_the_loss_above_chance(fit):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4, bias=False), torch.nn.Linear(4, 2, bias=False)).double()
    with torch.no_grad():
        model[0].weight.mul_(1e-3)
        model[1].weight[0].mul_(1e12)
    found = fit(model, torch.randn(10, 3) * 1e-12, torch.arange(10) % 2)
    small = found["normalized_cross_entropy[minus_chance=true]"]
    assert 0 < abs(small) < 1e-11
    assert small == pytest.approx(-found["normalized_mean_margin"], rel=1e-6)
