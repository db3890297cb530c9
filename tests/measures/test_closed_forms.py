"""Measures of a network of three linear layers against their formulas, written out."""

import math
import statistics

import pytest
import torch
from torch import nn

import genbench
from genbench.probes.margins import low_quantile


def spectral(weight):
    return torch.linalg.svdvals(weight)[0].item()


def frobenius(weight):
    return math.sqrt(sum(entry**2 for entry in weight.flatten().tolist()))


def quantile_margin(logits, targets, quantile):
    margins = []
    for outputs, target in zip(logits.tolist(), targets.tolist(), strict=True):
        others = [value for place, value in enumerate(outputs) if place != target]
        margins.append(outputs[target] - max(others))
    return sorted(margins)[max(1, int(quantile * len(margins))) - 1]


@pytest.fixture
def gamma(small_fit, logits):
    return quantile_margin(logits, small_fit.roots["targets"], 0.1)


def test_norms(small_fit, weights, gamma):
    current, _ = weights
    fros = [frobenius(weight) for weight in current]
    log_product = sum(math.log(fro**2) for fro in fros)
    entries = torch.cat([weight.flatten() for weight in current]).tolist()
    margin = 2 * math.log(abs(gamma))
    assert small_fit["num_params"] == 6 * 8 + 8 * 5 + 5 * 3
    assert small_fit["param_norm"] == pytest.approx(sum(fro**2 for fro in fros))
    assert small_fit["l2"] == pytest.approx(math.sqrt(sum(fro**2 for fro in fros)))
    assert small_fit["l1_norm"] == pytest.approx(sum(map(abs, entries)))
    assert small_fit["log_prod_of_fro"] == pytest.approx(log_product)
    assert small_fit["log_prod_of_fro_over_margin"] == pytest.approx(log_product - margin)
    assert small_fit["log_sum_of_fro"] == pytest.approx(math.log(3) + log_product / 3)
    assert small_fit["log_sum_of_fro_over_margin"] == pytest.approx(math.log(3) + (log_product - margin) / 3)


def test_biases_count_where_asked_for(fit):
    torch.manual_seed(0)
    model, initial = (
        torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2)).double() for _ in "ab"
    )
    found = fit(model, torch.randn(4, 3), torch.arange(4) % 2, initial_model=initial)
    entries = [parameter.flatten().tolist() for parameter in model.parameters()]
    squares = [sum(number**2 for number in each) for each in entries]
    assert found["param_norm"] == pytest.approx(squares[0] + squares[2])
    assert found["param_norm[biases=true]"] == pytest.approx(sum(squares))
    product = math.log(squares[0] + squares[1]) + math.log(squares[2] + squares[3])
    assert found["log_prod_of_fro[biases=true]"] == pytest.approx(product)
    moved = sum(
        (now - then).square().sum().item()
        for now, then in zip(model.parameters(), initial.parameters(), strict=True)
    )
    assert found["fro_dist[biases=true]"] == pytest.approx(moved)
    found.roots["initial_model"][1].bias = None
    assert found.value("l2_dist").status == "ok"
    assert "other biases" in found.value("l2_dist[biases=true]").reason


def test_unit_norms(small_fit, weights):
    current, _ = weights
    units = [sum(map(abs, row)) for weight in current for row in weight.tolist()]
    largest = [max(sum(map(abs, row)) for row in weight.tolist()) for weight in current]
    rows = [sum(math.hypot(*row) for row in weight.tolist()) for weight in current]
    entries = [sum(map(abs, weight.flatten().tolist())) for weight in current]
    assert small_fit["fanin_l1_norm"] == pytest.approx(sum(units) / len(units))
    assert small_fit["fanin_l1_norm[aggregate=max]"] == pytest.approx(max(units))
    assert small_fit["l1_rademacher_bound"] == pytest.approx(
        math.log(math.sqrt(2 * math.log(6)) * math.prod(2 * bound for bound in largest) / math.sqrt(40))
    )
    assert small_fit["norm_l21"] == pytest.approx(sum(rows))
    assert small_fit["norm_l21[aggregate=two_thirds]"] == pytest.approx(
        sum(r ** (2 / 3) for r in rows) ** 1.5
    )
    assert small_fit["norm_l11"] == pytest.approx(sum(entries))


def test_distances(small_fit, weights):
    changes = [now - then for now, then in zip(*weights, strict=True)]
    squares = [frobenius(change) ** 2 for change in changes]
    assert small_fit["fro_dist"] == pytest.approx(sum(squares))
    assert small_fit["l2_dist"] == pytest.approx(math.sqrt(sum(squares)))
    units = [sum(math.hypot(*row) for row in change.tolist()) for change in changes]
    entries = [sum(map(abs, change.flatten().tolist())) for change in changes]
    assert small_fit["dist_l21_init"] == pytest.approx(sum(units))
    assert small_fit["dist_l11_init[aggregate=two_thirds]"] == pytest.approx(
        sum(each ** (2 / 3) for each in entries) ** 1.5
    )
    assert small_fit["dist_spec_init"] == pytest.approx(sum(spectral(change) ** 2 for change in changes))


def test_spectral_norms(small_fit, weights, gamma):
    current, initial = weights
    sigmas = [spectral(weight) for weight in current]
    log_product = sum(2 * math.log(sigma) for sigma in sigmas)
    over_margin = log_product - 2 * math.log(abs(gamma))
    ranks = sum((frobenius(w) / sigma) ** 2 for w, sigma in zip(current, sigmas, strict=True))
    moved = sum(
        (frobenius(now - then) / sigma) ** 2
        for now, then, sigma in zip(current, initial, sigmas, strict=True)
    )
    assert small_fit["log_prod_of_spec"] == pytest.approx(log_product)
    assert small_fit["log_prod_of_spec_over_margin"] == pytest.approx(over_margin)
    assert small_fit["log_sum_of_spec"] == pytest.approx(math.log(3) + log_product / 3)
    assert small_fit["log_sum_of_spec_over_margin"] == pytest.approx(math.log(3) + over_margin / 3)
    assert small_fit["fro_over_spec"] == pytest.approx(ranks)
    assert small_fit["log_spec_orig_main"] == pytest.approx(over_margin + math.log(ranks))
    assert small_fit["log_spec_init_main"] == pytest.approx(over_margin + math.log(moved))
    assert small_fit["log_spectral_mean"] == pytest.approx(sum(math.log10(sigma**2) for sigma in sigmas) / 3)


def test_margins(small_fit, logits, weights, gamma):
    targets = small_fit.roots["targets"]
    margins = [
        quantile_margin(logits[place : place + 1], targets[place : place + 1], 0) for place in range(40)
    ]
    rho = math.prod(frobenius(weight) for weight in weights[0])
    sigmas = math.prod(spectral(weight) for weight in weights[0])
    assert gamma < 0
    assert small_fit["inverse_margin"] == pytest.approx(1 / gamma**2)
    assert small_fit["inverse_margin[margin_sign=signed]"] == math.inf
    assert small_fit["inverse_margin[quantile=0.05]"] == pytest.approx(
        1 / quantile_margin(logits, targets, 0.05) ** 2
    )
    assert small_fit["margin_p10"] == pytest.approx(gamma)
    assert small_fit["margin_min"] == pytest.approx(min(margins))
    assert small_fit["margin_mean"] == pytest.approx(sum(margins) / 40)
    assert small_fit["margin_median"] == pytest.approx(statistics.median(margins))
    assert small_fit["exponential_margin"] == pytest.approx(math.exp(-gamma))
    assert small_fit["normalized_margin"] == pytest.approx(gamma / rho)
    assert small_fit["spectrally_normalized_margin"] == pytest.approx(gamma / sigmas)
    assert small_fit["margin_surrogate_bound"] == math.inf


@pytest.mark.parametrize(
    ("quantile", "place"), [(0.0, 1), (0.01, 1), (0.29, 29), (0.57, 57), (0.1, 10), (0.295, 29), (1.0, 100)]
)
def test_a_low_quantile_is_the_value_at_a_place_that_rounding_does_not_move(quantile, place):
    assert low_quantile(torch.arange(1, 101).flip(0), quantile) == place


@pytest.mark.parametrize(("examples", "middle"), [(1, 1.0), (4, 2.5), (5, 3.0)])
def test_median_of_odd_and_even_numbers_of_margins(fit, examples, middle):
    model = torch.nn.Sequential(torch.nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [0.0]]))
    inputs = 1.0 + torch.arange(examples)[:, None]
    assert fit(model, inputs, torch.zeros(examples, dtype=torch.long))["margin_median"] == middle


def test_margin_bound_where_all_examples_are_right(fit):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(3 * torch.eye(2))
    found = fit(model, torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1]))
    assert found["margin_surrogate_bound"] == pytest.approx(math.sqrt(18) / 3)
    assert found["inverse_margin[margin_sign=signed]"] == pytest.approx(1 / 9)


@pytest.mark.parametrize(
    "name", ["normalized_margin", "spectrally_normalized_margin", "margin_surrogate_bound"]
)
def test_no_normalized_margin_of_zero_weights(small_fit, name):
    torch.nn.init.zeros_(small_fit.roots["model"][4].weight)
    value = small_fit.value(name)
    assert value.status == "not_applicable"
    assert "zero" in value.reason


def test_division_by_the_number_of_examples(small_fit, weights):
    total = sum(frobenius(weight) ** 2 for weight in weights[0])
    assert small_fit["param_norm[by_size=true]"] == pytest.approx(math.sqrt(total / 40))
    assert small_fit["log_prod_of_fro[by_size=true]"] == pytest.approx(
        (small_fit["log_prod_of_fro"] - math.log(40)) / 2
    )


def test_path_norms(small_fit, weights, gamma):
    first, second, third = (weight**2 for weight in weights[0])
    paths = (third @ second @ first).sum().item()
    assert small_fit["path_norm"] == pytest.approx(paths)
    assert small_fit["log_path_norm"] == pytest.approx(math.log(paths))
    assert small_fit["path_norm_over_margin"] == pytest.approx(paths / gamma**2)


def test_losses_and_calibration(small_fit, logits):
    targets = small_fit.roots["targets"].tolist()
    losses, wrong, entropies, briers, confidences = [], [], [], [], []
    for outputs, target in zip(logits.tolist(), targets, strict=True):
        total = sum(math.exp(value) for value in outputs)
        p = [math.exp(value) / total for value in outputs]
        losses.append(-math.log(p[target]))
        wrong.append(outputs.index(max(outputs)) != target)
        entropies.append(-sum(each * math.log(each) for each in p))
        briers.append(sum((each - (place == target)) ** 2 for place, each in enumerate(p)))
        confidences.append(max(p))
    calibration = 0.0
    for edge in range(5):
        inside = [place for place, each in enumerate(confidences) if edge / 5 < each <= (edge + 1) / 5]
        right = sum(not wrong[place] for place in inside)
        calibration += abs(right - sum(confidences[place] for place in inside)) / 40
    assert small_fit["train_loss"] == pytest.approx(sum(losses) / 40)
    assert small_fit["cross_entropy"] == pytest.approx(sum(losses) / 40)
    assert small_fit["train_error"] == pytest.approx(sum(wrong) / 40)
    assert small_fit["entropy_output"] == pytest.approx(sum(entropies) / 40)
    assert small_fit["brier_score"] == pytest.approx(sum(briers) / 40)
    assert small_fit["expected_calibration_error[bins=5]"] == pytest.approx(calibration)


def test_smoothness_of_a_linear_network_is_that_of_its_matrix(fit):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3)).double()
    found = fit(model, torch.randn(12, 5), torch.arange(12) % 3)
    with torch.no_grad():
        matrix = model[1].weight @ model[0].weight
        logits = model(found.roots["inputs"])
    probabilities = logits.softmax(1)
    assert found["geometric_complexity"] == pytest.approx(frobenius(matrix) ** 2)
    assert found["geometric_complexity[examples=4]"] == pytest.approx(frobenius(matrix) ** 2)
    assert found["lipschitz_lower"] == pytest.approx(spectral(matrix))
    assert found["input_jacobian_norm[norm=operator,outputs=logits]"] == pytest.approx(spectral(matrix))
    softmax, pulled, traces, distances = [], [], [], []
    for p, outputs, target in zip(probabilities, logits, found.roots["targets"], strict=True):
        hessian = torch.diag(p) - torch.outer(p, p)
        softmax.append(frobenius(hessian @ matrix))
        metric = matrix.T @ hessian @ matrix
        pulled.append(torch.linalg.eigvalsh(metric)[-1].item())
        traces.append(metric.trace().item())
        other = max((place for place in range(3) if place != target), key=lambda place: outputs[place])
        gradient = matrix[target] - matrix[other]
        distances.append(((outputs[target] - outputs[other]) / gradient.norm()).item())
    assert found["input_jacobian_norm"] == pytest.approx(sum(softmax) / 12)
    assert found["pullback_lambda_max"] == pytest.approx(sum(pulled) / 12)
    assert found["pullback_lambda_max[aggregate=max]"] == pytest.approx(max(pulled))
    assert found["pullback_lambda_max[trace=true]"] == pytest.approx(sum(traces) / 12)
    assert found["input_margin_linearised"] == pytest.approx(sum(distances) / 12)
    assert found["input_margin_linearised[aggregate=median]"] == pytest.approx(statistics.median(distances))


def test_the_pullback_of_squared_errors_is_the_gram_matrix(fit):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 2))
    found = fit(model, torch.randn(6, 4), torch.randn(6, 2), kind="regression")
    assert found["pullback_lambda_max"] == pytest.approx(spectral(model[0].weight.detach()) ** 2)


def test_regression_has_squared_errors(fit):
    model = torch.nn.Sequential(torch.nn.Linear(1, 1))
    with torch.no_grad():
        model[0].weight.fill_(2.0)
        model[0].bias.fill_(0.0)
    found = fit(model, torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([1.0, 2.0, 3.0]), kind="regression")
    assert found["train_loss"] == pytest.approx(2 / 3)
    assert found["train_error"] == pytest.approx(1.0)


def test_speed(fit):
    history = {
        "epoch": [0, 1, 2, 3],
        "step": [0, 5, 10, 15],
        "train_loss": [2.3, 0.4, 0.1, 0.01],
        "batch_loss": [None, 1.0, 0.3, 0.1],
    }
    found = fit(torch.nn.Linear(2, 2), torch.zeros(4, 2), torch.zeros(4).long(), history=history)
    assert found["steps_to_0.1"] == 10
    assert found["steps_0.1_to_0.01"] == 5
    assert found["sum_over_training_losses"] == pytest.approx(0.51)
    assert found["sum_over_training_losses[last=2]"] == pytest.approx(0.11)
    assert found["sotl[losses=batch_loss]"] == pytest.approx(1.4)
    history["train_loss"][3] = 0.02
    assert found.value("steps_0.1_to_0.01").status == "not_applicable"
    assert "never was ≤ 0.01" in found.value("steps_0.1_to_0.01").reason


def test_random_is_a_standard_normal_draw_of_the_seed(small_fit):
    generator = torch.Generator().manual_seed(1)
    assert small_fit["random"] == torch.randn((), generator=generator, dtype=torch.float64).item()


def test_biases_can_be_counted(fit):
    found = fit(torch.nn.Linear(3, 4), torch.zeros(2, 3), torch.zeros(2).long())
    assert (found["num_params"], found["num_params[biases=true]"]) == (12, 16)


def test_needs_can_be_met_by_hand():
    from genbench.measures.margins import inverse_margin

    assert inverse_margin(10, torch.tensor(2.0)) == 0.25
    assert genbench.need("reference_margin", quantile=0.1).name == "reference_margin"


@pytest.mark.parametrize("of", ["log_prod_of_fro", "log_prod_of_spec", "log_sum_of_fro", "log_sum_of_spec"])
def test_a_last_layer_of_zeros_has_no_norm_over_margin(fit, of):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    nn.init.zeros_(network[2].weight)
    nn.init.zeros_(network[2].bias)
    found = fit(network, torch.randn(8, 4), torch.arange(8) % 3)
    assert found[of] == -math.inf
    assert "0/0 has no logarithm" in found.value(f"{of}_over_margin").reason
