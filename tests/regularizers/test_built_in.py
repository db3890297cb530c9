"""`none`, `weight-decay`, `dropout`, `label-smoothing`."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.contract.components import Kind
from genbench.contract.protocol import Protocol
from genbench.host.signatures import describe
from genbench.models.mlp import mlp
from genbench.models.resnet import resnet
from genbench.regularizers.dropout import Dropout
from genbench.regularizers.label_smoothing import LabelSmoothing
from genbench.regularizers.none import NoRegularizer
from genbench.regularizers.weight_decay import WeightDecay
from genbench.training.loop import train
from genbench.training.network import build_network

TASK = Task("classification", (4,), 3)
SEEDS = {"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4}


def perceptron(task):
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, task.outputs))


def trained(*regularizers, build=perceptron, task=TASK, **settings):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(24, 4, generator=generator)
    targets = torch.arange(24) % 3
    if task.kind == "regression":
        targets = inputs[:, :3].clone()
    protocol = Protocol(learning_rate=0.1, batch_size=8, max_epochs=3, **settings)
    model = build_network(build, task, regularizers, protocol, 0)
    outcome = train(model, task, inputs, targets, targets, protocol, regularizers, SEEDS, device="cpu")
    return outcome.final_state


def same(first, second):
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("regularizer", "name"),
    [
        (NoRegularizer, "none"), (WeightDecay, "weight-decay"), (Dropout, "dropout"),
        (LabelSmoothing, "label-smoothing"),
    ],
)  # fmt: skip
def test_is_a_component(regularizer, name):
    component = describe(regularizer, "core")
    assert (component.kind, component.name) == (Kind.REGULARIZER, name)
    assert component.summary


@pytest.mark.parametrize(
    "nothing",
    [NoRegularizer(), WeightDecay(strength=0.0), Dropout(rate=0.0), LabelSmoothing(smoothing=0.0)],
    ids=lambda each: type(each).__name__,
)
def test_strength_zero_gives_the_same_bits(nothing):
    assert same(trained(nothing), trained())


def test_dropout_of_zero_gives_the_same_bits_where_there_is_dropout():
    def build(task):
        return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.0), nn.Linear(8, task.outputs))

    assert same(trained(Dropout(rate=0.0), build=build), trained(build=build))


def test_weight_decay_is_the_protocols():
    assert same(trained(WeightDecay(strength=0.01)), trained(weight_decay=0.01))
    assert same(trained(WeightDecay(strength=0.01), weight_decay=0.5), trained(weight_decay=0.01))
    assert same(trained(WeightDecay(strength=0.0), weight_decay=0.5), trained())
    assert not same(trained(WeightDecay(strength=0.01)), trained())


def test_label_smoothing_agrees_with_torch():
    outputs, targets = torch.randn(6, 3), torch.arange(6) % 3
    expected = F.cross_entropy(outputs, targets, label_smoothing=0.2)
    smoothed = LabelSmoothing(smoothing=0.2)
    torch.testing.assert_close(smoothed.loss(None, outputs, targets, F.cross_entropy), expected)
    probabilities = F.one_hot(targets, 3).float()
    torch.testing.assert_close(smoothed.loss(None, outputs, probabilities, F.cross_entropy), expected)


def test_label_smoothing_is_for_classes():
    with pytest.raises(InvalidInput, match="'label-smoothing': is for classification, not regression"):
        trained(LabelSmoothing(), task=Task("regression", (4,), 3))


def test_dropout_sets_the_rates_that_are_there():
    model = mlp(TASK, width=8, depth=2, dropout=0.1)
    names = list(model.state_dict())
    assert Dropout(rate=0.4).build(model, TASK) is model
    rates = [each.p for each in model.modules() if isinstance(each, nn.Dropout)]
    assert rates
    assert set(rates) == {0.4}
    assert list(model.state_dict()) == names


@pytest.mark.parametrize("build", [perceptron, lambda task: resnet(Task("classification", (3, 8, 8), 3))])
def test_dropout_follows_activations_and_keeps_the_names(build):
    model = build(TASK)
    names = list(model.state_dict())
    activations = sum(isinstance(each, nn.ReLU | nn.Tanh) for each in model.modules())
    model = Dropout(rate=0.3).build(model, TASK)
    assert list(model.state_dict()) == names
    assert sum(isinstance(each, nn.Dropout) for each in model.modules()) == activations


def test_dropout_acts_while_training_only():
    model = Dropout(rate=0.5).build(nn.Sequential(nn.Linear(4, 100), nn.ReLU()), TASK)
    inputs = torch.randn(20, 4)
    model.eval()
    whole = model(inputs)
    model.train()
    dropped = model(inputs)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * whole[kept])
    assert 0.4 < (kept.sum() / (whole != 0).sum()) < 0.6


def test_one_activation_in_two_places_stays_one():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            activation = nn.ReLU()
            self.first, self.second = activation, activation

    model = Dropout(rate=0.5).build(Shared(), TASK)
    assert model.first is model.second
    assert isinstance(model.first, nn.Sequential)


def test_parameters_of_activations_keep_their_names():
    model = nn.Sequential(nn.Linear(4, 8), nn.PReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    names = list(model.state_dict())
    assert list(Dropout(rate=0.5).build(model, TASK).state_dict()) == names


def test_no_place_for_dropout():
    with pytest.raises(InvalidInput, match="neither dropout nor activation modules"):
        Dropout(rate=0.5).build(nn.Linear(4, 3), TASK)
