"""What devices do in a second, measured: the constants by which ``genbench plan --device`` predicts.

``genbench doctor --benchmark`` measures those of the machine that it runs on and keeps them in the cache.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from genbench.base.files import cache_folder, replacing

__all__ = ["MEASURED", "Card", "card_called", "keep_card"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """How fast a device trains networks of convolutions, evaluations included.

    Attributes
    ----------
    name, date : str
        Of the device, and of the measurement.
    at_once : int
        Trainings side by side, in one process.
    flops, flops_bfloat16 : float
        Arithmetic a second of all of them together, steps captured where the device captures them; the first
        in TF32 on CUDA.
    """

    name: str
    date: str
    at_once: int
    flops: float
    flops_bfloat16: float


MEASURED = (
    # ResNet-20, batch 128, 50,000 pictures: 0.75 s an epoch and network in TF32, 0.35 s in bfloat16. An epoch
    # counts as four forward passes, the evaluation being one, of 81 million operations a picture.
    Card(name="NVIDIA H200", date="2026-11", at_once=4, flops=2.2e13, flops_bfloat16=4.7e13),
)
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
