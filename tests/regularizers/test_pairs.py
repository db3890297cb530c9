"""Regularizers compose: every pair that planning lets through trains, and the others are refused with a line."""

import itertools

import pytest
import torch

from genbench.base.errors import InvalidInput
from genbench.contract.regularizer import check_composition

ON = {
    "weight-decay": "weight-decay[strength=0.01]",
    "dropout": "dropout[rate=0.2]",
    "label-smoothing": "label-smoothing",
    "generalization-layer": "gl",
    "generalization-layer-dropout": "gld",
    "jacobian": "jacobian",
    "batch-norm": "batch-norm",
    "layer-norm": "layer-norm",
    "langevin": "sgdl",
    "winsorized": "wgd[level=20,group=2]",
    "median-of-means": "median-of-means[groups=2]",
    "geometric-complexity": "geometric-complexity",
    "gradient-norm": "gradient-norm",
    "spectral-norm": "spectral-norm",
    "spectral-product": "spectral-product[strength=0.001]",
    "path-norm": "path-norm",
    "label-noise": "label-noise",
    "sharpness-aware": "sharpness-aware",
    "mixup": "mixup",
    "early-stopping": "early-stopping[on=training]",
}
REFUSED_WITHIN_A_STEP = {
    ("winsorized", "median-of-means"), ("median-of-means", "winsorized"),
    ("winsorized", "sharpness-aware"), ("median-of-means", "sharpness-aware"),
}  # fmt: skip
REFUSED_ON_THE_NETWORK = {
    ("batch-norm", "layer-norm"): "has normalizations already",
    ("layer-norm", "batch-norm"): "has normalizations already",
    ("layer-norm", "path-norm"): "does not pass through layer norm",
    ("path-norm", "layer-norm"): "does not pass through layer norm",
}


PAIRS = list(itertools.combinations(ON, 2))
REVERSED = [pytest.param(pair[::-1], marks=pytest.mark.slow) for pair in PAIRS]


@pytest.fixture(scope="module")
def alone():
    """Weights after one regularizer by itself, by name."""
    return {}


@pytest.mark.parametrize("pair", [*PAIRS, *REVERSED], ids="+".join)
def test_pair(problem, spelled, alone, pair):
    stack = [spelled(ON[name]) for name in pair]
    refusals = check_composition(stack)
    assert bool(refusals) == (pair in REFUSED_WITHIN_A_STEP)
    if refusals:
        return
    if pair in REFUSED_ON_THE_NETWORK:
        with pytest.raises(InvalidInput, match=REFUSED_ON_THE_NETWORK[pair]):
            problem.train(*stack, max_epochs=1)
        return
    outcome = problem.train(*stack, max_epochs=1)
    assert all(each.isfinite().all() for each in outcome.final_state.values())
    if pair[0] not in alone:
        alone[pair[0]] = problem.train(stack[0], max_epochs=1).final_state
    first = alone[pair[0]]
    differs = any(
        name not in first or not torch.equal(each, first[name]) for name, each in outcome.final_state.items()
    )
    assert differs or pair[1] == "early-stopping", f"{pair[1]} does nothing beside {pair[0]}"
