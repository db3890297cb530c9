"""Single precision that is single precision on every device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["full_precision"]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Inside the block products and convolutions on CUDA round to single precision, not to ten bits.

    torch lets cuDNN do the latter by default. What is measured there would differ in the fourth digit from
    what the CPU measures, and a search for where a prediction changes might not end. Does nothing on the CPU.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
