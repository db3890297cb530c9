"""Checksums: what identifies the content of a file, and of a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from torch import Tensor

from genbench.base import moved

__all__ = ["tensor_checksum"]

moved.signpost(__name__)


def tensor_checksum(tensors: Iterable[Tensor]) -> str:
    """SHA-256 over type, shape and little-endian bytes of each tensor, in order, as ``sha256:...``."""
    hashed = hashlib.sha256()
    for tensor in tensors:
        array = tensor.contiguous().numpy()
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        hashed.update(f"{array.dtype.name}{list(array.shape)}".encode())
        hashed.update(little.tobytes())
    return f"sha256:{hashed.hexdigest()}"
