"""Resolving needs and computing them in one pass."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import genbench
from genbench.components import describe
from genbench.errors import InvalidInput
from genbench.probing import Battery, Request, Status, Value
from genbench.probing.battery import Failure
from genbench.probing.cost import metered
from genbench.probing.engine import as_number


class Plugin:
    """Components declared in a test, found as a host would find them."""

    def __init__(self, *objects, name="core"):
        self.components = [describe(each, name) for each in objects]

    def find(self, name, plugin):
        return next((each for each in self.components if each.kind == "probe" and each.name == name), None)

    def requests(self):
        return [Request.of(each) for each in self.components if each.kind == "measure"]

    def resolve(self):
        return Battery.resolve(self.requests(), self.find)

    def compute(self, roots=None, **options):
        values = self.resolve().compute(roots or {}, options.pop("seed_for", seed_for), **options)
        return {value.name: value for value in values}


_MISSPELT = genbench.need("margins", quantil=0.1)
_MISTYPED = genbench.need("margins", quantile="low")
_FOLDED_ROOT = genbench.need("model", folded=True)


def seed_for(component, settings):
    return seed_for_name(component.name)


def seed_for_name(name):
    return sum(map(ord, name))


def measure(function):
    return genbench.measure(function, family="test", direction="?")


# What a battery knows before anything is computed


def test_needs_are_found_by_parameter_name_and_settings_are_forwarded():
    @genbench.probe(cost="B")
    def outputs(model, *, chunk: int = 1):
        return chunk

    wanted = genbench.need("outputs", chunk=genbench.setting("size"))

    @measure
    def mine(outputs, again=wanted, *, size: int = 5):
        return 10 * outputs + again

    battery = Plugin(outputs, mine).resolve()
    (request,) = battery.requests
    assert [settings for _, settings in battery.probes_below(request)] == [{"chunk": 1}, {"chunk": 5}]
    assert battery.cost_class(request) == "B"
    assert battery.roots_needed(request) == {"model"}
    assert Plugin(outputs, mine).compute({"model": nn.Linear(1, 1)})["mine"].value == 15


def test_cost_class_is_the_highest_below_and_the_trajectory_costs_most():
    @genbench.probe(cost="C")
    def jacobian(model):
        return 0

    @genbench.probe
    def norm(jacobian):
        return 0

    @measure
    def by_jacobian(norm):
        return 0

    @measure
    def by_history(history):
        return 0

    @measure
    def by_siblings(siblings):
        return 0

    battery = Plugin(jacobian, norm, by_jacobian, by_history, by_siblings).resolve()
    classes = {each.spelling: battery.cost_class(each) for each in battery.requests}
    assert classes == {"by_jacobian": "C", "by_history": "F", "by_siblings": "A"}
    assert [each.spelling for each in battery.requests if battery.needs_siblings(each)] == ["by_siblings"]


def test_all_problems_are_named_at_once():
    @genbench.probe
    def margins(logits, *, quantile: float = 0.1):
        return 0

    @measure
    def unknown(marginz):
        return 0

    @measure
    def wrong_setting(margins=_MISSPELT):
        return 0

    @measure
    def wrong_type(margins=_MISTYPED):
        return 0

    @measure
    def root_with_settings(model=_FOLDED_ROOT):
        return 0

    @measure
    def incomplete(margins):
        return 0

    plugin = Plugin(margins, unknown, wrong_setting, wrong_type, root_with_settings, incomplete)
    with pytest.raises(InvalidInput) as fault:
        Battery.resolve(plugin.requests(), plugin.find, known=["margins"])
    text = str(fault.value)
    assert "measure 'unknown' needs 'marginz'" in text
    assert "did you mean 'margins'" in text
    assert "unknown setting 'quantil'; did you mean 'quantile'?" in text
    assert "probe 'margins': quantile = low" in text
    assert "needs 'model', which takes no settings" in text
    assert "probe 'margins' needs 'logits'" in text
    assert len(fault.value.problems) == 5


def test_a_cycle_is_printed_as_a_path():
    @genbench.probe
    def first(second):
        return 0

    @genbench.probe
    def second(third):
        return 0

    @genbench.probe
    def third(first):
        return 0

    @measure
    def one(first):
        return 0

    with pytest.raises(InvalidInput, match="first -> second -> third -> first"):
        Plugin(first, second, third, one).resolve()


def test_importing_the_resolver_imports_no_torch():
    import subprocess
    import sys

    code = "import sys, genbench.probing, genbench.selection; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# One pass


def test_a_probe_is_computed_once_and_freed_behind_its_last_use():
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

    values = Plugin(big, other, small, a, b, c).compute({"model": nn.Linear(1, 1)})
    assert {name: value.value for name, value in values.items()} == {"a": 1, "b": 2, "c": 3}
    assert events == ["big", "a", "small", "free big", "c", "other", "b", "free other"]


def test_a_probe_nobody_can_ask_for_any_more_frees_what_it_needs():
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

    values = Plugin(base, broken, above, first, one, two, three, four, last).compute(
        {"model": nn.Linear(1, 1)}
    )
    assert values["first"].status is Status.ERROR
    assert values["last"].value == 1


def test_results_do_not_depend_on_what_else_is_computed():
    @genbench.probe
    def noise(generator):
        return torch.rand(3, generator=generator)

    @measure
    def drawn(generator):
        return torch.rand((), generator=generator)

    @measure
    def global_streams(noise):
        return torch.rand(()) + np.random.rand() + noise.sum()  # noqa: NPY002

    together = Plugin(noise, drawn, global_streams).compute({"model": nn.Linear(1, 1)})
    alone = Plugin(noise, global_streams).compute({"model": nn.Linear(1, 1)})
    assert together["global_streams"].value == alone["global_streams"].value
    assert together["drawn"].value == torch.rand(
        (), generator=torch.Generator().manual_seed(seed_for_name("drawn"))
    )


def test_random_states_are_left_as_they_were():
    @measure
    def wasteful(model):
        torch.rand(100)
        np.random.rand(100)  # noqa: NPY002
        return 0

    model = nn.Linear(1, 1)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    Plugin(wasteful).compute({"model": model})
    assert torch.equal(torch.rand(3), expected)


def test_missing_roots_and_not_applicable_probes_say_why():
    @genbench.probe
    def distance(model, initial_model):
        return 0

    @genbench.probe
    def margin(task):
        raise genbench.NotApplicable("defined for classification only")

    @measure
    def one(distance):
        return 0

    @measure
    def two(margin):
        return 0

    values = Plugin(distance, margin, one, two).compute({"model": nn.Linear(1, 1), "task": "t"})
    assert (values["one"].status, values["one"].reason) == (
        Status.NOT_APPLICABLE,
        "needs initial_model, which was not given",
    )
    assert (values["two"].status, values["two"].reason) == (
        Status.NOT_APPLICABLE,
        "defined for classification only",
    )
    assert math.isnan(float(values["two"]))


def test_an_error_in_a_probe_names_the_probe_and_costs_only_the_measures_above():
    @genbench.probe
    def bad(model):
        raise KeyError("weight")

    @measure
    def above(bad):
        return 0

    @measure
    def beside(model):
        return 4

    @measure
    def exits(model):
        raise SystemExit(3)

    values = Plugin(bad, above, beside, exits).compute({"model": nn.Linear(1, 1)})
    assert values["above"].status is Status.ERROR
    assert values["above"].reason == "probe bad raised KeyError: 'weight'"
    assert "raise KeyError" in values["above"].detail
    assert values["exits"].status is Status.ERROR
    assert values["beside"].value == 4


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (3, 3.0),
        (True, 1.0),
        (np.float32(2.5), 2.5),
        (np.array([[7]]), 7.0),
        (torch.tensor([1.5]), 1.5),
        (torch.tensor(2, dtype=torch.bfloat16), 2.0),
        (math.inf, math.inf),
        (torch.tensor(-math.inf), -math.inf),
    ],
)
def test_numbers_of_all_kinds_are_taken(returned, expected):
    assert as_number(returned) == expected


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "returned a NoneType"),
        ("0.3", "returned a str"),
        (1j, "returned a complex"),
        (torch.tensor(1j), "returned a complex"),
        (torch.zeros(2), r"a tensor of shape \(2,\)"),
        (np.zeros((1, 2)), r"an array of shape \(1, 2\)"),
        (10**400, "too large"),
        ([1.0], "returned a list"),
    ],
)
def test_what_is_not_one_real_number_is_an_error(returned, said):
    @measure
    def odd(model):
        return returned

    value = Plugin(odd).compute({"model": nn.Linear(1, 1)})["odd"]
    assert value.status is Status.ERROR
    assert value.value is None
    with pytest.raises((TypeError, ValueError, OverflowError), match=said):
        as_number(returned)


def test_nan_is_a_status_of_its_own():
    @measure
    def undefined(model):
        return torch.tensor(math.nan)

    value = Plugin(undefined).compute({"model": nn.Linear(1, 1)})["undefined"]
    assert (value.status, value.value) == (Status.NAN, None)


def test_notes_come_before_each_component_and_costs_after():
    notes, costs = [], []

    @genbench.probe
    def slow(model):
        notes.append("running slow")
        return 1

    @measure
    def one(slow):
        notes.append("running one")
        return 1

    plugin = Plugin(slow, one)
    plugin.compute(
        {"model": nn.Linear(1, 1)},
        note=lambda spelling, kind: notes.append(f"{kind} {spelling}"),
        spent=lambda spelling, kind, seconds, memory: costs.append((spelling, kind, seconds >= 0)),
    )
    assert notes == ["probe slow", "running slow", "measure one", "running one"]
    assert costs == [("slow", "probe", True), ("one", "measure", True)]


def test_the_cost_of_a_measure_counts_shared_probes_in_full():
    import time

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

    values = Plugin(slow, above, one, two).compute({"model": nn.Linear(1, 1)})
    for value in values.values():
        assert 0.05 <= value.seconds < 0.09
        assert value.own_seconds < 0.02


def test_memory_of_a_component_is_seen():
    with metered(torch.device("cpu")) as cost:
        kept = np.ones(2**24)
    assert kept.nbytes * 0.9 < cost.memory < kept.nbytes * 2


def test_skipped_components_are_never_started():
    @genbench.probe
    def crashing(model):
        raise AssertionError

    @measure
    def above(crashing):
        raise AssertionError

    @measure
    def named(model):
        raise AssertionError

    values = Plugin(crashing, above, named).compute(
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


def test_only_some_measures_can_be_computed():
    @measure
    def one(model):
        return 1

    @measure
    def two(model):
        return 2

    assert list(Plugin(one, two).compute({"model": nn.Linear(1, 1)}, only=["two"])) == ["two"]


# Read-only


def test_writing_into_a_shared_result_is_an_error_and_the_others_see_the_original():
    calls = []

    @genbench.probe
    def base(model):
        return torch.arange(3.0)

    @genbench.probe
    def shared(base):
        calls.append(1)
        return {"values": base + 1}

    @measure
    def a_writer(shared):
        return shared["values"].mul_(100).sum()

    @measure
    def b_reader(shared):
        return shared["values"].sum()

    values = Plugin(base, shared, a_writer, b_reader).compute({"model": nn.Linear(1, 1)})
    assert values["a_writer"].status is Status.ERROR
    assert "changed shared" in values["a_writer"].reason
    assert values["b_reader"].value == 6
    assert len(calls) == 2


def test_changing_the_network_is_an_error_and_undone():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    @measure
    def in_place(model):
        next(model.parameters()).add_(1)
        return 0

    @measure
    def through_data(model):
        next(model.parameters()).data.add_(1)
        return 0

    @measure
    def statistics(model):
        model.train()(torch.randn(8, 2))
        return 0

    @measure
    def surgery(model):
        model[0] = nn.Identity()
        return 0

    @measure
    def untidy(model):
        model.train()
        model.register_forward_hook(lambda *_: None)
        with torch.enable_grad():
            model[0](torch.ones(1, 2)).sum().backward()
        return 0

    @measure
    def zz_reader(model):
        assert not model.training
        assert not model._forward_hooks
        assert all(parameter.grad is None for parameter in model.parameters())
        return sum(parameter.sum() for parameter in model.parameters())

    plugin = Plugin(in_place, through_data, statistics, surgery, untidy, zz_reader)
    values = plugin.compute({"model": model})
    for name in ("in_place", "through_data", "statistics", "surgery"):
        assert values[name].status is Status.ERROR, name
        assert "changed the network" in values[name].reason
    assert values["untidy"].status is Status.OK
    assert values["zz_reader"].status is Status.OK
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_changed_inputs_are_not_used_again():
    @measure
    def a_writer(inputs):
        inputs.zero_()
        return 0

    @measure
    def b_reader(inputs):
        return inputs.sum()

    @measure
    def c_other(targets):
        return targets.sum()

    roots = {"model": nn.Linear(1, 1), "inputs": torch.ones(3), "targets": torch.ones(3)}
    values = Plugin(a_writer, b_reader, c_other).compute(roots)
    assert values["a_writer"].status is Status.ERROR
    assert (values["b_reader"].status, values["b_reader"].reason) == (Status.ERROR, "a_writer changed inputs")
    assert values["c_other"].value == 3


def test_a_network_of_nan_is_not_taken_for_a_changed_one():
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.fill_(math.nan)

    @measure
    def constant(model):
        return 1

    assert Plugin(constant).compute({"model": model})["constant"].status is Status.OK


def test_numpy_results_cannot_be_written_to():
    @genbench.probe
    def array(model):
        return np.zeros(3)

    @measure
    def writer(array):
        array[0] = 1
        return 0

    value = Plugin(array, writer).compute({"model": nn.Linear(1, 1)})["writer"]
    assert value.status is Status.ERROR
    assert "read-only" in value.reason


def test_settings_of_the_process_are_put_back():
    @measure
    def a_greedy(model):
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(torch.get_num_threads() + 1)
        return 0

    @measure
    def b_modest(model):
        return torch.zeros(1).element_size() * 100 + torch.get_num_threads()

    values = Plugin(a_greedy, b_modest).compute({"model": nn.Linear(1, 1)})
    assert values["b_modest"].value == 400 + torch.get_num_threads()


def test_a_result_that_holds_itself_costs_only_its_own_measures():
    @genbench.probe
    def endless(model):
        circle = []
        circle.append(circle)
        return circle

    @measure
    def above(endless):
        return 0

    @measure
    def beside(model):
        return 1

    values = Plugin(endless, above, beside).compute({"model": nn.Linear(1, 1)})
    assert values["above"].status is Status.ERROR
    assert "probe endless" in values["above"].reason
    assert values["beside"].value == 1


def test_values_are_floats():
    assert float(Value("a", 2.0, Status.OK)) == 2.0
    assert math.isnan(float(Value("a", None, Status.ERROR)))
    assert Status.CRASHED.is_fault
    assert not Status.NOT_APPLICABLE.is_fault
