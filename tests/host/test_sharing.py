"""Settings that a component shares with the probes below it: declared there, used as if they were its own."""

import textwrap
from typing import Literal

import pytest
from declared import seed_for
from torch import nn

import genbench
from genbench.base.constraints import Count, Fraction
from genbench.base.errors import InvalidInput
from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.host.identity import measure_identity
from genbench.host.plugin import PluginSource
from genbench.host.settings import check, spell
from genbench.measuring import compute
from genbench.report.catalog import rows

measure = genbench.measure(family="test", direction="?")


@genbench.probe
def scaled(model, *, size: Count = 3, share: Fraction = 0.5, mode: Literal["a", "b"] = "a"):
    return size * share + (mode == "b")


@genbench.probe
def doubled(scaled=genbench.need("scaled", shared=("size", "share"), mode="b"), *, more: float = 0.0):
    return 2 * scaled + more


@measure
def mine(scaled=genbench.need("scaled", shared=("size", "share")), *, power: float = 1.0):
    return scaled**power


@genbench.measure(family="test", direction="?", name="mine")
def by_hand(
    scaled=genbench.need("scaled", size=genbench.setting("size"), share=genbench.setting("share")),
    *,
    power: float = 1.0,
    share: Fraction = 0.5,
    size: Count = 3,
):
    return scaled**power


@pytest.fixture
def in_two_ways(plugin):
    """The same measure twice, with shared settings and with settings written out."""
    return [plugin(scaled, each) for each in (mine, by_hand)]


def host_of(text: str) -> Host:
    text = "import genbench\nmeasure = genbench.measure(family='mine', direction='+')\n" + textwrap.dedent(
        text
    )
    return Host.of([PluginSource("papers", file="papers.py", text=text)])


@pytest.mark.parametrize("given", [{}, {"size": 5}, {"share": 0.25, "power": 2}, {"size": 3, "share": 1}])
def test_a_shared_setting_is_spelled_keyed_and_computed_as_one_written_out(in_two_ways, given):
    found = []
    for each in in_two_ways:
        component = each.components[-1]
        request = Request.of(component, given)
        battery = Battery.resolve([request], each.find)
        (value,) = compute(battery, {"model": nn.Linear(1, 1)}, seed_for)
        found.append((component.settings, request.spelling, measure_identity(battery, request), value.value))
    assert found[0] == found[1]
    assert found[0][-1] is not None


def test_a_shared_setting_is_checked_like_one_written_out(in_two_ways):
    for each in in_two_ways:
        assert check(each.components[-1], {"size": 0, "shar": 0.1, "mode": "b"})[1] == [
            "size = 0: should be greater than or equal to 1",
            "unknown setting 'shar'; did you mean 'share'?",
            "unknown setting 'mode'",
        ]


def test_what_a_probe_shares_can_be_shared_on_and_keeps_where_it_comes_from(plugin):
    @measure
    def above(doubled=genbench.need("doubled", shared=("share", "more"))):
        return doubled

    whole = plugin(above, doubled, scaled)
    component = whole.components[0]
    assert component.defaults() == {"share": 0.5, "more": 0.0}
    assert {name: each.origin.name for name, each in component.settings.items()} == {
        "share": "scaled",
        "more": "doubled",
    }
    assert spell(component, {"share": 0.25, "more": 0.0}) == "above[share=0.25]"
    assert whole.compute({"model": nn.Linear(1, 1)})["above"].value == 5.0


def test_two_needs_share_one_setting_and_a_third_gets_it_under_another_name(plugin):
    @genbench.probe
    def sized(model, *, length: int = 1):
        return length

    @measure
    def all_of_them(
        scaled=genbench.need("scaled", shared="size"),
        doubled=genbench.need("doubled", shared="size"),
        sized=genbench.need("sized", length=genbench.setting("size")),
    ):
        return 100 * scaled + 10 * doubled + sized

    whole = plugin(scaled, doubled, sized, all_of_them)
    assert whole.components[-1].defaults() == {"size": 3}
    assert whole.compute({"model": nn.Linear(1, 1)})["all_of_them"].value == 150 + 50 + 3


def test_a_shared_setting_without_default_must_be_given():
    host = host_of("""
        @genbench.probe
        def norms(model, *, kind: str): ...

        @measure
        def mine(norms=genbench.need("norms", shared="kind")): ...
        """)
    assert host.problems() == []
    with pytest.raises(InvalidInput, match="setting 'kind' must be given"):
        Request.of(host.find("measure", "mine"))
    assert [each["settings"] for each in rows(host, "measures")] == [["kind=?"]]


def test_a_measure_shares_with_a_probe_as_its_plugin_sees_it():
    text = """
        @genbench.probe
        def norms(model, *, {}: int = 1): ...

        @measure
        def mine(norms=genbench.need("{}", shared="{}")): ...
        """
    head = "import genbench\nmeasure = genbench.measure(family='mine', direction='+')\n"
    host = Host.of(
        PluginSource(name, file="p.py", text=head + textwrap.dedent(text).format(*words))
        for name, words in {"one": ("a", "norms", "a"), "two": ("b", "one:norms", "a")}.items()
    )
    assert host.problems() == []
    assert host.find("measure", "two:mine").settings["a"].origin.full_name == "one:norms"


FAULTS = {
    "absent": (
        'def mine(norms=genbench.need("norms", shared="foldd")): ...',
        "measure 'papers:mine' shares 'foldd' with 'norms', which has no such setting; did you mean 'fold'?",
    ),
    "different default": (
        'def mine(a=genbench.need("norms", shared="fold"), b=genbench.need("other", shared="fold")): ...',
        "measure 'papers:mine' shares 'fold' with 'norms' and 'other', where its type or default differs; "
        "write it out as a setting of its own",
    ),
    "different type": (
        'def mine(a=genbench.need("norms", shared="size"), b=genbench.need("other", shared="size")): ...',
        "measure 'papers:mine' shares 'size' with 'norms' and 'other', where its type or default differs; "
        "write it out as a setting of its own",
    ),
    "no probe": (
        'def mine(norms=genbench.need("nroms", shared="fold")): ...',
        "measure 'papers:mine' needs 'nroms', which is neither a probe nor a root",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_who_shares_what_cannot_be_shared_is_broken_alone(fault):
    text, problem = FAULTS[fault]
    host = host_of(f"""
        @genbench.probe
        def norms(model, *, fold: bool = True, size: int = 1): ...

        @genbench.probe
        def other(model, *, fold: bool = False, size: float = 1): ...

        @measure
        def fine(norms=genbench.need("norms", shared="fold")): ...

        @measure
        {text}
        """)
    assert host.problems() == [
        f"plugin 'papers' (file papers.py): measure 'mine' is broken: {problem}",
    ]
    assert [each.name for each in host.components("measure")] == ["fine"]
    with pytest.raises(InvalidInput, match=r"unknown measure 'mine'.*measure 'mine' is broken"):
        host.find("measure", "mine")


def test_a_fault_below_is_named_by_all_who_share_from_above():
    host = host_of("""
        @genbench.probe
        def low(model, *, fold: bool = True): ...

        @genbench.probe
        def middle(low=genbench.need("low", shared="bold")): ...

        @measure
        def high(middle=genbench.need("middle", shared="bold")): ...
        """)
    fault = "probe 'papers:middle' shares 'bold' with 'low', which has no such setting; did you mean 'fold'?"
    assert [line.partition(": ")[2] for line in host.problems()] == [
        f"probe 'middle' is broken: {fault}",
        f"measure 'high' is broken: {fault}",
    ]
    assert [each.name for each in host.components("probe")] == ["low"]


def test_a_circle_of_sharing_is_printed_as_a_path():
    host = host_of("""
        @genbench.probe
        def first(second=genbench.need("second", shared="fold")): ...

        @genbench.probe
        def second(first=genbench.need("first", shared="fold")): ...

        @measure
        def mine(first=genbench.need("first", shared="fold")): ...
        """)
    circle = "probes share settings in a circle: papers:first -> papers:second -> papers:first"
    assert len(host.problems()) == 3
    assert all(line.endswith(f"is broken: {circle}") for line in host.problems())
    assert host.components("probe") == host.components("measure") == []
