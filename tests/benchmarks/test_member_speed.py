"""A member alone against the training loop as it was before members, on the small network of the digits suite.

Results: 0.90 times the processor time (20 epochs of 50 steps, median of 31 pairs taken in turns); 0.56 times
where the network is declared to be capturable, so that operators alone are called. One thread of a shared
two-core virtual machine, Python 3.11, torch 2.14.
"""

import statistics
import time

import pytest
import torch
from benchmarks.test_training_speed import PROTOCOL, SEEDS, TASK, network
from training.frozen.loop import train as frozen_train

from genbench.training.loop import train
from genbench.training.member import Assignment, Member

ROUNDS = 31


def seconds(function, inputs, targets) -> float:
    model = network()
    start = time.process_time()
    function(model, TASK, inputs, targets, targets, PROTOCOL, (), SEEDS, device="cpu")
    return time.process_time() - start


def train_by_operators(model, task, inputs, targets, clean_targets, protocol, regularizers, seeds, *, device):
    given = Assignment(
        model=model, task=task, inputs=inputs, targets=targets, clean_targets=clean_targets, protocol=protocol,
        regularizers=regularizers, seeds=seeds, capturable=True,
    )  # fmt: skip
    return Member(given, torch.device(device)).train()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("how", [train, train_by_operators])
def test_a_member_costs_no_more_than_the_loop_did(benchmark, how):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(800, 64, generator=generator)
    targets = torch.randint(10, (800,), generator=generator)
    seconds(frozen_train, inputs, targets), seconds(how, inputs, targets)  # warm-up
    rounds = 1 if benchmark.disabled else ROUNDS
    pairs = [[seconds(each, inputs, targets) for each in (frozen_train, how)] for _ in range(rounds)]
    ratio = statistics.median(now / before for before, now in pairs)
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(seconds, args=(how, inputs, targets), rounds=1)
