"""The table of speeds on a GPU: ``PYTHONPATH=tests python -m gpu.table FILE``, in one run of some minutes.

Seconds for an epoch of some 50,000 pictures and a network, at batch 128: of the loop as it was before members, and
of members, alone and side by side. FILE is JSON, with what was measured on, and keeps what an earlier run measured.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from training.frozen.loop import train as frozen_train

from genbench.contract.protocol import Protocol
from genbench.fitting.benchmark import SEEDS, TASK, epoch_seconds
from genbench.models.convnet import convnet
from genbench.models.resnet import resnet
from genbench.training.conductor import Conductor
from genbench.training.member import Assignment, Member

BATCH = 128
PICTURES = 390 * BATCH  # whole batches: a last, smaller one would be captured among the epochs that count
EPOCHS, WARM_UP = {1: 2, 4: 1, 16: 1}, 1
MODELS = {
    "resnet-20": lambda: resnet(TASK, depth=20),
    "convnet-64x6": lambda: convnet(TASK, width=64, depth=6, normalization="batch"),
}
ROWS = [
    (model, precision, at_once)
    for model in MODELS
    for precision in ("tf32", "bfloat16")
    for at_once in (0, 1, 4, 16)
]
"""At once 0: the loop as it was."""


class Timed:
    """A training whose epochs are stamped."""

    memory = 0.0

    def __init__(self, name: str, given: Assignment, stamps: list[float]):
        self.name, self._given, self.stamps = name, given, stamps

    def begin(self) -> Member:
        return Member(self._given, torch.device("cuda", 0))

    def end(self, member: Member) -> Any:
        return member.outcome().steps


def seconds(model: str, precision: str, at_once: int, inputs: Any, targets: Any) -> float:
    """Of an epoch and network."""
    epochs = WARM_UP + EPOCHS.get(at_once, 1)
    protocol = Protocol(learning_rate=0.05, batch_size=BATCH, max_epochs=epochs, precision=precision)
    if at_once == 0:
        stamps: list[float] = []
        frozen_train(
            MODELS[model](), TASK, inputs, targets, targets, protocol, (), SEEDS, device="cuda",
            milestones=False, on_epoch=lambda row: stamps.append(time.perf_counter()),
        )  # fmt: skip
        return stamps[-1] - stamps[-2]
    conductor = Conductor(torch.device("cuda", 0), at_once)
    works = []
    for number in range(at_once):
        stamps = []
        given = Assignment(
            model=MODELS[model](), task=TASK, inputs=inputs, targets=targets, clean_targets=targets,
            protocol=protocol, regularizers=(), seeds=SEEDS, milestones=False,
            on_epoch=lambda row, stamps=stamps: stamps.append(time.perf_counter()),
        )  # fmt: skip
        works.append(Timed(str(number), given, stamps))
        conductor.admit(works[-1])
    while conductor.works:
        for ended in conductor.round():
            if ended.fault is not None:
                raise ended.fault
    return epoch_seconds([each.stamps for each in works], WARM_UP)


def main(file: Path) -> None:
    """Measure what the file does not have yet."""
    found = json.loads(file.read_text()) if file.exists() else {}
    found |= {"card": torch.cuda.get_device_name(0), "torch": torch.__version__}
    table = found.setdefault("seconds_per_epoch_and_network", {})
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(PICTURES, *TASK.input_shape, generator=generator).cuda()
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    targets = torch.randint(TASK.outputs, (PICTURES,), generator=generator).cuda()
    for row in ROWS:
        name = " ".join(map(str, row))
        if name not in table:
            table[name] = round(seconds(*row, inputs, targets), 4)
            file.write_text(json.dumps(found, indent=1))
            sys.stdout.write(f"{name}: {table[name]} s\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
