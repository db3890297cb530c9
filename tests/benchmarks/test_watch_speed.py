"""What it costs to look behind a component of a plugin, as a share of a battery, in processor time.

Beside an MLP 64-128-128-10 and 800 examples: 4.5 ms for each component where what is looked at has left the
processor's caches, 2 ms where it has not, so that five components cost 1 % of the 2.1 s of all measures on one
thread. The core's own components are not looked behind and pay nothing.

Two shared cores of a virtual machine (AMD EPYC), Python 3.11, torch 2.14.
"""

from __future__ import annotations

import copy
import time

import pytest
import torch
from torch import nn

from genbench.base.data import Task
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.measuring import compute
from genbench.measuring.watch import Watch

COMPONENTS = 5
"""Of a plugin, beside the core's battery."""


@pytest.mark.slow  # the battery takes seconds
def test_looking_behind_five_components(benchmark):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    roots = {
        "model": model,
        "initial_model": copy.deepcopy(model),
        "inputs": torch.randn(800, 1, 8, 8),
        "targets": torch.arange(800) % 10,
        "task": Task("classification", (1, 8, 8), 10),
    }
    host = Host.load(rooms={"measures", "probes"})
    battery = Battery.resolve([Request.of(each) for each in host.components(Kind.MEASURE)], host.probe_lookup)
    began = time.process_time()
    values = list(compute(battery, roots, lambda component, settings: 0))
    whole = time.process_time() - began
    assert sum(each.status == "ok" for each in values) > 50

    shared = {name: each for name, each in roots.items() if "model" not in name}
    watch = Watch(shared)

    others = torch.zeros(20_000_000)

    def look() -> float:
        spent = 0.0
        for _ in range(COMPONENTS):
            others.add_(1.0)  # what a battery computes leaves nothing of this in the caches
            began = time.process_time()
            watch.look({})
            assert watch.changed_surroundings() == watch.changed_objects() == []
            spent += time.process_time() - began
        return spent

    share = min(look() for _ in range(3)) / whole
    benchmark.extra_info["share of a battery"] = share
    benchmark.pedantic(look, rounds=3)
