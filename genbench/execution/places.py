"""Where the jobs of a run are executed on this machine."""

from __future__ import annotations

import os

from genbench.base.errors import UsageError
from genbench.base.machine import cores

__all__ = ["devices"]

MOST_WORKERS = 1024
"""Beyond what one machine can do at a time; each is a thread here and a process."""

MEASURING_PER_GPU = 4
"""Batteries of measures at a time on each GPU, each in a process, beside the one that trains: a single one
leaves the device idle most of the time."""


def devices(device: str, workers: int | None, per_device: int | None = None) -> tuple[str, ...]:
    """The device of each job that runs at a time.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:N"}
    workers : int, optional
        Jobs at a time; one for each core, or up to four for each GPU, where left out.
    per_device : int, optional
        Trainings that are to share a process; only checked here.

    Raises
    ------
    UsageError
        There is no such device, or a number that cannot be.
    """
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        device = "cuda" if found else "cpu"
    name, _, number = device.partition(":")
    if name not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise UsageError(f"no such device '{device}'; there are auto, cpu and cuda")
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
    names = [device] if number else [f"cuda:{each}" for each in range(found)]
    count = workers or len(names) * max(1, min(MEASURING_PER_GPU, cores() // (2 * len(names))))
    return tuple(names[each % len(names)] for each in range(count))


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
