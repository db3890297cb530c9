"""What a declaration says of an object, and what is read off its signature."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest

import genbench
from genbench.base.errors import InvalidInput
from genbench.contract.components import ROOTS, Kind, declaration
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer
from genbench.host.signatures import describe

DECLARATORS = {
    "dataset": genbench.dataset,
    "model": genbench.model,
    "probe": genbench.probe,
    "measure": genbench.measure(family="test", direction="+"),
    "statistic": genbench.statistic,
    "executor": genbench.executor,
    "regularizer": genbench.regularizer,
    "protocol": genbench.protocol,
}


def problem_of(target: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        describe(target, "mine")
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("kind", ["dataset", "model", "probe", "measure", "statistic", "executor"])
def test_decorators_return_the_function_unchanged(kind):
    def plain(): ...

    before = (plain.__name__, plain.__module__, plain.__code__, plain.__doc__)
    decorated = DECLARATORS[kind](plain)
    assert decorated is plain
    assert (plain.__name__, plain.__module__, plain.__code__, plain.__doc__) == before
    assert declaration(plain).kind == kind


@pytest.mark.parametrize(("kind", "base"), [("regularizer", Regularizer), ("protocol", Protocol)])
def test_decorators_return_the_class_itself(kind, base):
    class Plain(base): ...

    assert DECLARATORS[kind](Plain) is Plain
    assert declaration(Plain).kind == kind


def test_every_kind_has_a_decorator_among_the_public_names():
    assert {str(kind) for kind in Kind} == set(DECLARATORS)
    assert set(DECLARATORS) <= set(genbench.__all__)


def test_measures_probes_and_statistics_keep_underscores_and_what_suites_name_gets_hyphens():
    def two_words(): ...

    names = {}
    for kind in ("measure", "probe", "statistic", "model", "dataset", "executor"):
        names[kind] = declaration(DECLARATORS[kind](two_words)).name
    assert names == {
        "measure": "two_words",
        "probe": "two_words",
        "statistic": "two_words",
        "model": "two-words",
        "dataset": "two-words",
        "executor": "two-words",
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("SGDL", "sgdl"),
        ("WeightDecay", "weight-decay"),
        ("SAMOptimizer", "sam-optimizer"),
        ("VGG16", "vgg16"),
    ],
)
def test_class_names_are_split_at_their_capitals(written, read):
    assert declaration(genbench.regularizer(type(written, (Regularizer,), {}))).name == read


def test_a_given_name_version_and_aliases_count():
    @genbench.model(name="He_net", version=3, aliases=["hn"])
    def anything(task): ...

    component = describe(anything, "core")
    assert (component.full_name, component.version, component.declared.aliases) == ("He_net", 3, ("hn",))


def test_full_names_have_the_plugin_unless_it_is_the_core():
    @genbench.model
    def mine(task): ...

    assert describe(mine, "core").full_name == "mine"
    assert describe(mine, "papers").full_name == "papers:mine"


def test_a_declaration_is_not_inherited():
    @genbench.regularizer
    class Base(Regularizer): ...

    class Derived(Base): ...

    assert declaration(Derived) is None


def test_needs_are_parameters_and_settings_are_keyword_only_ones():
    @genbench.measure(family="test", direction="-", source="Somebody 2020, eq. 3")
    def gap_guess(
        margins,
        model,
        norms=genbench.need("other:norms", kind="operator"),
        *,
        quantile: float = 0.1,
        order: int,
    ):
        """A guess.

        More of it.
        """

    component = describe(gap_guess, "core")
    assert {name: (each.name, each.settings) for name, each in component.needs.items()} == {
        "margins": ("margins", ()),
        "model": ("model", ()),
        "norms": ("other:norms", (("kind", "operator"),)),
    }
    assert {name: each.annotation for name, each in component.settings.items()} == {
        "quantile": float,
        "order": int,
    }
    assert component.defaults() == {"quantile": 0.1}
    assert component.settings["order"].required
    assert not component.settings["quantile"].required
    assert component.summary == "A guess."
    assert component.documentation.endswith("More of it.")


def test_a_need_passes_its_own_setting_on():
    @genbench.measure(family="test", direction="+")
    def mine(
        norms=genbench.need("norms", kind=genbench.setting("kernel"), order=2), *, kernel: str = "flat"
    ): ...

    need = describe(mine, "core").needs["norms"]
    assert need.resolved({"kernel": "operator"}) == {"kind": "operator", "order": 2}


def test_the_fields_of_a_regularizer_are_its_settings_without_a_dataclass_decorator():
    @genbench.regularizer
    class Langevin(Regularizer):
        noise: float = 1e-4

    component = describe(Langevin, "core")
    assert component.defaults() == {"noise": 1e-4}
    assert Langevin(noise=0.5).noise == 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        Langevin().noise = 1.0


def test_the_fields_of_a_dataclass_are_its_settings_inherited_ones_included():
    @genbench.protocol
    @dataclass(frozen=True, kw_only=True)
    class Slow(Protocol):
        learning_rate: float = 0.001
        stages: tuple[int, ...] = dataclasses.field(default_factory=lambda: (1, 2))
        hidden: int = dataclasses.field(default=1, init=False)

    defaults = describe(Slow, "core").defaults()
    assert defaults["learning_rate"] == 0.001
    assert defaults["momentum"] == Protocol().momentum
    assert defaults["stages"] == (1, 2)
    assert "hidden" not in defaults


@pytest.mark.parametrize("kind", ["regularizer", "protocol"])
def test_a_class_without_the_base_class_is_refused(kind):
    @DECLARATORS[kind]
    @dataclass
    class Loose:
        strength: float = 1.0

    assert f"must be a class derived from genbench.{kind.capitalize()}" in problem_of(Loose)


def test_annotations_that_cannot_be_imported_count_as_unchecked():
    @genbench.measure(family="test", direction="+")
    def mine(margins: Tensor, *, power: float = 1.0): ...  # noqa: F821

    assert describe(mine, "core").settings["power"].annotation is Any


@pytest.mark.parametrize("root", ROOTS)
def test_no_probe_takes_the_name_of_a_root(root):
    @genbench.probe(name=root)
    def mine(): ...

    assert problem_of(mine) == f"probe '{root}': the name is reserved, it is {ROOTS[root]}"


@pytest.mark.parametrize("version", [0, -1, "2", 1.0, True, None])
def test_a_version_is_a_whole_number_from_one(version):
    @genbench.probe(version=version)
    def mine(): ...

    assert "probe 'mine': version is a whole number from 1" in problem_of(mine)


@pytest.mark.parametrize("direction", ["up", "", "+-", 1])
def test_a_direction_is_plus_minus_or_unknown(direction):
    @genbench.measure(family="test", direction=direction)
    def mine(): ...

    assert "measure 'mine': direction is one of + - ?" in problem_of(mine)


@pytest.mark.parametrize("cost", ["G", "a", "AB", ""])
def test_a_cost_class_is_a_letter_from_a_to_f(cost):
    @genbench.probe(cost=cost)
    def mine(): ...

    assert "probe 'mine': cost is one of A B C D E F" in problem_of(mine)


@pytest.mark.parametrize("name", ["two words", "a:b", "a[b]", "a,b", 5, "-x"])
def test_a_name_has_no_character_that_means_something_else(name):
    @genbench.model(name=name)
    def mine(task): ...

    assert "a name has letters, digits and . _ + - only" in problem_of(mine)


def test_an_alias_is_a_name_too():
    @genbench.model(aliases=["fine", "not fine"])
    def mine(task): ...

    assert "model 'mine': an alias has letters" in problem_of(mine)


def test_a_default_that_is_no_need_says_where_settings_go():
    @genbench.measure(family="test", direction="+")
    def mine(margins, quantile=0.1): ...

    assert problem_of(mine) == (
        "measure 'mine': parameter 'quantile' has a default; "
        "a setting goes behind '*', a need takes genbench.need(...)"
    )


@pytest.mark.parametrize("default", [float("nan"), float("inf"), object(), {1, 2}, print])
def test_the_default_of_a_setting_is_plain_data(default):
    @genbench.measure(family="test", direction="+")
    def mine(margins, *, power=default): ...

    assert "measure 'mine': the default of setting 'power' must be a finite number" in problem_of(mine)


def test_star_arguments_are_neither_needs_nor_settings():
    @genbench.probe
    def first(*things): ...

    @genbench.probe
    def second(**things): ...

    assert "'*things' cannot be read as a need or a setting" in problem_of(first)
    assert "'**things' cannot be read as a need or a setting" in problem_of(second)


def test_passing_on_a_setting_that_does_not_exist_is_refused():
    @genbench.measure(family="test", direction="+")
    def mine(norms=genbench.need("norms", kind=genbench.setting("kernel"))): ...

    assert problem_of(mine) == "measure 'mine': passes on a setting 'kernel' that it does not have"


def test_a_need_says_which_settings_it_shares_with_its_probe():
    need = genbench.need("norms", kind="flat", shared=["order", "scale"])
    assert (need.shared, need.resolved({"order": 2, "scale": 1.5})) == (
        ("order", "scale"),
        {"kind": "flat", "order": 2, "scale": 1.5},
    )
    assert genbench.need("norms", shared="order").shared == ("order",)


@pytest.mark.parametrize(
    ("needed", "problem"),
    [
        (genbench.need("inputs", shared="order"), "needs 'inputs', which takes no settings"),
        (genbench.need("norms", shared="power"), "shares 'power' with 'norms' and declares it itself"),
        (
            genbench.need("norms", order=2, shared="order"),
            "shares 'order' with 'norms' and chooses it as well",
        ),
        (genbench.need("norms", shared=[3]), "what it shares with 'norms' is a list of names, not 3"),
    ],
)
def test_what_cannot_be_shared_is_refused(needed, problem):
    @genbench.measure(family="test", direction="+")
    def mine(norms=needed, *, power: float = 1.0): ...

    assert problem_of(mine) == f"measure 'mine': {problem}"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("dataset", "(root)"),
        ("model", "(task)"),
        ("statistic", "(values, target, axes, groups, weights)"),
    ],
)
def test_positional_parameters_are_what_the_kind_receives(kind, expected):
    def mine(something): ...

    problem = problem_of(DECLARATORS[kind](mine))
    assert f"its positional parameters must be {expected}, not (something)" in problem


def test_what_is_not_declared_is_no_component():
    def plain(): ...

    assert "is not declared as a component" in problem_of(plain)
