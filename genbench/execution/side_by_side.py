"""One battery over one network by several processes of one thread each.

A second thread takes little off a battery: half of what is computed has no use for it. The processes are
copies of this one, which have network and data without reading them, and share out the measures as they go.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch
from torch import nn

from genbench.base.children import die_with_parent
from genbench.base.files import passing_folder
from genbench.base.machine import memory
from genbench.base.values import Value
from genbench.measuring.engine import Take

__all__ = ["Compute", "Note", "processes_for", "side_by_side"]

Note = Callable[[str, str], None]
"""See `genbench.measuring.engine.compute`, as for `Take`."""

Compute = Callable[[Note | None, Take | None], Iterator[Value]]
"""A pass of the battery."""

MOST_PROCESSES = 8
"""The longest measures, which are not divided, are an eighth of a battery."""

BYTES_EACH = 1e9
"""What a process takes for data and activations, about which the chunks of a pass see to."""

COPIES = 12
"""Of the weights: themselves, gradients, directions, copies to restore them from."""

PATIENCE_SECONDS = 60.0
"""How long the others are waited for at the least when this process is done; else as long as it worked."""


def processes_for(model: nn.Module, measures: int) -> int:
    """How many processes are to measure a network; one where this process should not be copied.

    That is the case off Linux, beside other threads, whose locks a copy would hold for ever, and where torch
    sees a GPU, for which its backward passes start threads of their own. Else each core that torch may use
    gets one, while there is memory.
    """
    weights = sum(each.numel() * each.element_size() for each in model.parameters())
    devices = {each.device.type for each in model.parameters()}
    if sys.platform != "linux" or devices - {"cpu"} or threading.active_count() > 1:
        return 1
    if torch.get_num_threads() == 1 or torch.cuda.is_available():
        return 1
    room = int((memory() or 0.0) / (BYTES_EACH + COPIES * weights))
    return max(1, min(torch.get_num_threads(), measures, MOST_PROCESSES, room))


@contextmanager
def side_by_side(
    compute: Compute, measures: Sequence[str], processes: int
) -> Iterator[Callable[[Note], Iterator[Value]]]:
    """Have these measures computed by so many processes; gives what yields the values as they come.

    The copies are made at the start of the block, in which threads may be started therefore, and are gone
    behind it. What one of them leaves undone, because it ended or hangs, is computed here.

    Parameters
    ----------
    compute : callable
        ``compute(note, take)``; the same values wherever, and in which order, they are computed.
    measures : sequence of str
        Spellings, those that share probes together.
    """
    if processes == 1:
        yield lambda note: compute(note, None)
        return
    threads = torch.get_num_threads()
    # Once more threads have been at work, a copy that uses more than one hangs.
    torch.set_num_threads(1)
    try:
        with ExitStack() as ends:
            folder = ends.enter_context(passing_folder("claims"))
            claims = [_Claims(Path(folder), measures, place, processes) for place in range(processes)]
            others = [ends.enter_context(_copy(compute, each)) for each in claims[1:]]
            yield lambda note: _together(compute, note, measures, claims[0], others)
    finally:
        torch.set_num_threads(threads)


class _Claims:
    """Which measures somebody has begun: whoever makes the file of one has it. No lock outlives a process.

    Each process takes the measures of its part in their order, then the last ones of the part of which most
    are left.
    """

    def __init__(self, folder: Path, measures: Sequence[str], place: int, processes: int):
        self._folder, self._measures = folder, measures
        self._place, self._processes = place, processes

    def take(self, waiting: Sequence[str]) -> tuple[str | None, list[str]]:
        """See `genbench.measuring.engine.Take`."""
        begun = {int(each.name) for each in self._folder.iterdir()}
        left = [each for each in range(len(self._measures)) if each not in begun]
        mine = None
        while left and mine is None:
            chosen = self._choice(left)
            with suppress(FileExistsError):
                (self._folder / str(chosen)).touch(exist_ok=False)
                mine = self._measures[chosen]
            left.remove(chosen)
        still = {self._measures[each] for each in left}
        return mine, [each for each in waiting if each != mine and each not in still]

    def _choice(self, left: Sequence[int]) -> int:
        parts: dict[int, list[int]] = {}
        for each in left:
            parts.setdefault(each * self._processes // len(self._measures), []).append(each)
        if self._place in parts:
            return parts[self._place][0]
        return max(parts.values(), key=len)[-1]


@contextmanager
def _copy(compute: Compute, claims: _Claims) -> Iterator[Connection]:
    """A copy of this process that computes and tells the values; it ends with the block."""
    context = get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(compute, claims, there), daemon=True)
    process.start()
    there.close()  # so that its end is seen here
    try:
        yield here
    finally:
        process.kill()
        process.join()
        here.close()


def _tell(compute: Compute, claims: _Claims, values: Connection) -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for this one ends it
    # What fails in the pass itself fails in that process too, which then says why.
    with suppress(Exception):
        for value in compute(None, claims.take):
            values.send(value)


def _together(
    compute: Compute, note: Note, measures: Sequence[str], own: _Claims, others: Sequence[Connection]
) -> Iterator[Value]:
    began = time.monotonic()
    missing = dict.fromkeys(measures)
    telling = list(others)
    for value in compute(note, own.take):
        del missing[value.name]
        yield value
        for told in _told(telling, 0.0):
            del missing[told.name]
            yield told
    patience = max(PATIENCE_SECONDS, time.monotonic() - began)
    for told in _told(telling, patience):
        del missing[told.name]
        yield told
    if missing:
        yield from compute(note, lambda waiting: _next_of(missing, waiting))


def _told(telling: list[Connection], patience: float) -> Iterator[Value]:
    """The values that come within so many seconds after the last one; who has ended is no longer asked."""
    while telling and (ready := wait(telling, patience)):
        for each in ready:
            assert isinstance(each, Connection)
            try:
                yield each.recv()
            except (EOFError, OSError):
                telling.remove(each)


def _next_of(missing: dict[str, None], waiting: Sequence[str]) -> tuple[str | None, list[str]]:
    left = [each for each in waiting if each in missing]
    return (left[0] if left else None), [each for each in waiting if each not in missing]
