"""What devices do in a second, measured: the constants by which ``genbench plan --device`` predicts.

``genbench doctor --benchmark`` measures those of the machine that it runs on and keeps them in the cache.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from genbench.base.files import cache_folder, replacing

__all__ = ["ARITHMETIC", "EVALUATION", "MEASURED", "Card", "card_called", "keep_card"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """How fast a device trains networks of convolutions, several side by side, and measures them.

    A step takes so long for each layer and for each number that a layer puts out: moving these numbers, not
    arithmetic, is what small networks on large cards are bound by; wide ones by `ARITHMETIC`.

    Attributes
    ----------
    name, date : str
        Of the device, and of the measurement.
    at_once : int
        Trainings side by side, in one process.
    numbers, numbers_bfloat16 : float
        Outputs of layers that all trainings together make in a second, forward and backward pass and update;
        the first in TF32 on CUDA.
    layer_seconds : float
        Of each step, for each layer, whatever the batch; steps captured where the device captures them.
    battery_seconds, battery_layer_seconds : float
        One process computes all measures of a network in so many seconds, and so many more for each layer.
    batteries : int
        Processes that measure side by side where no number is asked for.
    """

    name: str
    date: str
    at_once: int
    numbers: float
    numbers_bfloat16: float
    layer_seconds: float
    battery_seconds: float = 14.0
    battery_layer_seconds: float = 0.4
    batteries: int = 4

    def training_seconds(
        self, *, flops: float, numbers: float, layers: int, examples: int, steps: int, epochs: float,
        step_cost: float = 1.0, precision: str = "tf32",
    ) -> float:  # fmt: skip
        """Share of the device's time that one training takes.

        Parameters
        ----------
        flops, numbers : float
            Operations of a forward pass, and outputs of all layers, for one example.
        steps : int
            Of an epoch; behind each epoch all examples are evaluated, a third of what training on them takes.
        step_cost : float
            Passes of a step, in usual ones.
        """
        speed = self.numbers_bfloat16 if precision == "bfloat16" else self.numbers
        example = max(numbers / speed, 3 * flops / ARITHMETIC[precision]) * (step_cost + EVALUATION)
        return epochs * (
            examples * example + steps * step_cost * max(layers, LEAST_LAYERS) * self.layer_seconds
        )


ARITHMETIC = {"float32": 4e13, "tf32": 1.7e14, "bfloat16": 3.5e14}
"""Operations a second of a card of this class. Network-in-network at batch 128 reached the last; the others
are estimated from what the makers tell of such cards."""

EVALUATION = 1 / 3
"""Of an example, in passes forward and backward."""

LEAST_LAYERS = 16
"""Fewer do not make a step faster: starting it takes the host some 40 microseconds (an estimate)."""

MEASURED = (
    # Batch 128, 50,000 pictures, evaluations not counted: ResNet-20 takes 0.75 s an epoch and network in TF32
    # (four at once), 0.35 s in bfloat16, 0.30 s at batch 512. Others are predicted to take rather too long:
    # in bfloat16 0.87 s for WRN-16-4 (measured: 0.66), 0.21 s for six convolutions of 64 (measured: 0.13).
    # All 208 measures of ResNet-20 on 25,000 pictures took 39 to 44 s, of the six layers 21 to 30 s.
    Card(
        name="NVIDIA H200", date="2026-11", at_once=4,
        numbers=4.8e10, numbers_bfloat16=1.15e11, layer_seconds=2.5e-6,
    ),
)  # fmt: skip
"""Cards that were measured; where there is none, plans are for the first one."""


def card_called(name: str) -> Card | None:
    """A card by its name: as measured on this machine, else as in `MEASURED`; None where it is in neither."""
    try:
        return Card(**json.loads(_file(name).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return next((each for each in MEASURED if each.name == name), None)


def keep_card(found: Card) -> Path:
    """Keep what was measured on this machine, for plans; returns the file."""
    path = _file(found.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return path


def _file(name: str) -> Path:
    safe = "".join(each if each.isalnum() else "-" for each in name)
    return cache_folder() / "cards" / f"{safe}.json"
