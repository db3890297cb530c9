"""`winsorized` and `median-of-means` against NumPy and a loop over examples."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from genbench.base.errors import InvalidInput
from genbench.regularizers import robust_mean
from genbench.regularizers.robust_mean import winsorized_mean


def looped(model, inputs, targets):
    """The gradient of each example, and of each group of examples where they come in groups."""
    rows = []
    for some_inputs, some_targets in zip(inputs, targets, strict=True):
        model.zero_grad()
        F.cross_entropy(model(some_inputs), some_targets).backward()
        rows.append({name: each.grad.clone() for name, each in model.named_parameters()})
    model.zero_grad()
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def by_numpy(values, level, method="linear"):
    array = values.double().numpy()
    lower, upper = np.percentile(array, [level, 100 - level], axis=0, method=method)
    return torch.from_numpy(np.mean(np.clip(array, lower, upper), axis=0))


@pytest.mark.parametrize("count", [1, 2, 7, 20, 21])
@pytest.mark.parametrize("level", [0, 5, 10, 33.3, 50])
def test_winsorized_mean(count, level):
    values = torch.randn(count, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(winsorized_mean(values, level), by_numpy(values, level), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_interpolations_are_numpys(method):
    values = torch.randn(12, 5, dtype=torch.float64)
    array = values.numpy()
    lower = np.percentile(array, 7, axis=0, method=method)
    upper = np.percentile(array, 93, axis=0, method=method)
    expected = torch.from_numpy(np.clip(array, lower, upper).mean(0))
    torch.testing.assert_close(winsorized_mean(values, 7, method), expected)


def test_half_is_the_median_and_zero_the_mean():
    values = torch.randn(9, 4, dtype=torch.float64)
    torch.testing.assert_close(winsorized_mean(values, 50), values.median(0).values)
    torch.testing.assert_close(winsorized_mean(values, 0), values.mean(0))


def test_columns_are_taken_in_parts(monkeypatch):
    values = torch.randn(9, 10)
    whole = winsorized_mean(values, 20)
    monkeypatch.setattr(robust_mean, "CPU_COLUMNS", 3)
    torch.testing.assert_close(winsorized_mean(values, 20), whole)


@pytest.mark.parametrize("settings", ["", ",chunk=5", ",memory=1e-7", ",memory=1e-6,chunk=7"])
def test_winsorized_agrees_with_a_loop(problem, gradients_of, settings):
    model = problem.network()
    rows = looped(model, problem.inputs.unsqueeze(1), problem.targets.unsqueeze(1))
    found, loss = gradients_of(problem, f"winsorized[level=15{settings}]", model=model)
    for name, each in rows.items():
        expected = by_numpy(each, 15).float()
        torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(loss, F.cross_entropy(model(problem.inputs), problem.targets))


@pytest.mark.parametrize("variant", ["winsorized[level=20,group=4]", "median-of-means[groups=6]"])
def test_groups_agree_with_a_loop(problem, gradients_of, variant):
    model = problem.network()
    rows = looped(model, problem.inputs.split(4), problem.targets.split(4))
    found, _ = gradients_of(problem, variant, model=model)
    for name, each in rows.items():
        expected = by_numpy(each, 20 if "level" in variant else 50).float()
        torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("variant", ["winsorized[level=20,group=4]", "median-of-means[groups=6]"])
def test_with_batch_normalization_groups_have_their_own_statistics(normalized, gradients_of, variant):
    model, untouched = normalized.network(), normalized.network()
    rows = looped(model.train(), normalized.inputs.split(4), normalized.targets.split(4))
    model = normalized.network()
    found, _ = gradients_of(normalized, variant, model=model)
    for name, each in rows.items():
        expected = by_numpy(each, 20 if "level" in variant else 50).float()
        torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-5)
    untouched.train()(normalized.inputs)
    name = "encoder.layer1.normalization.running_mean"
    torch.testing.assert_close(model.state_dict()[name], untouched.state_dict()[name])
    assert model.encoder.layer1.normalization.num_batches_tracked == 1


def test_parts_of_the_network_see_the_same_dropout(dropping, gradients_of):
    whole, parted = [], []
    for found, settings in ((whole, ""), (parted, ",memory=1e-7")):
        torch.manual_seed(5)
        found.append(gradients_of(dropping, f"winsorized[level=15{settings}]")[0])
    for name, each in whole[0].items():
        torch.testing.assert_close(each, parted[0][name])


@pytest.mark.parametrize("variant", ["winsorized[group=2]", "median-of-means[groups=4]"])
def test_a_last_smaller_batch_is_cut_as_evenly_as_can_be(normalized, variant):
    outcome = normalized.with_(inputs=normalized.inputs[:19], targets=normalized.targets[:19]).train(variant)
    assert all(each.isfinite().all() for each in outcome.final_state.values())


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("winsorized[level=51]", "level = 51: should be less than or equal to 50"),
        ("winsorized[level=-1]", "level = -1: should be greater than or equal to 0"),
        ("winsorized[group=3]", "'winsorized': group = 3 does not divide a batch of 8 examples"),
        ("median-of-means[groups=3]", "groups = 3 does not divide a batch of 8 examples"),
        ("winsorized", r"batch normalization \('encoder.layer1.normalization'\) single examples have no"),
        ("median-of-means[groups=8]", "a group needs two examples"),
    ],
)
def test_bad_input(normalized, variant, message):
    with pytest.raises(InvalidInput, match=message):
        normalized.train(variant)
