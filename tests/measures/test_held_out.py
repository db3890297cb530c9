"""Measures of a validation split, against loops over examples and pairs."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.base.data import Split

NAMES = (
    "val_error", "val_gap", "seed_disagreement_val",
    "stiffness_sign_val", "stiffness_cos_val", "stiffness_within_val", "stiffness_between_val",
)  # fmt: skip


@pytest.fixture
def held_out(fit):
    """A network with training data, 17 examples held out, and one sibling."""
    torch.manual_seed(1)
    model, sibling = (nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double() for _ in range(2))
    validation = Split(torch.randn(17, 4, dtype=torch.float64), torch.randint(3, (17,)))
    inputs, targets = torch.randn(30, 4), torch.randint(3, (30,))
    return fit(model, inputs, targets, validation=validation, siblings=[sibling])


def examples(found, where):
    data = found.roots["validation"] if where == "val" else None
    return (data.inputs, data.targets) if data else (found.roots["inputs"], found.roots["targets"])


def loss_and_error(found, where):
    inputs, targets = examples(found, where)
    outputs = found.roots["model"](inputs)
    return F.cross_entropy(outputs, targets).item(), (outputs.argmax(1) != targets).double().mean().item()


def test_error_and_gap(held_out):
    (loss, error), (train_loss, train_error) = (loss_and_error(held_out, each) for each in ("val", "train"))
    assert held_out["val_error"] == pytest.approx(error, rel=1e-12)
    assert held_out["val_gap"] == pytest.approx(error - train_error, rel=1e-12)
    assert held_out["val_error[quantity=loss]"] == pytest.approx(loss, rel=1e-9)
    assert held_out["val_gap[quantity=loss]"] == pytest.approx(loss - train_loss, rel=1e-9)


def test_the_error_in_regression_is_that_of_the_validation_split(fit):
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    inputs, targets = torch.randn(9, 3, dtype=torch.float64), torch.randn(9, 2, dtype=torch.float64)
    found = fit(
        model, torch.randn(20, 3), torch.randn(20, 2), kind="regression", validation=Split(inputs, targets)
    )
    squares = (model(inputs) - targets).square().sum().item()
    spread = (targets - targets.mean(0)).square().sum().item()
    assert found["val_error"] == pytest.approx(squares / spread, rel=1e-12)
    assert found["val_error[quantity=loss]"] == pytest.approx(squares / 18, rel=1e-12)
    assert "classification only" in found.value("stiffness_within_val").reason
    assert math.isfinite(found["stiffness_cos_val"])


def test_disagreement(held_out):
    model, sibling = held_out.roots["model"], held_out.roots["siblings"][0]
    differ = [
        model(x.unsqueeze(0)).argmax().item() != sibling(x.unsqueeze(0)).argmax().item()
        for x in held_out.roots["validation"].inputs
    ]
    assert held_out["seed_disagreement_val"] == pytest.approx(sum(differ) / 17, rel=1e-12)


def gradients(found, where):
    model, parameters = found.roots["model"], list(found.roots["model"].parameters())
    rows = []
    for x, y in zip(*examples(found, where), strict=True):
        loss = F.cross_entropy(model(x.unsqueeze(0)), y.unsqueeze(0))
        rows.append((torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)]), y.item()))
    return rows


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


@pytest.mark.parametrize("pairs", ["train-val", "val-val"])
@pytest.mark.parametrize("agreement", ["sign", "cosine"])
def test_stiffness(held_out, pairs, agreement):
    new = gradients(held_out, "val")
    old = new if pairs == "val-val" else gradients(held_out, "train")
    found = {}
    for i, (one, a) in enumerate(old):
        for j, (other, b) in enumerate(new):
            if pairs == "val-val" and i == j:
                continue
            value = (one @ other / (one.norm() * other.norm())).item()
            found.setdefault((a, b), []).append(math.copysign(1, value) if agreement == "sign" else value)
    name = {"sign": "stiffness_sign_val", "cosine": "stiffness_cos_val"}[agreement]
    every = [value for values in found.values() for value in values]
    assert held_out[f"{name}[pairs={pairs}]"] == pytest.approx(mean(every), rel=1e-9)
    settings = f"[agreement={agreement},pairs={pairs}]"
    assert held_out[f"stiffness_within_val{settings}"] == pytest.approx(
        mean(mean(values) for (a, b), values in found.items() if a == b), rel=1e-9
    )
    assert held_out[f"stiffness_between_val{settings}"] == pytest.approx(
        mean(mean(values) for (a, b), values in found.items() if a != b), rel=1e-9
    )


def test_what_is_held_out_like_the_training_data_is_as_stiff(fit, held_out):
    roots = held_out.roots
    copied = fit(
        roots["model"], roots["inputs"], roots["targets"], validation=Split(roots["inputs"], roots["targets"])
    )
    for name, plain in (
        ("stiffness_cos_val[pairs=val-val]", "stiffness_cos"),
        ("stiffness_within_val[pairs=val-val]", "stiffness_within"),
        ("stiffness_between_val[pairs=val-val]", "stiffness_between"),
    ):
        assert copied[name] == pytest.approx(copied[plain], rel=1e-9)
    assert copied["val_gap"] == 0


def test_a_sample_of_either_side(held_out):
    """Of 30 and of 17 examples, four that are evenly spaced."""
    trained = [gradients(held_out, "train")[place][0] for place in (0, 10, 19, 29)]
    new = [gradients(held_out, "val")[place][0] for place in (0, 5, 11, 16)]
    expected = mean((a @ b / (a.norm() * b.norm())).item() for a in trained for b in new)
    assert held_out["stiffness_cos_val[examples=4]"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_split_there_is_no_value(small_fit, name):
    found = small_fit.value(name)
    assert found.status == "not_applicable"
    assert "validation" in found.reason


def test_single_examples_and_gradients_that_vanish(fit, held_out):
    roots = held_out.roots
    one = Split(roots["validation"].inputs[:1], roots["validation"].targets[:1])
    alone = fit(roots["model"], roots["inputs"], roots["targets"], validation=one)
    assert alone.value("stiffness_cos_val[pairs=val-val]").reason == "needs two examples that were held out"
    assert math.isfinite(alone["stiffness_cos_val"])
    zeros = torch.zeros(5, 2, dtype=torch.float64)
    still = fit(
        nn.Linear(2, 1, bias=False), zeros, torch.ones(5, 1), kind="regression",
        validation=Split(zeros, torch.ones(5, 1)),
    )  # fmt: skip
    assert still.value("stiffness_sign_val").reason == "all gradients vanish"


def test_a_split_without_examples_and_targets_that_do_not_vary(fit, held_out):
    roots = held_out.roots
    none = Split(torch.zeros(0, 4, dtype=torch.float64), torch.zeros(0, dtype=torch.long))
    given = {"validation": none, "siblings": roots["siblings"]}
    empty = fit(roots["model"], roots["inputs"], roots["targets"], **given)
    for name in NAMES:
        assert empty.value(name).reason == "the validation split has no examples", name
    inputs = torch.randn(5, 3, dtype=torch.float64)
    constant = Split(inputs, torch.ones(5, 1, dtype=torch.float64))
    line = fit(nn.Linear(3, 1), inputs, torch.randn(5, 1), kind="regression", validation=constant)
    for name in ("val_error", "val_gap"):
        assert line.value(name).reason == "the targets do not vary"
    assert math.isfinite(line["val_error[quantity=loss]"])
