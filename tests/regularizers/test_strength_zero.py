"""A regularizer that is turned off gives the same bits as none, alone and around others."""

import pytest

OFF = {
    "none": "none",
    "weight-decay": "weight-decay[strength=0]",
    "dropout": "dropout[rate=0]",
    "label-smoothing": "label-smoothing[smoothing=0]",
    "generalization-layer": "generalization-layer[blocks=0]",
    "generalization-layer-dropout": "generalization-layer-dropout[layers=0]",
    "jacobian": "jacobian[strength=0]",
    "batch-norm": "batch-norm[layers=0]",
    "layer-norm": "layer-norm[layers=0]",
    "group-norm": "group-norm[layers=0]",
    "langevin": "langevin[noise=0]",
    "winsorized": "winsorized[level=0]",
    "median-of-means": "median-of-means[groups=1]",
    "geometric-complexity": "geometric-complexity[strength=0]",
    "gradient-norm": "gradient-norm[strength=0]",
    "spectral-norm": "spectral-norm[strength=0]",
    "spectral-product": "spectral-product[strength=0]",
    "path-norm": "path-norm[strength=0]",
    "label-noise": "label-noise[rate=0]",
    "sharpness-aware": "sharpness-aware[radius=0]",
    "mixup": "mixup[alpha=0]",
    "early-stopping": 'early-stopping[on=training,patience="none",restore=false]',
}


def test_every_regularizer_is_here(names):
    assert set(OFF) == names


@pytest.mark.parametrize("name", OFF)
def test_off_is_none(problem, same, name):
    assert same(problem.train(OFF[name]).final_state, problem.train().final_state)


@pytest.mark.parametrize("name", OFF)
def test_off_is_none_for_images(images, same, name):
    assert same(images.train(OFF[name], max_epochs=1).final_state, images.train(max_epochs=1).final_state)


@pytest.mark.parametrize("name", ["sharpness-aware", "median-of-means", "winsorized", "gradient-norm"])
def test_off_is_none_with_batch_normalization_and_dropout(changed, same, name):
    assert same(changed.train(OFF[name]).final_state, changed.train().final_state)


def test_label_noise_in_regression(regression, same):
    off = regression.train("label-noise[deviation=0]").final_state
    assert same(off, regression.train().final_state)
