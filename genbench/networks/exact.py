"""Single precision that is single precision on every device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

__all__ = ["full_precision"]


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Inside the block products and convolutions on CUDA round to single precision, not to ten bits.

    torch lets cuDNN do the latter by default. What is measured there would differ in the fourth digit from
    what the CPU measures, and a search for where a prediction changes might not end. Does nothing on the CPU.
    """
    return _without_ten_bits() if device.type == "cuda" else nullcontext()


@contextmanager
def _without_ten_bits() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
