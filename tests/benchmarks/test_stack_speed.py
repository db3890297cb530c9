"""Thirty-two perceptrons in one stack against each alone, in processor time of one run.

Width 32 and one hidden layer, 200 examples: 3.4 times as fast; 128 and one, 800 examples: 2.2; 32 and two: 3.3;
128 and two: 1.6. One thread of a shared two-core virtual machine, Python 3.11, torch 2.14.
Run with ``pytest tests/benchmarks/test_stack_speed.py -n 0 --benchmark-enable``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from genbench.base.data import Task
from genbench.contract.protocol import Protocol
from genbench.models.mlp import mlp
from genbench.training.conductor import Conductor
from genbench.training.member import Assignment, Member
from genbench.training.stack import StackedSteps
from genbench.training.stacking import StackingConductor

TASK = Task("classification", (1, 8, 8), 10)
SEEDS = {"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4}
NETWORKS, EPOCHS = 32, 3
CPU = torch.device("cpu")


@dataclass
class Training:
    """One of them."""

    name: str
    width: int
    depth: int
    examples: int
    make_steps: Any
    memory: float = 0.0

    def begin(self) -> Member:
        seed = int(self.name)
        torch.manual_seed(seed)
        inputs = torch.randn(self.examples, 1, 8, 8)
        targets = torch.randint(10, (self.examples,))
        given = Assignment(
            model=mlp(TASK, width=self.width, depth=self.depth), task=TASK, inputs=inputs, targets=targets,
            clean_targets=targets, protocol=Protocol(learning_rate=0.01, batch_size=16, max_epochs=EPOCHS),
            regularizers=(), seeds={**SEEDS, "order": seed}, milestones=False, snapshots=10, capturable=True,
        )  # fmt: skip
        return Member(given, CPU, make_steps=self.make_steps)

    def end(self, member: Member) -> float:
        return member.outcome().train_loss


def seconds(conductor: Conductor, *shape: int, make_steps: Any = None) -> tuple[float, list[float]]:
    for each in range(NETWORKS):
        conductor.admit(Training(str(each), *shape, make_steps))
    losses = {}
    began = time.process_time()
    while conductor.works:
        for each in conductor.round():
            losses[each.work.name] = each.result
    return time.process_time() - began, [losses[str(each)] for each in range(NETWORKS)]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("shape", [(32, 1, 200), (128, 1, 800), (32, 2, 800), (128, 2, 800)], ids=str)
def test_a_stack_against_each_alone(benchmark, shape):
    rounds = 1 if benchmark.disabled else 5
    alone, stacked = [], []
    for _ in range(rounds):
        alone.append(seconds(Conductor(CPU), *shape))
        stacked.append(seconds(StackingConductor(CPU, NETWORKS), *shape, make_steps=StackedSteps))
    assert stacked[0][1] == pytest.approx(alone[0][1], rel=1e-4)
    benchmark.extra_info["times_as_fast"] = min(alone)[0] / min(stacked)[0]
    benchmark.pedantic(lambda: None, rounds=1)
