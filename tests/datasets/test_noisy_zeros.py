import torch

from genbench.datasets.noisy_zeros import noisy_zeros
from genbench.host.settings import check
from genbench.host.signatures import describe


def test_the_training_noise_has_mean_zero_in_each_output_and_is_drawn_for_each():
    data = noisy_zeros(None, outputs=40, noise=3.0, train_points=500)
    targets = data.train.targets
    assert targets.shape == (500, 40)
    assert targets.mean(0).abs().max() < 1e-5
    assert abs(targets.std() - 3) < 0.1
    off_diagonal = torch.corrcoef(targets.T).fill_diagonal_(0)
    assert off_diagonal.abs().max() < 0.25
    assert data.test.targets.shape == (100, 40)
    assert data.test.targets.mean(0).abs().max() > 0.1


def test_the_mean_squared_error_is_that_of_zeros_and_a_constant():
    targets = noisy_zeros(None, outputs=6, noise=2.0).train.targets.double()
    outputs = torch.randn(6, dtype=torch.float64)
    loss = (outputs - targets).square().mean()
    assert torch.allclose(loss, outputs.square().mean() + targets.square().mean(), rtol=1e-5)


def test_without_noise_all_examples_are_alike_and_the_seed_is_of_the_noise():
    assert not noisy_zeros(None, outputs=6).train.targets.any()
    first, again, other = (noisy_zeros(None, outputs=6, noise=1.0, data_seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.train.targets, again.train.targets)
    assert not torch.equal(first.train.targets, other.train.targets)
    assert first.task == other.task


def test_bad_settings_are_refused_when_a_suite_is_read():
    _, problems = check(describe(noisy_zeros, "core"), {"outputs": 0, "noise": -1, "nois": 1})
    assert len(problems) == 3
