"""Steps captured as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch

from genbench.base.errors import first_line
from genbench.training.device_steps import CannotCapture

__all__ = ["CudaCapture"]


class CudaCapture:
    """Captures the steps of one training; a `genbench.training.device_steps.Capture`.

    The graphs of a training are replayed one after the other on its stream and leave nothing in their own
    memory for each other, hence one pool for all of them: for as long as there is one of them, as torch
    refuses a pool whose graphs are all gone. To be called inside the turn of the member: what
    the step draws from torch's global generator is then registered with the graph as the member's own.

    Parameters
    ----------
    stream : torch.cuda.Stream
        Of the member; steps must have been made on it before.
    """

    def __init__(self, stream: torch.cuda.Stream):
        self._stream = stream
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(
        self, function: Callable[[], None], generators: list[torch.Generator]
    ) -> torch.cuda.CUDAGraph:
        """Capture a function without running it.

        Raises
        ------
        CannotCapture
            It waits for the device, or does what CUDA refuses meanwhile.
        torch.OutOfMemoryError
        """
        graph = torch.cuda.CUDAGraph()
        for each in generators:
            graph.register_generator_state(each)
        drawn = [*generators, torch.cuda.default_generators[self._stream.device.index]]
        states = [each.get_state() for each in drawn]
        fault: BaseException | None = None
        try:
            with torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                try:
                    function()
                except Exception as first:
                    fault = first
                    raise
        except Exception as last:
            # The end of a broken capture complains of it once more; the first fault says why.
            fault = fault or last
            self._end_allocating()
            _make_anew(drawn, states)
            if isinstance(fault, torch.OutOfMemoryError):
                raise fault from None
            raise CannotCapture(f"{type(fault).__name__}: {first_line(fault)}") from None
        return graph

    def _end_allocating(self) -> None:
        """Have the allocator forget a capture that broke, whose end fails before it comes to that.

        With a capture under way no memory is given back, and torch refuses the next capture, whoever's.
        """
        names = ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool")  # the second before 2.8
        end = next(getattr(torch._C, each) for each in names if hasattr(torch._C, each))
        device = self._stream.device.index
        with suppress(RuntimeError):  # it had ended, or had not begun
            end(device, self._pool)
            torch._C._cuda_releasePool(device, self._pool)


def _make_anew(generators: list[torch.Generator], states: list[torch.Tensor]) -> None:
    """Give generators new states: those that a broken capture leaves behind refuse to draw."""
    for generator, state in zip(generators, states, strict=True):
        fresh = torch.Generator(generator.device)
        fresh.set_state(state)
        generator.graphsafe_set_state(fresh)
