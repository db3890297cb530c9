"""What a record must hold to be read: its seal proves that nobody changed it, not who made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench.base.shapes import misplaced
from genbench.base.values import Status, StopReason

__all__ = ["misshapen"]

NUMBER = (int, float)
NUMBER_OR_NONE = (int, float, type(None))
PART = {"name": str, "version": int, "settings": dict}
TRIAL = {
    "dataset": PART, "model": PART, "protocol": PART, "regularizers": [PART], "splits?": dict, "seed": int,
    "threads": int, "task?": dict, "checksum?": str,
}  # fmt: skip
LOSSES = {
    f"{name}?": NUMBER_OR_NONE
    for name in (
        "train_loss", "test_loss", "train_error", "train_error_clean", "test_error", "normalized_train_loss",
        "normalized_test_loss", "output_normalized_train_loss", "output_normalized_test_loss",
    )
}  # fmt: skip
FIT = {
    **LOSSES, "key": str, "trial": TRIAL, "environment?": str, "device?": str, "epochs?": int, "steps?": int,
    "seconds?": NUMBER, "stop_reason": tuple(StopReason), "stop_note?": str, "history?": dict, "seeds?": dict,
    "states": [str], "weights": {"bytes": int, "sha256": str}, "train_examples?": int, "test_examples?": int,
    "time?": str,
}  # fmt: skip
VALUE = {
    "measure": str, "key": str, "status": tuple(Status), "value": NUMBER_OR_NONE, "infinite?": NUMBER_OR_NONE,
    "seconds": NUMBER, "reason": str, "version": int, "family?": str, "direction?": ("+", "-", "?"),
    "cost_class?": str, "held_out?": bool, "aliases?": [str], "plugin?": str, "source?": str, "code?": str,
    "own_seconds?": NUMBER_OR_NONE, "peak_memory?": NUMBER_OR_NONE,
}  # fmt: skip
PASS = {
    "values": [VALUE], "fit?": str, "time": str, "environment?": str, "seconds?": NUMBER_OR_NONE,
    "probes?": dict, "battery_seconds?": NUMBER_OR_NONE,
}  # fmt: skip
FAILURE = {"key?": str, "trial?": TRIAL, "status?": str, "reason": str, "time?": str}
PLUGIN = {"name": str, "version": (str, type(None))}
ENVIRONMENT = {
    "plugins?": [PLUGIN], "packages?": dict, "genbench?": str, "commit?": (str, type(None)),
    "processor?": (str, type(None)), "device?": (str, type(None)), "system?": (str, type(None)),
    "python?": (str, type(None)), "cores?": NUMBER_OR_NONE,
}  # fmt: skip

BY_FOLDER = {"values": PASS, "failures": FAILURE, "environments": ENVIRONMENT}


def misshapen(path: Path, content: Mapping[str, Any]) -> str:
    """Why a record cannot be one of its kind, in words that follow its name; nothing where it can be."""
    shape = FIT if path.name == "fit.json" else BY_FOLDER.get(path.parent.name)
    where = "" if shape is None else misplaced(content, shape)
    return f"its {where} is none" if where else ""
