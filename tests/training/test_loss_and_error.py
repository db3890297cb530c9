"""`genbench.training.evaluation`."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, r2_score, zero_one_loss
from torch import nn

from genbench.base.data import Task
from genbench.training import evaluation
from genbench.training.evaluation import evaluate

CLASSES = Task("classification", (4,), 3)
VALUES = Task("regression", (4,), 1)


@pytest.mark.parametrize("chunk", [1, 4 * 7, 2**21])
def test_classification_agrees_with_scikit_learn(monkeypatch, chunk):
    monkeypatch.setattr(evaluation, "CHUNK", chunk)
    torch.manual_seed(0)
    model, inputs, targets = nn.Linear(4, 3), torch.randn(50, 4), torch.arange(50) % 3
    loss, error = evaluate(model, inputs, targets, CLASSES, device="cpu")
    probabilities = model(inputs).double().softmax(1).detach().numpy()
    assert loss == pytest.approx(log_loss(targets, probabilities), rel=1e-6)
    assert error == pytest.approx(zero_one_loss(targets, probabilities.argmax(1)))


@pytest.mark.parametrize("chunk", [1, 2**21])
def test_regression_agrees_with_scikit_learn(monkeypatch, chunk):
    monkeypatch.setattr(evaluation, "CHUNK", chunk)
    torch.manual_seed(0)
    model, inputs, targets = nn.Linear(4, 1), torch.randn(50, 4), torch.randn(50, 1)
    loss, error = evaluate(model, inputs, targets, VALUES, device="cpu")
    predicted = model(inputs).detach().numpy()
    assert loss == pytest.approx(np.mean((predicted - targets.numpy()) ** 2), rel=1e-6)
    assert error == pytest.approx(1 - r2_score(targets, predicted), rel=1e-6)


def test_several_outputs_pool_their_squares():
    inputs = torch.tensor([[0.0], [1.0], [2.0]])
    targets = torch.tensor([[0.0, 0.0], [1.0, 20.0], [2.0, 40.0]])
    model = nn.Linear(1, 2)
    nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor([1.0, 20.0])
    _, error = evaluate(model, inputs, targets, Task("regression", (1,), 2), device="cpu")
    assert error == pytest.approx(1.0)


@pytest.mark.parametrize(("value", "expected"), [(3.0, 0.0), (2.0, 1.0)])
def test_constant_targets(value, expected):
    model = nn.Linear(4, 1)
    nn.init.zeros_(model.weight)
    nn.init.constant_(model.bias, value)
    _, error = evaluate(model, torch.ones(5, 4), torch.full((5, 1), 3.0), VALUES, device="cpu")
    assert error == expected


def test_evaluation_mode_and_no_trace():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    inputs, targets = torch.randn(20, 4), torch.arange(20) % 3
    before = {name: each.clone() for name, each in model.state_dict().items()}
    first = evaluate(model, inputs, targets, CLASSES, device="cpu")
    assert first == evaluate(model, inputs, targets, CLASSES, device="cpu")
    assert model.training
    assert all(each.grad is None for each in model.parameters())
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
