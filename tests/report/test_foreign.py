"""``genbench report TABLE``: the page of somebody else's networks."""

import numpy as np
import pandas as pd
import pytest
from running import command


@pytest.fixture
def table(tmp_path):
    random = np.random.default_rng(0)
    rows = []
    for width in (8, 16, 32):
        for rate in (0.1, 0.3):
            for seed in (0, 1):
                gap = 0.01 * width * rate + 0.01 * random.random()
                rows.append(
                    {"network": f"{width}/{rate}/{seed}", "width": width, "rate": rate, "seed": seed, "gap": gap,
                     "test_error": gap + 0.1, "good": gap + 0.001 * random.random(), "poor": random.random()}
                )  # fmt: skip
    frame = pd.DataFrame(rows)
    frame.loc[3, "poor"] = np.nan
    frame.to_csv(tmp_path / "theirs.csv", index=False)
    return tmp_path / "theirs.csv"


def test_a_table_has_a_page_with_its_ranking(table):
    ended = command("report", table, "--axes", "width,rate", "--bootstrap", 20, "--direction", "+")
    assert (ended.code, ended.out.strip()) == (0, str(table.with_suffix(".html")))
    page = table.with_suffix(".html").read_text()
    assert "genbench · table theirs.csv" in page
    for absent in ('id="training"', 'id="cost"', "The suite as it was run"):
        assert absent not in page
    assert 'id="axes"' in page


def test_its_json_says_what_the_table_holds(table):
    words = (
        "--axes",
        "width,rate",
        "--targets",
        "gap,test_error",
        "--bootstrap",
        20,
        "--json",
        "--direction",
        "poor=-",
        "--direction",
        "+",
    )
    found = command("report", table, *words).json
    assert found["targets"] == ["gap", "test_error"]
    assert [each["axis"] for each in found["axes"]] == ["width", "rate"]
    assert found["fits"]["key"][0] == "8/0.1/0"
    assert found["fits"]["seed"][:2] == [0, 1]
    assert found["measures"]["poor"]["statuses"] == {"ok": 11, "missing": 1}
    assert found["standings"]["gap"]["rows"][0]["measure"] == "good"
    assert {name: each["direction"] for name, each in found["measures"].items()} == {"good": "+", "poor": "-"}
    ranked = command(
        "rank", table, "--axes", "width,rate", "--bootstrap", 20, "--direction", "+", "--json"
    ).json
    assert found["standings"]["gap"]["rows"][0]["score"] == pytest.approx(ranked["rows"][0]["psi"], abs=1e-3)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--axes", "wdth"], 3, "the table has no axis column 'wdth'; did you mean 'width'?"),
        ([], 3, "cannot tell axes from measures: name the columns of the grid"),
        (
            ["--axes", "width", "--targets", "gp", "--direction", "+"],
            3,
            "the table has no target column 'gp'; did you mean 'gap'?",
        ),
        (
            ["--axes", "width", "--targets", "gap,gp", "--direction", "+"],
            2,
            "unknown target 'gp'; did you mean 'gap'?",
        ),
        (["--axes", "width,rate"], 2, "theirs.csv: no direction is known of good, poor"),
        (["--axes", "width,rate", "--direction", "god=-"], 2, "no column 'god' to give a direction to"),
        (["--axes", "width", "--out", "page.pdf"], 2, "'page.pdf': the ending must be .html"),
    ],
)
def test_mistakes_are_a_line_each(table, words, code, line):
    ended = command("report", table, *words)
    assert ended.code == code
    assert ended.err.startswith(f"genbench: {line}")
    assert ended.err.count("\n") == 1


def test_what_is_no_table(tmp_path):
    assert "neither a run folder nor a table file" in command("report", tmp_path / "nothing.csv").err
    assert "is not a run folder" in command("report", tmp_path / "nothing").err
    (tmp_path / "notes.txt").touch()
    assert "a table is a .csv" in command("report", tmp_path / "notes.txt").err


def test_known_measures_bring_their_direction_and_family(table):
    frame = pd.read_csv(table).rename(columns={"good": "path_norm"}).drop(columns="poor")
    frame["inverse_margin"] = -frame["path_norm"]
    frame.to_csv(table, index=False)
    found = command("report", table, "--axes", "width,rate", "--bootstrap", 20, "--json")
    assert found.code == 0, found.err
    shown = command("show", "path_norm", "--json").json
    assert found.json["measures"]["path_norm"]["direction"] == shown["direction"]
    assert found.json["measures"]["path_norm"]["family"] == shown["family"]


def test_directions_are_not_for_runs(finished):
    ended = command("report", finished, "--direction", "path_norm=-")
    assert (ended.code, ended.err) == (
        2, "genbench: directions are for tables; the measures of a run have theirs\n",
    )  # fmt: skip
