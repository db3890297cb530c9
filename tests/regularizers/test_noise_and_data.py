"""`langevin`, `label-noise` and `mixup`."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.base.data import Task
from genbench.contract.regularizer import Step

TASK = Task("classification", (4,), 5)


def step_of(targets, state, inputs=None, index=0, model=None):
    inputs = torch.randn(len(targets), 4) if inputs is None else inputs
    model = model or nn.Linear(4, 5)
    step = Step(model=model, inputs=inputs, targets=targets, criterion=F.cross_entropy)
    step.generator, step.state, step.index = torch.Generator().manual_seed(0), state, index
    return step


def with_host_values(each, step):
    step.values = each.host_values(step.state, step.index, step.progress, len(step.targets))
    return step


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", [0.2, 0.2, 0.2]),
        ("schedule=inverse", [0.2, 0.2 / 2, 0.2 / 10]),
        ("schedule=inverse,period=3", [0.2, 0.2 / (1 + 1 / 3), 0.2 / 4]),
        ("schedule=geometric,decay=0.5", [0.2, 0.1, 0.2 / 2**9]),
        ("schedule=geometric,decay=0.5,period=9", [0.2, 0.2 * 0.5 ** (1 / 9), 0.1]),
    ],
)
def test_schedules(spelled, settings, expected):
    noise = spelled(f"langevin[noise=0.2,{settings}]")
    assert [noise.deviation(index) for index in (0, 1, 9)] == pytest.approx(expected)


def test_langevin_adds_normal_noise_of_that_deviation(spelled):
    model = nn.Linear(200, 200)
    before = model.weight.detach().clone()
    step = step_of(torch.zeros(2).long(), None, index=4, model=model)
    langevin = spelled("langevin[noise=0.3,schedule=inverse]")
    langevin.after_update(with_host_values(langevin, step))
    noise = (model.weight.detach() - before).flatten()
    assert noise.std().item() == pytest.approx(0.3 / 5, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.001)
    assert (noise / noise.std()).pow(4).mean().item() == pytest.approx(3, rel=0.1)


def test_langevin_with_full_batches_and_no_rate_is_a_random_walk(problem):
    outcome = problem.train("sgdl[noise=0.01]", learning_rate=1e-12, batch_size=100, max_epochs=400)
    moved = torch.cat([
        (outcome.final_state[name] - each).flatten() for name, each in outcome.initial_state.items()
    ])  # fmt: skip
    assert moved.std().item() == pytest.approx(0.01 * 20, rel=0.15)


def test_label_noise_draws_another_class_uniformly(spelled):
    targets = torch.arange(20_000) % 5
    inputs, noisy = spelled("label-noise[rate=0.3]").batch(step_of(targets, TASK))
    assert len(inputs) == 20_000
    changed = noisy != targets
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.01)
    shifts = torch.bincount((noisy - targets)[changed] % 5, minlength=5)[1:] / changed.sum()
    assert shifts.tolist() == pytest.approx([0.25] * 4, abs=0.02)


def test_label_noise_replaces_probabilities_whole(spelled):
    soft = torch.rand(1000, 5).softmax(1)
    _, noisy = spelled("label-noise[rate=0.5]").batch(step_of(soft, TASK))
    changed = (noisy != soft).any(1)
    assert 0.4 < changed.float().mean() < 0.6
    assert set(noisy[changed].flatten().tolist()) == {0.0, 1.0}
    assert (noisy[changed].argmax(1) != soft[changed].argmax(1)).all()


def test_label_noise_is_drawn_anew_at_every_step(spelled):
    targets = torch.arange(100) % 5
    step = step_of(targets, TASK)
    noise = spelled("label-noise[rate=0.5]")
    assert not torch.equal(noise.batch(step)[1], noise.batch(step)[1])


def test_label_noise_in_regression(spelled):
    targets = torch.zeros(10_000, 2)
    _, noisy = spelled("label-noise[deviation=0.5]").batch(step_of(targets, Task("regression", (4,), 2)))
    assert noisy.std().item() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("settings", ["alpha=0.4", "alpha=1,per_example=true"])
def test_mixup_agrees_with_a_loop(spelled, settings):
    targets, inputs = torch.arange(12) % 5, torch.randn(12, 4)
    mixup = spelled(f"mixup[{settings}]")
    mixed, probabilities = mixup.batch(
        with_host_values(mixup, step_of(targets, (np.random.default_rng(3), TASK), inputs))
    )
    partners = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    shares = np.random.default_rng(3).beta(mixup.alpha, mixup.alpha, 12 if mixup.per_example else 1)
    for index in range(12):
        share = float(shares[index if mixup.per_example else 0])
        partner = int(partners[index])
        torch.testing.assert_close(mixed[index], share * inputs[index] + (1 - share) * inputs[partner])
        expected = torch.zeros(5)
        expected[targets[index]] += share
        expected[targets[partner]] += 1 - share
        torch.testing.assert_close(probabilities[index], expected)


def test_mixup_mixes_targets_of_a_regression(regression):
    outcome = regression.train("mixup")
    assert outcome.train_loss == pytest.approx(outcome.history["train_loss"][-1])
    assert torch.isfinite(outcome.final_state["classifier.weight"]).all()
