"""Calibration on the training data and information criteria, by loops over examples."""

import math

import pytest
import torch
from torch import nn


@pytest.fixture
def off(fit):
    """Outputs given as inputs, so that confidences are known; some examples are twice in the data."""
    generator = torch.Generator().manual_seed(0)
    outputs = 2 * torch.randn(40, 3, generator=generator, dtype=torch.float64)
    outputs[30:] = outputs[:10]
    model = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.eye(3))
    return fit(model, outputs, torch.arange(40) % 3)


def examples(off):
    """Confidence and whether it was right, example by example."""
    found = []
    for row, target in zip(off.roots["inputs"].tolist(), off.roots["targets"].tolist(), strict=True):
        shares = [math.exp(value) for value in row]
        best = max(range(3), key=lambda place: row[place])
        found.append((shares[best] / sum(shares), best == target))
    return found


def test_bins_of_equal_width(off):
    bins = {}
    for confidence, right in examples(off):
        bins.setdefault(math.ceil(confidence * 6), []).append(right - confidence)
    away = [abs(sum(each)) / len(each) for each in bins.values()]
    sizes = [len(each) / 40 for each in bins.values()]
    assert off["expected_calibration_error[bins=6]"] == pytest.approx(
        sum(size * distance for size, distance in zip(sizes, away, strict=True))
    )
    assert off["maximum_calibration_error[bins=6]"] == pytest.approx(max(away))


def test_bins_of_equal_size(off):
    found = examples(off)
    shared = {}
    for confidence, right in found:
        shared.setdefault(round(confidence, 12), []).append(right - confidence)
    ordered = []
    for confidence in sorted(shared):
        ordered += [sum(shared[confidence]) / len(shared[confidence])] * len(shared[confidence])
    bins = [[each for place, each in enumerate(ordered) if place * 7 // 40 == number] for number in range(7)]
    expected = sum(abs(sum(each)) for each in bins) / 40
    assert off["adaptive_ece[bins=7]"] == pytest.approx(expected)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    off.roots |= {name: off.roots[name][order] for name in ("inputs", "targets")}
    assert off["adaptive_calibration_error[bins=7]"] == pytest.approx(expected)


def test_one_bin_holds_what_confidence_and_accuracy_are_off_in_all(off):
    surplus = sum(right - confidence for confidence, right in examples(off)) / 40
    for name in ("expected_calibration_error", "maximum_calibration_error", "adaptive_calibration_error"):
        assert off[f"{name}[bins=1]"] == pytest.approx(abs(surplus))


def test_information_criteria(off):
    deviance = 2 * 40 * off["train_loss"]
    assert off["nll"] == off["train_loss"]
    assert off["aic"] == pytest.approx(2 * 9 + deviance)
    assert off["aic[corrected=true]"] == pytest.approx(2 * 9 + deviance + 2 * 9 * 10 / 30)
    assert off["bic"] == pytest.approx(9 * math.log(40) + deviance)
    assert off["bic[per_example=true]"] == pytest.approx((9 * math.log(40) + deviance) / 40)


def test_information_criteria_of_a_regression(fit):
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    found = fit(model, torch.randn(11, 4), torch.randn(11, 2), kind="regression")
    # 10 weights and biases and one variance; 22 observations.
    deviance = 22 * math.log(found["train_loss"])
    assert found["aic"] == pytest.approx(2 * 11 + deviance)
    assert found["aic[per_example=true]"] == pytest.approx((2 * 11 + deviance) / 11)
    # Hurvich & Tsai 1989 write n ln s² + n (1 + p/n) / (1 − (p + 2)/n), which is larger by n.
    hurvich_tsai = deviance + 22 * (1 + 10 / 22) / (1 - 12 / 22)
    assert found["aic[corrected=true]"] == pytest.approx(hurvich_tsai - 22)
    assert found["bic"] == pytest.approx(11 * math.log(22) + deviance)
    few = fit(model, torch.randn(6, 4), torch.randn(6, 2), kind="regression")
    assert few.value("aic[corrected=true]").reason == "no correction for 11 parameters and 12 observations"


def test_a_regression_that_meets_all_targets_has_no_information_criterion(fit):
    torch.manual_seed(0)
    model, inputs = nn.Linear(4, 1).double(), torch.randn(11, 4).double()
    found = fit(model, inputs, model(inputs).detach(), kind="regression")
    for name in ("aic", "bic"):
        assert "met exactly" in found.value(name).reason


def test_margins_as_exponents(small_fit):
    gamma = small_fit["margin_p10"]
    assert small_fit["exponential_margin"] == pytest.approx(math.exp(-gamma))
    assert small_fit["exponential_margin[shift=2.2]"] == pytest.approx(math.exp(-gamma) / math.exp(2.2))
