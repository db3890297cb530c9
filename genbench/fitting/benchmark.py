"""How fast this machine trains: one kind of network, several of them side by side, on random pictures."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from genbench.base.data import Task
from genbench.contract.protocol import Protocol
from genbench.fitting.cards import EVALUATION, Card
from genbench.models.resnet import resnet
from genbench.training.conductor import Conductor
from genbench.training.member import Assignment, Member

__all__ = ["LAYERS", "NUMBERS", "benchmark", "constants", "epoch_seconds"]

TASK = Task("classification", (3, 32, 32), 10)
DEPTH = 20
NUMBERS, LAYERS = 6.51e5, 69
"""What the layers of the network put out for one picture, and how many there are."""

LARGER = 4
"""So many times as large batches tell what a step takes whatever its batch."""

SEEDS = {"order": 0, "augmentation": 0, "dropout": 0, "regularizer": 0}


def constants(small: float, large: float, *, pictures: int, batch: int) -> tuple[float, float]:
    """Numbers a second, and seconds for each layer and step, from those of epochs with two sizes of batches.

    Where the larger batches, `LARGER` times the smaller, are no faster, steps are said to cost nothing.
    """
    steps, fewer = -(-pictures // batch), -(-pictures // (LARGER * batch))
    step = max(0.0, (small - large) / max(1, steps - fewer))
    moving = max(0.1 * small, small - steps * step)
    return pictures * NUMBERS * (1 + EVALUATION) / moving, step / LAYERS


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
    """Measure so many trainings side by side, in TF32 with batches of two sizes, and in bfloat16.

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

    def seconds(precision: Literal["tf32", "bfloat16"], size: int) -> float:
        protocol = Protocol(
            learning_rate=0.01, batch_size=size, max_epochs=warm_up + epochs, precision=precision
        )
        works = [_Timed(str(each), place, inputs, targets, protocol, []) for each in range(at_once)]
        return _seconds(works, place, warm_up)

    small = seconds("tf32", batch)
    numbers, layer = constants(small, seconds("tf32", LARGER * batch), pictures=pictures, batch=batch)
    steps = -(-pictures // batch)
    moving = seconds("bfloat16", batch) - steps * LAYERS * layer
    bfloat16 = pictures * NUMBERS * (1 + EVALUATION) / max(0.1 * small, moving)
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Card(
        name=name,
        date=today,
        at_once=at_once,
        numbers=numbers,
        numbers_bfloat16=bfloat16,
        layer_seconds=layer,
    )


def _seconds(works: list[_Timed], place: torch.device, warm_up: int) -> float:
    """Of an epoch and training, while all run side by side: all have warmed up, and none is done."""
    conductor = Conductor(place, len(works))
    for each in works:
        conductor.admit(each)
    while conductor.works:
        for ended in conductor.round():
            if ended.fault is not None:
                raise ended.fault
    return epoch_seconds([each.stamps for each in works], warm_up)


def epoch_seconds(stamps: Sequence[Sequence[float]], warm_up: int) -> float:
    """Seconds for an epoch and training, of trainings side by side, by when their epochs ended.

    The pace of each counts: they all end their last epochs at about the same time.

    Parameters
    ----------
    stamps : sequence of sequence of float
        Of each training, from its begin on.
    warm_up : int
        So many epochs do not count.
    """
    spans = [(len(each) - 1 - warm_up, each[-1] - each[warm_up]) for each in stamps]
    return 1 / sum(epochs / max(1e-9, seconds) for epochs, seconds in spans)
