"""Settings are checked strictly and whole; a variant has one spelling."""

import datetime
import math
import time
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Le
from hypothesis import given
from hypothesis import strategies as st

import genbench
from genbench.base.constraints import Count, Fraction, NonNegative, Positive, Probability
from genbench.base.errors import InvalidInput
from genbench.host.settings import check, complete, parse_variant, read_literal, spell, split_at_commas
from genbench.host.signatures import describe


@genbench.measure(family="test", direction="+")
def mine(
    margins,
    *,
    quantile: Fraction = 0.1,
    order: Count = 2,
    kernel: Literal["flat", "operator"] = "flat",
    exact: bool = False,
    sizes: tuple[int, ...] = (1, 2),
    cap: Positive | None = None,
    label: str = "plain",
    extra: Any = None,
): ...


COMPONENT = describe(mine, "core")


def problems_of(**given: Any) -> list[str]:
    return check(COMPONENT, given)[1]


# Checking


def test_settings_left_out_get_their_defaults_and_those_given_their_type():
    settings = complete(COMPONENT, {"quantile": 1, "sizes": [3, 4]})
    assert settings == {**COMPONENT.defaults(), "quantile": 1.0, "sizes": (3, 4)}
    assert isinstance(settings["quantile"], float)
    assert isinstance(settings["sizes"], tuple)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quantile", "0.1"),
        ("quantile", True),
        ("quantile", None),
        ("quantile", [0.1]),
        ("order", 2.5),
        ("order", "2"),
        ("order", True),
        ("exact", 1),
        ("exact", "true"),
        ("sizes", 3),
        ("sizes", [1.5]),
        ("label", 3),
        ("cap", "much"),
    ],
)
def test_a_wrong_type_is_refused_and_never_converted(name, value):
    (problem,) = problems_of(**{name: value})
    assert problem.startswith(f"{name} = ")
    assert "should be" in problem


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        (Count, [1, 10**6], [0, -1]),
        (Positive, [1e-9, 3], [0, -0.5]),
        (NonNegative, [0, 0.0, 7], [-1e-9]),
        (Fraction, [0, 1, 0.5], [-0.1, 1.1]),
        (Probability, [0, 0.999], [1, -0.1]),
        (Annotated[int, Le(3)], [3, -5], [4]),
    ],
)
def test_ranges_are_checked(constraint, good, bad):
    @genbench.measure(family="test", direction="+")
    def ranged(*, x: constraint): ...

    component = describe(ranged, "core")
    for value in good:
        assert check(component, {"x": value}) == ({"x": value}, [])
    for value in bad:
        (problem,) = check(component, {"x": value})[1]
        assert "should be" in problem
        assert str(value) in problem


def test_a_word_that_is_no_choice_gets_the_nearest_one():
    (problem,) = problems_of(kernel="operatr")
    assert problem == "kernel = operatr: should be 'flat' or 'operator'; did you mean 'operator'?"


def test_an_unknown_setting_gets_the_nearest_name():
    assert problems_of(quantil=0.1) == ["unknown setting 'quantil'; did you mean 'quantile'?"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [1.0, math.nan]])
@pytest.mark.parametrize("name", ["quantile", "cap", "extra", "sizes"])
def test_numbers_are_finite_because_keys_are_json(name, value):
    (problem,) = problems_of(**{name: value})
    assert "must be finite" in problem


def test_what_json_cannot_hold_is_refused_whatever_the_annotation():
    assert problems_of(extra=datetime.date(2020, 1, 1)) == [
        "extra = datetime.date(2020, 1, 1): a setting cannot be a date"
    ]


def test_none_can_be_written_where_toml_has_no_word_for_it():
    @genbench.measure(family="test", direction="+")
    def optional(*, cap: Positive | None = 1.0, normalization: Literal["batch", "none"] = "batch"): ...

    component = describe(optional, "core")
    assert complete(component, {"cap": "none"})["cap"] is None
    assert complete(component, {"cap": None})["cap"] is None
    assert complete(component, {"normalization": "none"})["normalization"] == "none"
    assert problems_of(quantile="none") == ["quantile = none: should be a number"]


def test_all_problems_are_found_at_once():
    @genbench.measure(family="test", direction="+")
    def demanding(*, quantile: Fraction = 0.1, order: Count): ...

    with pytest.raises(InvalidInput) as caught:
        complete(describe(demanding, "papers"), {"quantile": 2, "colour": "red"})
    assert caught.value.problems == [
        "measure 'papers:demanding': quantile = 2: should be less than or equal to 1",
        "measure 'papers:demanding': unknown setting 'colour'",
        "measure 'papers:demanding': setting 'order' must be given",
    ]


def test_a_type_that_cannot_be_checked_is_a_problem_of_that_setting():
    class Strange: ...

    @genbench.measure(family="test", direction="+")
    def odd(*, thing: Strange = None): ...

    (problem,) = check(describe(odd, "core"), {"thing": 1})[1]
    assert problem.startswith("thing = 1: no value can be given: its annotation")


# Spelling


def test_defaults_are_left_out_and_keys_are_sorted():
    assert spell(COMPONENT, COMPONENT.defaults()) == "mine"
    assert (
        spell(COMPONENT, {"order": 3, "kernel": "operator", "quantile": 0.1})
        == "mine[kernel=operator,order=3]"
    )
    assert spell(COMPONENT, {"kernel": "operator", "order": 3}) == "mine[kernel=operator,order=3]"
    assert spell(describe(mine, "papers"), {"order": 3}) == "papers:mine[order=3]"


@pytest.mark.parametrize(
    ("name", "value", "spelled"),
    [
        ("quantile", 1.0, "1"),
        ("quantile", 0.05, "0.05"),
        ("exact", True, "true"),
        ("sizes", (3, 4), "[3,4]"),
        ("sizes", (), "[]"),
        ("label", "a-b.c", "a-b.c"),
        ("label", "two words", '"two words"'),
        ("label", "1", '"1"'),
        ("label", "true", '"true"'),
        ("label", "", '""'),
        ("extra", {"b": 1.0, "a": [2.0]}, '{"a":[2],"b":1}'),
    ],
)
def test_a_value_has_one_spelling(name, value, spelled):
    assert spell(COMPONENT, {name: value}) == f"mine[{name}={spelled}]"


def test_one_equals_one_point_zero():
    for number in (1, 1.0):
        settings = complete(COMPONENT, {"quantile": number, "extra": [number]})
        assert spell(COMPONENT, settings) == "mine[extra=[1],quantile=1]"

    @genbench.measure(family="test", direction="+")
    def other(*, power: float = 1.0, free: Any = 2): ...

    assert spell(describe(other, "core"), {"power": 1, "free": 2.0}) == "other"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "quantile": st.floats(0, 1),
            "order": st.integers(1, 10**9),
            "kernel": st.sampled_from(["flat", "operator"]),
            "exact": st.booleans(),
            "sizes": st.lists(st.integers(-5, 10**7), max_size=4),
            "cap": st.none() | st.floats(1e-300, 1e300),
            "label": st.text(max_size=12),
            "extra": PLAIN,
        },
    )
)
def test_reading_a_spelling_gives_the_settings_back(given):
    settings = complete(COMPONENT, given)
    text = spell(COMPONENT, settings)
    name, read = parse_variant(text)
    assert name == "mine"
    assert list(read) == sorted(read)
    again = complete(COMPONENT, read)
    assert again == settings
    assert spell(COMPONENT, again) == text


@given(st.permutations(["quantile=0.5", "order=3", 'label="a,b]"', "sizes=[1,2,3]"]))
def test_the_order_in_which_settings_are_written_does_not_matter(parts):
    name, read = parse_variant(f" mine[ {' , '.join(parts)} ] ")
    assert name == "mine"
    assert (
        spell(COMPONENT, complete(COMPONENT, read)) == 'mine[label="a,b]",order=3,quantile=0.5,sizes=[1,2,3]]'
    )


@pytest.mark.parametrize(
    "text", ["mine[", "mine]", "mine[a]", "mine[=1]", "[a=1]", "", "mine[a=1]b", "a[b=1][c=2]"]
)
def test_a_malformed_variant_is_refused(text):
    with pytest.raises(InvalidInput, match=r"variant is spelled|is not key=value"):
        parse_variant(text)


def test_commas_in_brackets_and_quotes_do_not_split():
    assert split_at_commas('a, b[c=1,d=2] ,, e="x,y", f={"g":"]","h":1}') == [
        "a",
        "b[c=1,d=2]",
        'e="x,y"',
        'f={"g":"]","h":1}',
    ]


@pytest.mark.parametrize(
    ("text", "number"), [(".1", 0.1), ("1.", 1.0), ("+1", 1), ("-.5", -0.5), ("+1.5e2", 150.0), ("1e3", 1e3)]
)
def test_a_number_may_be_written_as_people_write_it(text, number):
    read = read_literal(text)
    assert (read, type(read)) == (number, type(number))


@pytest.mark.parametrize(
    "text", [".", "+", "e5", "1.2.3", "007", "1_000", "nan", "inf", "+-1", "+" + "1" * 5000]
)
def test_what_is_no_number_stays_a_text(text):
    assert read_literal(text) == text


@pytest.mark.parametrize("text", [" " * 200_000 + "[", "a" + " " * 200_000 + "[", "a[b=" + "[" * 200_000])
def test_a_long_variant_is_refused_at_once(text):
    before = time.process_time()
    with pytest.raises(InvalidInput, match="spelled name"):
        parse_variant(text)
    assert time.process_time() - before < 3
