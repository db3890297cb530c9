"""A board made ready to be shown, against slow counts over its rows."""

from itertools import permutations

import pytest
from reports import DIRECTIONS, LEVELS, invented

from genbench import ranking
from genbench.report.standing import standing


@pytest.fixture(scope="module")
def board():
    return ranking.rank(
        invented(), list(DIRECTIONS), "gap", axes=list(LEVELS), directions=DIRECTIONS, bootstrap=100,
        costs={name: 0.1 * (place + 1) for place, name in enumerate(DIRECTIONS)}, held_out=["held"], interval="configurations",
    )  # fmt: skip


@pytest.fixture(scope="module")
def shown(board):
    return standing(board)


def row_of(shown, name):
    return next(row for row in shown["rows"] if row["measure"] == name)


def test_rows_keep_the_order_of_the_board_with_the_controls_last(board, shown):
    assert [row["measure"] for row in shown["rows"]] == [
        row["measure"] for row in (*board.rows, *board.controls)
    ]


@pytest.mark.parametrize(
    ("name", "group"),
    [("good", "ranked"), ("held", "held-out"), ("undirected", "unranked"), ("random", "control")],
)
def test_each_row_stands_in_its_group(shown, name, group):
    assert row_of(shown, name)["group"] == group


def test_scores_are_times_the_direction(board, shown):
    raw, row = board["good_reversed"], row_of(shown, "good_reversed")
    assert raw["psi"] < 0 < row["score"]
    assert row["score"] == pytest.approx(-raw["psi"], rel=1e-3)
    assert (row["score_low"], row["score_high"]) == pytest.approx(
        (-raw["psi_high"], -raw["psi_low"]), rel=1e-3
    )
    assert row["tau"] == pytest.approx(-raw["tau"], rel=1e-3)
    place = shown["rows"].index(row)
    for axis in shown["axes"]:
        assert axis["value"][place] == pytest.approx(-raw[f"psi_{axis['axis']}"], abs=1e-3)
        assert axis["low"][place] <= axis["value"][place] <= axis["high"][place]


def test_pairs_told_apart_are_those_of_which_one_is_surely_better(board, shown):
    ranked = [row for row in shown["rows"] if row["group"] == "ranked"]
    assert shown["pairs"] == len(list(permutations(ranked, 2))) // 2
    # Whoever is surely worse than some is counted once for each of them, from either side.
    assert shown["apart"] == sum(len(ranked) - row["rank_high"] for row in ranked)
    assert 0 < shown["apart"] < shown["pairs"]


def test_the_pareto_set_is_what_nothing_beats_in_both(shown):
    ranked = [row for row in shown["rows"] if row["group"] == "ranked"]
    for row in ranked:
        beaten = any(
            other["seconds"] <= row["seconds"] and other["score"] >= row["score"] and other is not row
            for other in ranked
        )
        assert row["pareto"] is not beaten
    assert not any(row["pareto"] for row in shown["rows"] if row["group"] != "ranked")


def test_statistics_are_raw_and_have_a_meaning(board, shown):
    found = {each["name"]: each for each in shown["statistics"]}
    assert {"tau", "psi", "cmi", "spearman"} <= found.keys()
    assert not any(name.startswith(("psi_model", "groups_")) or name.endswith("_low") for name in found)
    for place, row in enumerate((*board.rows, *board.controls)):
        assert found["tau"]["value"][place] == pytest.approx(row["tau"], abs=2e-3)
    assert all(each["meaning"] for each in found.values())
