"""Captures as CUDA graphs, as far as no device is needed: what a broken one leaves, and whose graphs share memory."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from training.test_member import CASES, assert_same, expected, member

from genbench.training.cuda_graphs import CudaCapture
from genbench.training.device_steps import CannotCapture
from genbench.training.tape import Tape

POOL = (0, 7)


@pytest.fixture
def told(monkeypatch) -> list[tuple[Any, ...]]:
    """What the allocator of a device is told that only pretends to capture; the end of a broken capture fails."""
    under_way: list[tuple[int, int]] = []
    told: list[tuple[Any, ...]] = []

    @contextmanager
    def capturing(graph, pool, **settings):
        under_way.append(pool)
        try:
            yield
        except RuntimeError:
            raise RuntimeError("operation failed due to a previous error during capture") from None
        under_way.remove(pool)

    def end(device, pool):
        if pool not in under_way:
            raise RuntimeError("not currently recording to mempool_id")
        under_way.remove(pool)
        told.append(("end", device, pool))

    monkeypatch.setattr(torch.cuda, "graph", capturing)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: POOL)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", SimpleNamespace)
    monkeypatch.setattr(torch.cuda, "default_generators", [torch.Generator()])
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", end, raising=False)
    monkeypatch.setattr(
        torch._C, "_cuda_releasePool", lambda *given: told.append(("release", *given)), raising=False
    )
    monkeypatch.setattr("genbench.training.cuda_graphs._make_anew", lambda drawn, states: None)
    return told


@pytest.fixture
def capture(told) -> CudaCapture:
    return CudaCapture(SimpleNamespace(device=torch.device("cuda", 0)))  # type: ignore[arg-type]


def test_the_allocator_is_told_that_a_broken_capture_is_over(told, capture):
    def looks_at_a_value():
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(CannotCapture, match="RuntimeError: operation not permitted when stream is capturing"):
        capture(looks_at_a_value, [])
    assert told == [("end", 0, POOL), ("release", 0, POOL)]


def test_a_capture_that_ended_by_itself_is_left_alone(told, capture):
    capture(lambda: None, [])
    assert told == []


def test_each_phase_has_graphs_of_its_own(monkeypatch):
    phases: list[list[Tape]] = []

    class Capturing:
        def __init__(self, stream):
            phases.append([])

        def __call__(self, function, generators):
            phases[-1].append(Tape(function, generators))
            return phases[-1][-1]

    class Event:
        def record(self, stream):
            pass

        def query(self):
            return True

    monkeypatch.setattr("genbench.training.member.CudaCapture", Capturing)
    monkeypatch.setattr("genbench.training.member._new_stream", lambda device: "a stream")
    for name in ("device", "stream"):
        monkeypatch.setattr(torch.cuda, name, lambda given: nullcontext())
    monkeypatch.setattr(torch.cuda, "Event", Event)
    assert_same(member(CASES["pretrained"]).train(), expected(CASES["pretrained"]))
    assert [len(each) for each in phases] == [2, 2]
