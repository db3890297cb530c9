"""One pass: what is computed when, with which numbers drawn, at which cost."""

import time

import numpy as np
import pytest
import torch
from torch import nn

import genbench
from genbench.base.values import Status
from genbench.host.battery import Failure
from genbench.measuring.cost import _resettable, metered

measure = genbench.measure(family="test", direction="?")


def test_a_probe_is_computed_once_and_freed_behind_its_last_use(plugin):
    events = []

    class Result:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            events.append(f"free {self.name}")

    @genbench.probe
    def big(model):
        events.append("big")
        return Result("big")

    @genbench.probe
    def other(model):
        events.append("other")
        return Result("other")

    @genbench.probe
    def small(big):
        events.append("small")
        return 3.0

    @measure
    def a(big):
        events.append("a")
        return 1

    @measure
    def b(other):
        events.append("b")
        return 2

    @measure
    def c(small):
        events.append("c")
        return 3

    values = plugin(big, other, small, a, b, c).compute({"model": nn.Linear(1, 1)})
    assert {name: value.value for name, value in values.items()} == {"a": 1, "b": 2, "c": 3}
    assert events == ["big", "a", "small", "free big", "c", "other", "b", "free other"]


def test_a_probe_nobody_can_ask_for_any_more_frees_what_it_needs(plugin):
    freed = []

    class Result:
        def __del__(self):
            freed.append("base")

    @genbench.probe
    def base(model):
        return Result()

    @genbench.probe
    def broken(base):
        raise ValueError("no")

    @genbench.probe
    def above(base):
        raise AssertionError("nobody needs this any more")

    @measure
    def first(broken, above):
        return 0

    @genbench.probe
    def one(model):
        return 1

    @genbench.probe
    def two(one):
        return 1

    @genbench.probe
    def three(two):
        return 1

    @genbench.probe
    def four(three):
        return 1

    @measure
    def last(four):
        return len(freed)

    values = plugin(base, broken, above, first, one, two, three, four, last).compute(
        {"model": nn.Linear(1, 1)}
    )
    assert values["first"].status is Status.ERROR
    assert values["last"].value == 1


def test_results_do_not_depend_on_what_else_is_computed(plugin):
    @genbench.probe
    def noise(generator):
        return torch.rand(3, generator=generator)

    @measure
    def drawn(generator):
        return torch.rand((), generator=generator)

    @measure
    def global_streams(noise):
        return torch.rand(()) + np.random.rand() + noise.sum()  # noqa: NPY002

    together = plugin(noise, drawn, global_streams).compute({"model": nn.Linear(1, 1)})
    alone = plugin(noise, global_streams).compute({"model": nn.Linear(1, 1)})
    assert together["global_streams"].value == alone["global_streams"].value
    own = torch.Generator().manual_seed(sum(map(ord, "drawn")))
    assert together["drawn"].value == torch.rand((), generator=own)


def test_random_states_are_left_as_they_were(plugin):
    @measure
    def wasteful(model):
        torch.rand(100)
        np.random.rand(100)  # noqa: NPY002
        return 0

    model = nn.Linear(1, 1)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    plugin(wasteful).compute({"model": model})
    assert torch.equal(torch.rand(3), expected)


def test_notes_come_before_each_component_and_costs_after(plugin):
    notes, costs = [], []

    @genbench.probe
    def slow(model):
        notes.append("running slow")
        return 1

    @measure
    def one(slow):
        notes.append("running one")
        return 1

    plugin(slow, one).compute(
        {"model": nn.Linear(1, 1)},
        note=lambda spelling, kind: notes.append(f"{kind} {spelling}"),
        spent=lambda spelling, kind, seconds, memory: costs.append((spelling, kind, seconds >= 0)),
    )
    assert notes == ["probe slow", "running slow", "measure one", "running one"]
    assert costs == [("slow", "probe", True), ("one", "measure", True)]


def test_the_cost_of_a_measure_counts_shared_probes_in_full(plugin):
    @genbench.probe
    def slow(model):
        time.sleep(0.05)
        return 1

    @genbench.probe
    def above(slow):
        return 1

    @measure
    def one(slow, above):
        return 1

    @measure
    def two(above):
        return 1

    values = plugin(slow, above, one, two).compute({"model": nn.Linear(1, 1)})
    below = [value.seconds - value.own_seconds for value in values.values()]
    assert below[0] >= 0.05
    assert below[0] == pytest.approx(below[1])


@pytest.mark.skipif(not _resettable(), reason="this system does not reset the high-water mark of memory")
def test_memory_of_a_component_is_seen():
    with metered(torch.device("cpu")) as cost:
        kept = np.ones(2**24)
    assert kept.nbytes * 0.9 < cost.memory < kept.nbytes * 2


def test_a_failure_has_a_cost_too(plugin):
    @measure
    def late(model):
        time.sleep(0.01)
        raise ValueError

    assert plugin(late).compute({"model": nn.Linear(1, 1)})["late"].seconds >= 0.01


def test_skipped_components_are_never_started(plugin):
    @genbench.probe
    def crashing(model):
        raise AssertionError

    @measure
    def above(crashing):
        raise AssertionError

    @measure
    def named(model):
        raise AssertionError

    values = plugin(crashing, above, named).compute(
        {"model": nn.Linear(1, 1)},
        skip={
            "crashing": Failure(Status.CRASHED, "crashing ended the process"),
            "named": "three crashes",
        },
    )
    assert (values["above"].status, values["above"].reason) == (
        Status.CRASHED,
        "crashing ended the process",
    )
    assert (values["named"].status, values["named"].reason) == (Status.SKIPPED, "three crashes")


def test_only_some_measures_can_be_computed(plugin):
    @measure
    def one(model):
        return 1

    @measure
    def two(model):
        return 2

    assert list(plugin(one, two).compute({"model": nn.Linear(1, 1)}, only=["two"])) == ["two"]
