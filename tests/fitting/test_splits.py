from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import genbench
from genbench.datasets.digits import digits
from genbench.datasets.polynomial import polynomial
from genbench.fitting import splits
from genbench.host.signatures import describe


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@cache
def prepared() -> splits.PreparedData:
    return splits.prepare(describe(digits, "core"), {}, None)


def load(**chosen) -> splits.TrainingData:
    return splits.load_training(prepared(), **{"seed_index": 0, **chosen})


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 5), small=st.integers(1, 400), large=st.integers(400, 899))
def test_training_sets_are_nested(seed, small, large):
    one = load(seed_index=seed, train_size=small, label_noise=0.3, normalize=False)
    other = load(seed_index=seed, train_size=large, label_noise=0.3, normalize=False)
    assert torch.equal(one.inputs, other.inputs[:small])
    assert torch.equal(one.targets, other.targets[:small])
    assert torch.equal(one.clean_targets, other.clean_targets[:small])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 5), low=st.floats(0, 0.5), high=st.floats(0.5, 1))
def test_label_noise_is_nested_and_never_keeps_the_class(seed, low, high):
    one, other = load(seed_index=seed, label_noise=low), load(seed_index=seed, label_noise=high)
    flipped = one.targets != one.clean_targets
    assert torch.equal(other.targets[flipped], one.targets[flipped])
    assert (other.targets != other.clean_targets).sum() >= flipped.sum()
    assert torch.equal(one.inputs, other.inputs)


def test_label_noise_has_its_rate_and_is_uniform_over_the_others():
    data = [load(seed_index=seed, label_noise=0.4) for seed in range(20)]
    rate = np.mean([(each.targets != each.clean_targets).double().mean() for each in data])
    assert abs(rate - 0.4) < 0.02
    shifts = torch.cat([(each.targets - each.clean_targets) % 10 for each in data])
    counts = torch.bincount(shifts[shifts > 0], minlength=10)[1:]
    assert counts.min() > 0.8 * counts.double().mean()
    everything = load(label_noise=1.0)
    assert (everything.targets != everything.clean_targets).all()
    assert torch.equal(load(label_noise=0.0).targets, load().clean_targets)


def test_seeds_differ_and_repeat():
    first = load(train_size=100, label_noise=0.5)
    assert torch.equal(first.inputs, load(train_size=100, label_noise=0.5).inputs)
    assert torch.equal(first.targets, load(train_size=100, label_noise=0.5).targets)
    assert not torch.equal(first.clean_targets, load(train_size=100, seed_index=1).clean_targets)


def test_validation_is_held_out():
    data = load(train_size=600, validation_size=299, normalize=False)
    assert data.validation is not None
    assert len(data.validation) == 299
    rows = torch.cat([data.inputs, data.validation.inputs]).flatten(1)
    assert len(rows.unique(dim=0)) == 899
    assert len(load(validation_size=99).inputs) == 800
    assert load().validation is None
    # It is the same for every seed, and none is trained on it.
    other = load(train_size=600, validation_size=299, normalize=False, seed_index=1)
    assert other.validation is not None
    assert torch.equal(other.validation.inputs, data.validation.inputs)
    assert not torch.equal(other.inputs, data.inputs)
    assert len(torch.cat([other.inputs, data.validation.inputs]).flatten(1).unique(dim=0)) == 899
    # It does not move when the training set grows.
    smaller = load(train_size=10, validation_size=299, normalize=False)
    assert smaller.validation is not None
    assert torch.equal(smaller.validation.inputs, data.validation.inputs)


def test_normalization_uses_the_statistics_of_the_training_examples():
    raw, data = load(train_size=200, normalize=False), load(train_size=200)
    assert abs(data.inputs.mean()) < 1e-5
    assert abs(data.inputs.std(correction=0) - 1) < 1e-5
    # The slow way: the mean and deviation of every pixel, divided by 255.
    pixels = raw.inputs.double().numpy()
    assert np.isclose(data.mean.item(), pixels.mean())
    assert np.isclose(data.std.item(), pixels.std())
    assert (raw.mean.item(), raw.std.item()) == (0, 1)
    assert raw.inputs.max() <= 1
    test = splits.load_test(prepared(), mean=data.mean, std=data.std)
    plain = splits.load_test(prepared(), mean=raw.mean, std=raw.std)
    assert torch.allclose(test.inputs, (plain.inputs - data.mean) / data.std, atol=1e-6)
    assert data.inputs.dtype == test.inputs.dtype == torch.float32


@pytest.mark.parametrize(
    ("shape", "axes"), [((50, 3, 4, 5), (0, 2, 3)), ((50, 6), (0,)), ((50, 7, 3), (0, 1))]
)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_channels_and_features_are_normalized_one_by_one(shape, axes, dtype):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).to(dtype)
    (inputs[:, 1] if len(shape) == 4 else inputs[..., 1]).fill_(7)
    outcome, task = _of(inputs)
    normalized = outcome.inputs.double().numpy()
    assert task.input_shape == shape[1:]
    mean, std = normalized.mean(axes), normalized.std(axes)
    assert np.allclose(mean, 0, atol=1e-5)
    assert np.allclose(std, [1, 0] + [1] * (len(std) - 2), atol=1e-4)


def _of(inputs: torch.Tensor) -> tuple[splits.TrainingData, genbench.Task]:
    task = genbench.Task("classification", tuple(inputs.shape[1:]), 2)
    split = genbench.Split(inputs, torch.arange(len(inputs)) % 2)
    checksum = f"{tuple(inputs.shape)} {inputs.dtype}"

    @genbench.dataset(name="given", checksum=checksum, task=task)
    def component(root):
        return genbench.Data(split, split, task, checksum)

    made = splits.prepare(describe(component, "core"), {}, None)
    return splits.load_training(made, seed_index=0), task


def test_test_subset_is_nested_and_the_same_for_every_seed():
    data = load()
    small, large = (
        splits.load_test(prepared(), mean=data.mean, std=data.std, test_size=size) for size in (50, 300)
    )
    assert torch.equal(small.inputs, large.inputs[:50])
    assert len(large) == 300
    assert len(splits.load_test(prepared(), mean=data.mean, std=data.std)) == 898


def test_training_needs_no_test_file():
    alone = splits.prepare(describe(digits, "core"), {"test_fraction": 0.3}, None)
    alone.path("test").unlink()
    assert len(splits.load_training(alone, seed_index=0)) == alone.examples["train"]


def test_regression_targets_are_left_alone_and_have_no_label_noise():
    points = splits.prepare(describe(polynomial, "core"), {}, None)
    data = splits.load_training(points, seed_index=0)
    assert data.targets.shape == (100, 1)
    assert data.targets.mean() > 10
    assert abs(data.inputs.std(correction=0) - 1) < 1e-5
    with pytest.raises(genbench.InvalidInput, match="label noise needs a classification task"):
        splits.load_training(points, seed_index=0, label_noise=0.1)


@pytest.mark.parametrize(
    "sizes",
    [{"train_size": 900}, {"train_size": 800, "validation_size": 100}, {"validation_size": 899}],
)
def test_more_than_there_is_is_refused(sizes):
    with pytest.raises(genbench.InvalidInput, match="dataset 'digits': the training split has 899 examples"):
        load(**sizes)
    with pytest.raises(genbench.InvalidInput, match="the test split has 898 examples, test_size is 899"):
        splits.load_test(prepared(), mean=torch.zeros(1), std=torch.ones(1), test_size=899)


def test_real_images_have_their_known_statistics(shared_data: Path):
    from genbench.datasets.images import cifar10_jpeg_small

    photos = splits.prepare(describe(cifar10_jpeg_small, "core"), {}, shared_data)
    data = splits.load_training(photos, seed_index=0)
    assert data.mean.shape == data.std.shape == (3, 1, 1)
    assert torch.allclose(data.mean.flatten(), torch.tensor([0.491, 0.482, 0.447]), atol=0.01)
