"""How fast this machine trains: one kind of network, several of them side by side, on random pictures."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from typing import Any

import torch

from genbench.base.data import Task
from genbench.contract.protocol import Protocol
from genbench.fitting.cards import Card
from genbench.models.resnet import resnet
from genbench.training.conductor import Conductor
from genbench.training.member import Assignment, Member

__all__ = ["benchmark", "operations"]

TASK = Task("classification", (3, 32, 32), 10)
DEPTH = 20
FORWARD = 8.1e7
"""Operations of one picture's way through the network."""

PASSES = 4
"""Of an epoch, in forward passes: forward and backward are three, the evaluation is the fourth."""

SEEDS = {"order": 0, "augmentation": 0, "dropout": 0, "regularizer": 0}


def operations(pictures: int, epochs: int) -> float:
    """Arithmetic of training the benchmark's network."""
    return FORWARD * PASSES * pictures * epochs


@dataclass
class _Timed:
    """A training whose first epochs are not counted: in them graphs are captured and algorithms chosen."""

    name: str
    device: torch.device
    inputs: torch.Tensor
    targets: torch.Tensor
    protocol: Protocol
    stamps: list[float]
    memory: float = 0.0

    def begin(self) -> Member:
        torch.manual_seed(int(self.name))
        given = Assignment(
            model=resnet(TASK, depth=DEPTH), task=TASK, inputs=self.inputs, targets=self.targets,
            clean_targets=self.targets, protocol=self.protocol, regularizers=(), seeds=SEEDS,
            milestones=False, on_epoch=lambda row: self.stamps.append(time.perf_counter()),
        )  # fmt: skip
        return Member(given, self.device)

    def end(self, member: Member) -> Any:
        return member.outcome().epochs


def benchmark(
    device: str, *, at_once: int, pictures: int, epochs: int = 3, batch: int = 128, warm_up: int = 2
) -> Card:
    """Measure the arithmetic a second of so many trainings side by side.

    Parameters
    ----------
    pictures : int
        Random ones, of 32 x 32 pixels.
    epochs, warm_up : int
        Epochs that count, and epochs before them.
    """
    place = torch.device(device)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(pictures, *TASK.input_shape, generator=generator).to(place)
    targets = torch.randint(TASK.outputs, (pictures,), generator=generator).to(place)
    found = {}
    for precision in ("tf32", "bfloat16"):
        protocol = Protocol(
            learning_rate=0.01, batch_size=batch, max_epochs=warm_up + epochs, precision=precision
        )
        works = [_Timed(str(each), place, inputs, targets, protocol, []) for each in range(at_once)]
        conductor = Conductor(place, at_once)
        for each in works:
            conductor.admit(each)
        while conductor.works:
            for ended in conductor.round():
                if ended.fault is not None:
                    raise ended.fault
        # From when all have warmed up until the first is done: all run side by side.
        began = max(each.stamps[warm_up] for each in works)
        over = min(each.stamps[-1] for each in works)
        done = sum(sum(began < stamp <= over for stamp in each.stamps) for each in works)
        found[precision] = operations(pictures, max(1, done)) / max(1e-9, over - began)
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Card(name=name, date=today, at_once=at_once, flops=found["tf32"], flops_bfloat16=found["bfloat16"])
