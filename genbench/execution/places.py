"""Where the jobs of a run are executed on this machine."""

from __future__ import annotations

import os
import sys

from genbench.base.errors import UsageError
from genbench.base.machine import cores

__all__ = ["devices", "measuring_device"]

MOST_WORKERS = 1024
"""Beyond what one machine can do at a time; each is a thread here and a process."""

MEASURING_PER_GPU = 4
"""Batteries of measures at a time on each GPU, each in a process, beside the one that trains: a single one
leaves the device idle most of the time."""


def devices(device: str, workers: int | None, per_device: int | None = None) -> tuple[str, ...]:
    """The device of each job that runs at a time.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:N", "mps"}
        ``auto`` is CUDA where there is any, else the CPU.
    workers : int, optional
        Jobs at a time; one for each core, up to four for each GPU, or one on Apple's, where left out.
    per_device : int, optional
        Trainings that are to share a process; only checked here.

    Raises
    ------
    UsageError
        There is no such device, or a number that cannot be.
    """
    import torch

    if sys.platform == "win32":
        raise UsageError("training and measuring need WSL on Windows; rankings and reports work without")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        device = "cuda" if found else "cpu"
    name, _, number = device.partition(":")
    if device != "mps" and (name not in ("cpu", "cuda") or (number and not number.isdigit())):
        raise UsageError(f"no such device '{device}'; there are auto, cpu, cuda and mps")
    if name == "mps" and not torch.backends.mps.is_available():
        raise UsageError(f"no such device 'mps': {_why_no_mps()}")
    if name == "cuda" and not found:
        raise UsageError(f"no such device '{device}': {_why_no_cuda()}")
    if name == "cuda" and number and int(number) >= found:
        last = f"cuda:0 to cuda:{found - 1}" if found > 1 else "cuda:0"
        raise UsageError(f"no such device '{device}': torch finds {last} here")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: must be at least 1")
    if workers is not None and workers > MOST_WORKERS:
        raise UsageError(f"--workers {workers}: must be at most {MOST_WORKERS}")
    if per_device is not None and not 1 <= per_device <= MOST_WORKERS:
        raise UsageError(f"--per-device {per_device}: must be from 1 to {MOST_WORKERS}")
    if name == "cpu":
        return ("cpu",) * (workers or cores())
    if name == "mps":
        return ("mps",) * (workers or 1)
    names = [device] if number else [f"cuda:{each}" for each in range(found)]
    count = workers or len(names) * max(1, min(MEASURING_PER_GPU, cores() // (2 * len(names))))
    return tuple(names[each % len(names)] for each in range(count))


def _why_no_mps() -> str:
    import torch

    if not torch.backends.mps.is_built():
        return "this torch was built without it; it is for Macs with Apple silicon"
    return "torch finds no Apple GPU here, or the system is too old"


def measuring_device(device: str) -> str:
    """Where the measures of fits are computed that are trained on a device.

    Apple's GPUs have no float64, which most probes compute in; the CPU beside them has.
    """
    return "cpu" if device == "mps" else device


def _why_no_cuda() -> str:
    import torch

    if torch.version.cuda is None:
        return "this torch was built without CUDA"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return "torch finds no CUDA devices here"
    if visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides all of them"
    return f"torch finds none of what CUDA_VISIBLE_DEVICES={visible!r} names"
