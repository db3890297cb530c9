"""Choosing measures by words."""

import pytest

import genbench
from genbench.base.errors import InvalidInput
from genbench.host.names import Names
from genbench.host.selection import select_measures
from genbench.host.signatures import describe


@genbench.probe(cost="C")
def jacobian(model):
    return 0


@genbench.measure(family="norm", direction="+", aliases=("weight_norm",))
def param_norm(model):
    return 0


@genbench.measure(family="margin", direction="+")
def inverse_margin(model, *, quantile: float = 0.1):
    return 0


@genbench.measure(family="smoothness", direction="+")
def complexity(jacobian):
    return 0


@genbench.measure(name="inverse_margin", family="margin", direction="-")
def other_margin(model):
    return 0


@genbench.measure(family="margin", direction="-")
def broken(no_such_probe):
    return 0


@genbench.measure(family="margin", direction="-")
def lonely(model):
    return 0


CORE = [describe(each, "core") for each in (param_norm, inverse_margin, complexity)]
PROBE = describe(jacobian, "core")


def chosen(words, components=CORE, **options):
    return [each.spelling for each in select_measures(words, Names([PROBE, *components]), **options)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("all", ["complexity", "inverse_margin", "param_norm"]),
        (["param_norm"], ["param_norm"]),
        ("param-norm", ["param_norm"]),
        ("Param_Norm", ["param_norm"]),
        ("weight_norm", ["param_norm"]),
        ("family:margin, complexity", ["inverse_margin", "complexity"]),
        ("cost:C", ["complexity"]),
        ("cost:A-B", ["inverse_margin", "param_norm"]),
        (
            ["inverse_margin[quantile=0.05]", "inverse_margin", "inverse_margin[quantile=0.1]"],
            ["inverse_margin[quantile=0.05]", "inverse_margin"],
        ),
        (
            "inverse_margin[quantile=0.05],all",
            ["inverse_margin[quantile=0.05]", "complexity", "inverse_margin", "param_norm"],
        ),
        ([], []),
    ],
)
def test_words_choose_measures_once(words, expected):
    assert chosen(words) == expected


def test_all_wrong_words_are_named_with_the_nearest():
    with pytest.raises(InvalidInput) as fault:
        chosen(
            ["param_nrm", "family:norms", "cost:Z", "inverse_margin[quantil=1]", "inverse_margin[quantile=x]"]
        )
    assert fault.value.problems == [
        "unknown measure 'param_nrm'; did you mean 'param_norm'?",
        "unknown family 'norms'; did you mean 'norm'?",
        "'cost:Z': a cost class is one of ABCDEF, or a range such as A-C",
        "measure 'inverse_margin': unknown setting 'quantil'; did you mean 'quantile'?",
        fault.value.problems[4],
    ]
    assert "quantile = x" in fault.value.problems[4]


def test_a_misspelt_alias_is_recognized():
    with pytest.raises(InvalidInput, match="did you mean 'weight_norm'"):
        chosen("weihgt_norm")


def test_a_bare_name_means_core_else_the_only_plugin_that_has_it():
    mine = describe(other_margin, "mine")
    alone = describe(lonely, "mine")
    assert chosen("inverse_margin", [*CORE, mine]) == ["inverse_margin"]
    assert chosen("mine:inverse_margin", [*CORE, mine]) == ["mine:inverse_margin"]
    assert chosen("lonely", [*CORE, alone]) == ["mine:lonely"]
    with pytest.raises(InvalidInput, match="is offered by several plugins: mine:lonely, yours:lonely"):
        chosen("lonely", [alone, describe(lonely, "yours")])


def test_a_measure_that_cannot_be_resolved_harms_only_itself():
    told = []
    components = [*CORE, describe(broken, "mine")]
    assert chosen("all", components, left_out=told.append) == ["complexity", "inverse_margin", "param_norm"]
    assert told == [told[0]]
    assert "measure 'mine:broken' needs 'no_such_probe'" in told[0]
    with pytest.raises(InvalidInput, match="no_such_probe"):
        chosen("all", components)
