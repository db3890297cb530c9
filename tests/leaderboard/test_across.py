"""The leaderboard's first table: one answer over its suites."""

from ranking.tables import planted

from genbench import ranking
from genbench.leaderboard.across import Ranked, across, newest
from genbench.leaderboard.markdown import as_markdown
from genbench.leaderboard.page import as_page


def ranked(suite, data, seed=0, target="gap", measures=("perfect", "signal", "proxy", "noise")):
    given = [name for name in measures if name != target]
    board = ranking.rank(
        planted(seed=seed), given, target, axes=["a0", "a1", "a2", "a3"], statistics=["psi"], bootstrap=20
    )
    return Ranked(suite, data, target, board)


def test_one_suite_has_no_summary():
    assert across([]) is None
    assert across([ranked("one", ("a",))]) is None


def test_each_suite_counts_in_the_newest_version_that_has_entries():
    def table(suite, superseded="", own=False):
        return {"suite": suite, "superseded": superseded, "own": own}

    older = "suite.toml: is version 1 of suite 'two'; installed is version 2"
    one, old, new, mine = (
        ranked("one", ("a",)),
        ranked("two", ("b",)),
        ranked("two", ("b",), 1),
        ranked("m", ()),
    )
    tables = [(table("mine", own=True), [mine]), (table("one"), [one]), (table("two", older), [old])]
    assert newest(tables) == ([one, old], [f"two: {older}, which has no entry yet"])
    assert newest([*tables, (table("two"), [new])]) == ([one, new], [])
    assert newest([*tables, (table("two"), [])]) == ([one, old], [f"two: {older}, which has no entry yet"])
    assert newest([(table("two"), [new]), (table("two", older), [old])]) == ([new], [])


def test_the_target_that_most_suites_have_is_summarized():
    found = across([ranked("one", ("a",)), ranked("two", ("b",), 1), ranked("two", ("b",), 1, "signal")])
    assert found["target"] == "gap"
    assert found["suites"] == ["one", "two"]
    assert found["rows"][0]["measure"] == "perfect"


def test_suites_of_the_same_data_weigh_as_one():
    found = across([ranked("one", ("a",)), ranked("two", ("b",), 1), ranked("again", ("b",), 2)])
    assert found["weighed_as_one"] == [["two", "again"]]
    every = across([ranked("one", ("a",)), ranked("two", ("a",), 1)])
    assert every["weighed_as_one"] == []


def test_it_stands_first_and_says_what_is_missing():
    found = across([ranked("one", ("a",)), ranked("two", ("b",), 1, measures=("perfect", "noise", "proxy"))])
    content = {"format": 1, "across": found, "tables": []}
    text = as_markdown(content)
    assert text.index("## Over 2 suites: gap") < text.index("There are no entries yet.")
    assert "missing" in text
    page = as_page(content)
    assert "Over 2 suites: gap" in page
    assert ">missing<" in page
    assert "nan" not in text.lower().replace("dominan", "")
