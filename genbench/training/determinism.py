"""Settings of torch that hold while a network is trained, and are put back afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["cuda_algorithms", "global_stream"]


@contextmanager
def cuda_algorithms(device: torch.device, deterministic: bool) -> Iterator[None]:
    """On CUDA, use deterministic algorithms only, or else let cuDNN choose the fastest.

    Does nothing on the CPU: its algorithms give the same bits for the same number of threads.
    """
    if device.type != "cuda":
        yield
        return
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )
    # cuBLAS reads this when its handle is made; without it torch refuses its deterministic mode.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
    # Guards against reading uninitialized memory, at the price of writing it; nothing here reads it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = before[2]
        torch.utils.deterministic.fill_uninitialized_memory = before[3]  # type: ignore[attr-defined]


@contextmanager
def global_stream(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's global generators of the CPU and of `device`, and put their states back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.random.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
