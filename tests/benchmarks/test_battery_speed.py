"""What surrounds the computing of measures, against what it was before, in processor time of one run.

A small MLP called with other weights takes 0.72 of what `torch.func.functional_call` takes, a step of its
optimizer without hooks, marks and compiler 0.60 of torch's. Trees of 150 samples of 120 points, compiled,
take 0.23 of what one array operation for all samples at each step takes, with the same sums to the bit.

Two shared cores of a virtual machine, Python 3.11, torch 2.14; the least of several rounds, taken in turns.
Run with ``pytest tests/benchmarks/test_battery_speed.py -m "slow or not slow" -n 0 --benchmark-enable``.
"""

import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from genbench.networks.functional import Replaceable
from genbench.networks.spanning_trees import tree_sums
from genbench.training.plain_steps import plain_steps


def seconds(function, times):
    started = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - started) / times


def ratio(benchmark, ours, other, times):
    """Processor time of the first over that of the second."""
    ours(), other()
    turns = range(1 if benchmark.disabled else 7)
    pairs = [(seconds(ours, times), seconds(other, times)) for _ in turns]
    first, second = (min(column) for column in zip(*pairs, strict=True))
    benchmark.pedantic(ours, rounds=3)
    return first / second


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


@pytest.mark.usefixtures("one_thread")
def test_calling_a_network_with_other_weights(benchmark):
    model, inputs = mlp(), torch.randn(10, 64)
    weights = {name: each.detach().clone() for name, each in model.named_parameters()}
    called, tensors = Replaceable(model, list(weights)), list(weights.values())
    benchmark.extra_info["ratio_to_torch"] = ratio(
        benchmark,
        lambda: called(tensors, inputs),
        lambda: functional_call(model, weights, (inputs,), tie_weights=False),
        100,
    )


@pytest.mark.usefixtures("one_thread")
def test_a_step(benchmark):
    def stepping(kind):
        model = mlp()
        for each in model.parameters():
            each.grad = torch.zeros_like(each)
        return kind(model.parameters(), lr=0.1, momentum=0.9, fused=True).step

    benchmark.extra_info["ratio_to_torch"] = ratio(
        benchmark, stepping(plain_steps(torch.optim.SGD)), stepping(torch.optim.SGD), 100
    )


def grown_together(distances, samples):
    """Prim's algorithm on all samples at once, one array operation a step."""
    near = distances[samples[:, :, None], samples[:, None, :]]
    each = np.arange(len(samples))
    outside = near[:, 0].copy()
    outside[:, 0] = np.inf
    inside = outside == np.inf
    totals = np.zeros(len(samples))
    for _ in range(samples.shape[1] - 1):
        new = outside.argmin(1)
        totals += outside[each, new]
        inside[each, new] = True
        np.minimum(outside, near[each, new], out=outside)
        outside[inside] = np.inf
    return totals


def test_trees_of_samples(benchmark):
    generator = np.random.default_rng(0)
    points = generator.normal(size=(200, 5))
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    samples = np.stack([generator.permutation(200)[:120] for _ in range(150)])
    assert np.array_equal(tree_sums(distances, samples, 1.0), grown_together(distances, samples))
    benchmark.extra_info["ratio_to_arrays"] = ratio(
        benchmark, lambda: tree_sums(distances, samples, 1.0), lambda: grown_together(distances, samples), 1
    )
