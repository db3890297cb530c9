"""A value does not depend on the device: whatever is drawn, is drawn on the CPU.

Every device counts as another one here, so that all draws go the way that those for CUDA go; torch's own mark
on operations that draw tells which did not.
"""

import pytest
import torch
from measures.test_all_measures import HOST, MEASURES, compute, roots
from torch.utils._python_dispatch import TorchDispatchMode

from genbench.host.battery import Battery, Request
from genbench.measuring import engine
from genbench.networks.draws import DrawnOnCpu


class Everywhere(DrawnOnCpu):
    """Takes the CPU itself for another device, and knows when it draws."""

    drawing = False

    def elsewhere(self, device):
        return device is not None

    def draw(self, *given):
        Everywhere.drawing = True
        try:
            return super().draw(*given)
        finally:
            Everywhere.drawing = False


class Stray(TorchDispatchMode):
    """Collects the operations that draw where nobody moves what they draw."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if torch.Tag.nondeterministic_seeded in operation.tags and not Everywhere.drawing:
            self.found.add(str(operation))
        return operation(*args, **(kwargs or {}))


@pytest.fixture
def everywhere(monkeypatch):
    """Every component computes as if on another device."""
    monkeypatch.setattr(engine, "drawn_on_cpu", lambda device: Everywhere())


def drawing():
    """Names of the measures that are given a generator, themselves or below."""
    battery = Battery.resolve([Request.of(each) for each in MEASURES], HOST.probe_lookup)
    return {each.component.name for each in battery.requests if "generator" in battery.roots_needed(each)} | {
        "mc_dropout_variance"
    }


def held(only):
    given = roots()
    with Stray() as stray:
        moved = compute(given, only)
    return stray.found, moved


def assert_alike(moved, plain):
    for name, value in plain.items():
        assert moved[name].status == value.status, name
        # Where each operation is looked at, torch composes some of others, which round in another order.
        assert moved[name].value == pytest.approx(value.value, rel=1e-12), name


def test_no_measure_that_draws_draws_on_another_device(everywhere, monkeypatch):
    only = drawing()
    assert {"random", "avg_sharpness", "pgdl_augment_margin"} <= only
    strays, moved = held(only)
    assert not strays
    monkeypatch.undo()
    assert_alike(moved, compute(roots(), only))


@pytest.mark.slow  # every measure twice, and each operation of one pass looked at
def test_no_measure_draws_on_another_device(everywhere, monkeypatch):
    strays, moved = held(None)
    assert not strays
    monkeypatch.undo()
    assert_alike(moved, compute(roots()))


def test_a_draw_that_nobody_moves_is_found(everywhere):
    with Stray() as stray:
        torch.ops.aten.rand([2])
    assert stray.found
