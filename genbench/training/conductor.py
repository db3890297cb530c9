"""Many trainings on one device in one process, each with the bits that it has alone."""

from __future__ import annotations

import collections
import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from genbench.networks.ambient import ordinary_torch
from genbench.training.member import Member, Stage

__all__ = ["Conductor", "Ended", "OutOfRoom", "Work"]

PART = 16
"""Steps that a member makes before it is the next one's turn."""

PAUSE = 2e-4
"""Seconds to wait where all members wait for the device."""


class OutOfRoom(Exception):
    """A training does not fit on the device, though nothing else is on it."""


class Work(Protocol):
    """A training to be done; `name` tells it from others."""

    name: str
    memory: float
    """Bytes of the device that it is predicted to take."""

    def begin(self) -> Member:
        """Make the member, from the start also where this was called before."""
        ...

    def end(self, member: Member) -> Any:
        """Take what the member's training left."""
        ...


@dataclass(frozen=True)
class Ended:
    """What became of a work: what its `end` returned, or the exception that ended it."""

    work: Work
    result: Any = None
    fault: Exception | None = None


class Conductor:
    """Takes works from a queue, as many at once as fit, and lets their members advance in turns.

    A work that fails fails alone. One for which there is no memory goes back into the queue with the younger
    half of the company, which is trained from the start later, to the same bits.

    Parameters
    ----------
    device : torch.device
    at_once : int
        Members side by side, at most; halved where memory runs out.
    fits : callable
        Whether so many more bytes are free on the device.

    Attributes
    ----------
    at_once : int
    steps : int
        Updates that all members have begun; `Pace` judges the throughput by them.
    """

    def __init__(
        self, device: torch.device, at_once: int = 1, fits: Callable[[float], bool] = lambda memory: True
    ):
        self._device = device
        self._fits = fits
        self._queue: collections.deque[Work] = collections.deque()
        self._company: list[tuple[Work, Member]] = []
        self.at_once = at_once
        self.steps = 0
        self._short = False

    @property
    def works(self) -> int:
        """How many works have not ended."""
        return len(self._queue) + len(self._company)

    @property
    def company(self) -> int:
        """How many members there are."""
        return len(self._company)

    def admit(self, work: Work) -> None:
        """Queue a work."""
        self._queue.append(work)

    def round(self) -> list[Ended]:
        """Let every member do what it can do without waiting; return the works that ended with it."""
        ended: list[Ended] = []
        with ordinary_torch():
            self._fill(ended)
            # Works, not members: what leaves for want of memory is to go before the next one asks for some.
            moved = [work for work, member in self._company if not member.waiting]
            for work in moved:
                self._advance_if_there(work, ended)
                self._release_if_short()
        if not moved and not ended:
            time.sleep(PAUSE)
        return ended

    def _fill(self, ended: list[Ended]) -> None:
        while self._queue and len(self._company) < self.at_once:
            if self._company and not self._fits(self._queue[0].memory):
                return
            work = self._queue.popleft()
            fault: Exception | None = None
            try:
                self._company.append((work, work.begin()))
            except Exception as raised:
                fault = raised
            if fault is not None:
                self._fault(work, fault, ended)
                self._release_if_short()

    def _advance_if_there(self, work: Work, ended: list[Ended]) -> None:
        for pair in self._company:
            if pair[0] is work:
                self._advance(pair, ended)
                return

    def _advance(self, pair: tuple[Work, Member], ended: list[Ended]) -> None:
        work, member = pair
        fault: Exception | None = None
        try:
            with member.turn():
                # One at a time, on the CPU, needs no turns.
                alone = self._device.type == "cpu" and len(self._company) == 1
                self.steps += member.advance(math.inf if alone else PART)
            if member.stage is not Stage.OVER:
                return
            ended.append(Ended(work, work.end(member)))
        except Exception as raised:
            fault = raised
        self._leave(pair)
        if fault is not None:
            self._fault(work, fault, ended)

    def _fault(self, work: Work, fault: Exception, ended: list[Ended]) -> None:
        if isinstance(fault, torch.OutOfMemoryError):
            fault.__traceback__ = fault.__context__ = None  # their frames hold what is to be freed
            self._out_of_memory(work, ended)
            return
        if self._device.type == "cuda":
            # A device that is lost fails everybody: this process is then of no use.
            torch.cuda.synchronize(self._device)
        ended.append(Ended(work, fault=fault))

    def _leave(self, pair: tuple[Work, Member]) -> None:
        self._company.remove(pair)
        pair[1].close()

    def _out_of_memory(self, work: Work, ended: list[Ended]) -> None:
        """Go on with half the company; the others wait in the queue for their second start."""
        company = len(self._company) + 1
        self.at_once = max(1, company // 2)
        back = [work]
        while len(self._company) > self.at_once:
            youngest = self._company[-1]
            self._leave(youngest)
            back.append(youngest[0])
        self._short = True
        if company == 1:
            self._release()
            ended.append(Ended(work, fault=OutOfRoom(self._why_no_room(work))))
        else:
            self._queue.extendleft(back)

    def _release_if_short(self) -> None:
        """Give back the memory of those that left, once nobody here holds them."""
        if self._short:
            self._short = False
            self._release()

    def _release(self) -> None:
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            torch.cuda.empty_cache()

    def _why_no_room(self, work: Work) -> str:
        told = f"out of memory with this training alone: {work.memory / 1e9:.1f} GB were predicted"
        if self._device.type != "cuda":
            return told
        free, whole = torch.cuda.mem_get_info(self._device)
        return f"{told}, {free / 1e9:.1f} GB of {whole / 1e9:.1f} GB are free"
