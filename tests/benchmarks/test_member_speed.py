"""A member alone against the training loop as it was before members, on the small network of the digits suite.

Result: 1.01 times the processor time (20 epochs of 50 steps, median of 31 pairs taken in turns). One thread
of a shared two-core virtual machine, Python 3.11, torch 2.14.
"""

import statistics
import time

import pytest
import torch
from benchmarks.test_training_speed import PROTOCOL, SEEDS, TASK, network
from training.frozen.loop import train as frozen_train

from genbench.training.loop import train

ROUNDS = 31


def seconds(function, inputs, targets) -> float:
    model = network()
    start = time.process_time()
    function(model, TASK, inputs, targets, targets, PROTOCOL, (), SEEDS, device="cpu")
    return time.process_time() - start


@pytest.mark.usefixtures("one_thread")
def test_a_member_costs_no_more_than_the_loop_did(benchmark):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(800, 64, generator=generator)
    targets = torch.randint(10, (800,), generator=generator)
    seconds(frozen_train, inputs, targets), seconds(train, inputs, targets)  # warm-up
    rounds = 1 if benchmark.disabled else ROUNDS
    pairs = [[seconds(each, inputs, targets) for each in (frozen_train, train)] for _ in range(rounds)]
    ratio = statistics.median(now / before for before, now in pairs)
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(seconds, args=(train, inputs, targets), rounds=1)
