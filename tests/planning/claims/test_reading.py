"""Claims in suite files: every fault is a line before anything trains."""

import re

import pytest
from running import TINY, command

from genbench import api
from genbench.base.errors import InvalidInput
from genbench.host import Host
from genbench.planning.sameness import suite_digest
from genbench.planning.suite import load_suite

CLAIM = """
[[claim]]
id = "small-steps"
text = "Small steps generalize better."
paper = "Nobody 2020"
place = "Table 1"
statistic = "difference"
column = "test_error"
arm = { learning_rate = 0.03 }
against = { learning_rate = 0.1 }
expect = "lower"
"""


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.load()


@pytest.fixture
def read(tmp_path, host):
    """Reads a suite with one claim, of which some text is replaced."""

    def read(old: str = "", new: str = "", suite: str = TINY):
        assert old in CLAIM
        (tmp_path / "suite.toml").write_text(suite + CLAIM.replace(old, new, 1))
        return load_suite(tmp_path / "suite.toml", host)

    return read


def test_a_claim_is_read_and_is_no_part_of_what_makes_two_suites_the_same(read):
    first, second = read(), read("Table 1", "Table 2")
    assert [each.id for each in first.claims] == ["small-steps"]
    assert first.claims[0].null == 0.0
    assert suite_digest(first.content) == suite_digest(second.content)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("place =", "plaice =", "unknown key 'plaice'; did you mean 'place'?"),
        ('place = "Table 1"\n', "", "'place' is missing"),
        ('"difference"', '"differences"', "did you mean 'difference'?"),
        ('column = "test_error"', 'column = "tset_error"', "no column 'tset_error'; did you mean 'test_error'?"),
        ('column = "test_error"', 'column = "path_norm"', "this suite does not compute 'path_norm'"),
        (
            'column = "test_error"', 'column = "best_test_error"',
            "'best_test_error' needs keep = [..., \"test_history\"]",
        ),
        ('against = { learning_rate = 0.1 }', "", "statistic 'difference' needs 'against'"),
        ('"lower"', '"smaller"', "expect: should be"),
        ('"lower"', '"same"', 'expect = "same" needs a \'tolerance\''),
        ('"lower"', '"lower"\npublished = 0.1', "a 'published' number needs a 'tolerance'"),
        ('"lower"', '"lower"\ntolerance = 0.1', "'tolerance' is of a 'published' number"),
        ('"lower"', '"lower"\nlevels = [1, 2]', "takes no 'levels'"),
        ('"lower"', '"lower"\nabove = 0.5', "takes no 'above'"),
        ('"lower"', '"lower"\naxis = "width"', "takes no 'axis'"),
        ('"lower"', '"lower"\nby = "gap"', "'by' says how to choose"),
        ('"difference"', '"mean"', "statistic 'mean' takes no 'arm'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_claim_is_a_line_with_its_name(read, old, new, words):
    with pytest.raises(InvalidInput) as refused:
        read(old, new)
    assert any("claim 'small-steps'" in line and words in line for line in refused.value.problems)


@pytest.mark.parametrize("statistic", ["mean", "r2"])
def test_a_statistic_without_a_natural_zero_needs_something_to_compare_with(read, statistic):
    with pytest.raises(InvalidInput, match=f"statistic '{statistic}' needs 'than'"):
        read(
            'statistic = "difference"\ncolumn = "test_error"\narm = { learning_rate = 0.03 }\n'
            "against = { learning_rate = 0.1 }",
            f'statistic = "{statistic}"\ncolumn = "test_error"'
            + ('\non = "gap"' if statistic == "r2" else ""),
        )


def test_two_claims_have_two_names(read):
    with pytest.raises(InvalidInput, match="another claim has this id"):
        read(suite=TINY + CLAIM)


def test_claims_are_tables(tmp_path, host):
    (tmp_path / "suite.toml").write_text('claim = "it works"\n' + TINY)
    with pytest.raises(InvalidInput, match=r"claim: must be \[\[claim\]\] tables"):
        load_suite(tmp_path / "suite.toml", host)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("arm = { learning_rate", "arm = { learning_rat", "unknown axis 'learning_rat'; did you mean"),
        ("0.03 }", "0.04 }", "no trial has protocol.learning_rate = 0.04; there are 0.03, 0.1"),
        ('"lower"', '"lower"\nwhere = { model = "mlp" }', "unknown axis 'model'"),
        ('"lower"', '"lower"\nignore = ["dpeth"]', "unknown axis 'dpeth'"),
    ],
)
def test_an_axis_or_level_that_no_trial_has_is_refused_when_planning(read, host, old, new, words):
    with pytest.raises(InvalidInput) as refused:
        api.plan_suite(read(old, new), host)
    assert any("claim 'small-steps'" in line and words in line for line in refused.value.problems)


def test_part_of_a_suite_may_lack_what_its_claims_are_about(read, host):
    assert len(api.plan_suite(read(), host, limit=1).trials) == 1


@pytest.mark.parametrize("on", ["learning_rate", "protocol.learning_rate", "param_norm"])
def test_a_setting_or_a_measure_may_be_what_a_column_is_compared_with(read, on):
    suite = read(
        'statistic = "difference"\ncolumn = "test_error"\narm = { learning_rate = 0.03 }\n'
        "against = { learning_rate = 0.1 }",
        f'statistic = "slope"\ncolumn = "test_error"\non = "{on}"',
    )
    assert suite.claims[0].on == on


def test_plan_refuses_a_suite_with_a_claim_that_cannot_be_judged(tmp_path):
    (tmp_path / "suite.toml").write_text(TINY + CLAIM.replace("test_error", "tset_error"))
    ended = command("plan", "--suite", tmp_path / "suite.toml", "--out", tmp_path / "run")
    assert ended.code == 3
    assert "did you mean 'test_error'" in ended.err


@pytest.fixture
def twin(read, host, tmp_path, monkeypatch):
    """Reads a suite that takes the claims of another one over."""

    def read_twin(table: str, own: str = ""):
        original = tmp_path / "original.toml"
        original.write_text(TINY + CLAIM)
        monkeypatch.setattr(host, "suites", lambda: {"original": original})
        (tmp_path / "twin.toml").write_text(f"claims = {table}\n" + TINY + own)
        return load_suite(tmp_path / "twin.toml", host)

    return read_twin


def test_claims_are_taken_over_changed_and_added_to(twin):
    own = CLAIM.replace('"small-steps"', '"own"') + '[[claim]]\nid = "small-steps"\nplace = "Table 7"\n'
    suite = twin('{ of = "original", differs = "small data" }', own)
    assert [each.id for each in suite.claims] == ["small-steps", "own"]
    assert suite.claims[0].place == "Table 7"
    assert [each.differs for each in suite.claims] == ["small data", ""]
    assert suite.content["claim"][0]["text"] == "Small steps generalize better."
    assert "claims" not in suite.content


def test_claims_may_be_left_out(twin):
    assert twin('{ of = "original", without = ["small-steps"] }').claims == ()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('"original"', "claims: must be a table such as"),
        ('{ of = "orignal" }', "unknown suite 'orignal'; did you mean 'original'?"),
        ('{ of = "original", witout = [] }', "unknown key 'witout'; did you mean 'without'?"),
        (
            '{ of = "original", without = ["small-step"] }',
            "no claim 'small-step'; did you mean 'small-steps'?",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_said(twin, table, words):
    with pytest.raises(InvalidInput, match=re.escape(words)):
        twin(table)
