"""Settings of torch that hold while a network is trained, and are put back afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

__all__ = ["GlobalStream", "cuda_algorithms", "global_stream"]


@contextmanager
def cuda_algorithms(device: torch.device, deterministic: bool, precision: str = "float32") -> Iterator[None]:
    """On CUDA, use deterministic algorithms only, or else let cuDNN choose the fastest; and TF32 in the
    precisions below float32, as a protocol names them, whatever torch's defaults are.

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
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )
    # cuBLAS reads this when its handle is made; without it torch refuses its deterministic mode.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
    if precision is not None:
        # What mixed precision leaves in float32, such as evaluations, need not be more exact than the rest.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision != "float32"
    # Guards against reading uninitialized memory, at the price of writing it; nothing here reads it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = before[2]
        torch.utils.deterministic.fill_uninitialized_memory = before[3]  # type: ignore[attr-defined]
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before[4:]


def global_stream(device: torch.device, seed: int) -> AbstractContextManager[None]:
    """Seed torch's global generators of the CPU and of `device`, and put their states back afterwards."""
    return GlobalStream(device, seed).in_place()


class GlobalStream:
    """What one training draws from torch's global generators, as dropout does, whoever draws between.

    Parameters
    ----------
    device : torch.device
    seed : int
    """

    def __init__(self, device: torch.device, seed: int):
        self._cpu = torch.Generator().manual_seed(seed).get_state()
        self._index = -1
        self._apple: int | torch.Tensor | None = seed if device.type == "mps" else None
        if device.type == "cuda":
            torch.cuda.init()
            self._index = torch.cuda.current_device() if device.index is None else device.index
            self._own = torch.Generator(device).manual_seed(seed)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the block torch's global generators go on with this stream; behind it they are as before."""
        general = torch.random.default_generator
        before = general.get_state()
        general.set_state(self._cpu)
        try:
            with self._on_device():
                yield
        finally:
            self._cpu = general.get_state()
            general.set_state(before)

    def restart(self, seed: int) -> None:
        """Inside `in_place`: begin anew with another seed."""
        torch.random.default_generator.manual_seed(seed)
        if self._index >= 0:
            torch.cuda.default_generators[self._index].manual_seed(seed)
        if self._apple is not None:
            torch.mps.manual_seed(seed)

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        if self._apple is not None:
            with self._on_apple():
                yield
            return
        if self._index < 0:
            yield
            return
        general = torch.cuda.default_generators[self._index]
        before = general.graphsafe_get_state()
        # The very state, no copy: what is captured as a graph meanwhile draws from it at each replay too.
        general.graphsafe_set_state(self._own)
        try:
            yield
        finally:
            self._own = general.graphsafe_get_state()
            general.graphsafe_set_state(before)

    @contextmanager
    def _on_apple(self) -> Iterator[None]:
        before = torch.mps.get_rng_state()
        if isinstance(self._apple, int):
            torch.mps.manual_seed(self._apple)
        elif self._apple is not None:
            torch.mps.set_rng_state(self._apple)
        try:
            yield
        finally:
            self._apple = torch.mps.get_rng_state()
            torch.mps.set_rng_state(before)
