"""The front end: order, directions, edge cases, controls, and independence of the order of rows."""

import ast
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ranking import slow_references as slow
from ranking.tables import planted, random_columns

import genbench.ranking as ranking
from genbench.ranking.legend import meaning
from genbench.ranking.resampling import usual_draws

AXES = ["a0", "a1", "a2", "a3"]
MEASURES = ["perfect", "opposite", "signal", "proxy", "noise", "constant"]
KEYS = [
    "measure",
    "direction",
    "n",
    "coverage",
    "tau",
    "tau_low",
    "tau_high",
    "tau_b",
    "psi",
    "psi_low",
    "psi_high",
    "psi_a0",
    "psi_a1",
    "psi_a2",
    "psi_a3",
    "cmi",
    "sign_error_mean",
    "sign_error_p90",
    "sign_error_max",
    "spearman",
    "r2",
    "rank_low",
    "rank_high",
    "cost_seconds",
]


def _rank(table, measures=MEASURES, **options):
    options.setdefault("bootstrap", 100)
    return ranking.rank(table, measures, axes=AXES, **options)


@pytest.fixture(scope="module")
def board():
    return _rank(planted(), directions={"opposite": "-", "noise": "?"}, test_size=1000)


def test_rows_begin_with_the_promised_keys(board):
    for row in (*board.rows, *board.controls):
        assert list(row)[: len(KEYS)] == KEYS
        assert list(row) == list(board.rows[0])


def test_every_column_has_a_meaning(board):
    table = planted().assign(converged=True)
    table.loc[:3, "converged"] = False
    everything = _rank(
        table, statistics=["tau", "psi", "cmi", "pgdl", "psi_tau_b"], converged="converged", bootstrap=20
    )
    for key in (*board.rows[0], *everything.rows[0]):
        assert meaning(key), key


def test_order_is_by_the_oriented_score_with_undirected_measures_below_the_line(board):
    names = [row["measure"] for row in board.rows]
    assert set(names[:2]) == {"perfect", "opposite"}
    assert names[-1] == "noise"
    assert board["noise"]["rank_low"] is None
    assert (board["perfect"]["rank_low"], board["perfect"]["rank_high"]) == (1, 2)
    assert board["opposite"]["rank_low"] == 1
    scores = [row["psi"] * (-1 if row["direction"] == "-" else 1) for row in board.rows[:-1]]
    assert scores == sorted(scores, reverse=True)


def test_published_statistics_are_raw_and_sign_errors_oriented(board):
    row = board["opposite"]
    assert (row["tau"], row["psi"], row["spearman"]) == (-1, -1, pytest.approx(-1))
    assert row["cmi"] == pytest.approx(-1)
    assert row["sign_error_unweighted"] == 0
    assert board["noise"]["sign_error_reason"] == "no direction declared"
    assert math.isnan(board["noise"]["sign_error_unweighted"])


def test_constant_measures_have_what_the_contract_says(board):
    row = board["constant"]
    assert (row["tau"], row["psi"], row["cmi"], row["r2"]) == (0, 0, 0, 0)
    assert math.isnan(row["tau_b"])
    assert row["sign_error_unweighted"] == 0.5
    assert row["status"] == "constant"


def test_the_order_of_rows_measures_and_columns_changes_no_byte(board):
    table = planted().sample(frac=1, random_state=7)
    table = table[sorted(table, reverse=True)]
    again = ranking.rank(
        table, MEASURES[::-1], axes=AXES[::-1], bootstrap=100,
        directions={"noise": "?", "opposite": "-"}, test_size=1000,
    )  # fmt: skip
    assert again.to_json() == board.to_json()
    assert again.to_csv() == board.to_csv()
    assert again.to_markdown() == board.to_markdown()


@pytest.mark.parametrize("options", [{}, {"converged": "reached"}, {"test_size": "examples"}])
def test_the_order_of_rows_with_equal_values_changes_no_byte(options):
    random = np.random.default_rng(1)
    table = pd.DataFrame({"a0": np.arange(48) % 3, "a1": np.arange(48) // 3 % 2})
    table["gap"], table["signal"] = random.integers(0, 3, 48) / 10, random.integers(0, 2, 48)
    table["reached"], table["examples"] = random.random(48) < 0.7, random.choice([100, 1000, 5000], 48)
    table["train_loss"], table["test_error"] = random.random(48), random.random(48)
    one, other = (
        ranking.rank(each, ["signal"], axes=["a0", "a1"], bootstrap=20, **options).to_json()
        for each in (table, table.sample(frac=1, random_state=7))
    )
    assert one == other


def test_types_of_levels_do_not_matter(board):
    table = planted()
    table["a0"] = table["a0"].astype(float)
    table["a1"] = table["a1"].astype("category")
    table["seed"] = table["seed"].astype(np.int8)
    again = _rank(table, directions={"opposite": "-", "noise": "?"}, test_size=1000)
    assert again.to_json() == board.to_json()


def test_a_level_may_be_a_number_that_no_float_holds():
    table = planted().assign(a0=pd.Series([10**400, 0.5, 2] * 36, dtype=object))
    assert _rank(table, ["signal"], bootstrap=0).axes["a0"]["levels"] == 3


def test_seed_changes_the_random_parts_only(board):
    again = _rank(planted(), directions={"opposite": "-", "noise": "?"}, test_size=1000, seed=1)
    assert again["random"]["tau"] != board["random"]["tau"]
    assert again["signal"]["tau"] == board["signal"]["tau"]


def test_missing_values_are_counted_for_their_measure_alone():
    table = planted()
    whole = _rank(table, bootstrap=0)
    table.loc[:10, "noise"] = np.nan
    board = _rank(table, bootstrap=0)
    assert board["noise"]["n"] == len(table) - 11
    assert board["noise"]["coverage"] == (len(table) - 11) / len(table)
    assert board["noise"]["status"] == "partial"
    assert any("noise" in note and "5 %" in note for note in board.notes)
    for name in ("perfect", "signal", "proxy"):
        assert board[name]["tau"] == whole[name]["tau"]
        assert board[name]["gain"] == pytest.approx(whole[name]["gain"], abs=1e-12)


def test_a_measure_without_any_value_has_a_row():
    table = planted().assign(nothing=np.nan)
    board = _rank(table, ["nothing", "noise"])
    row = board.rows[-1]
    assert (row["measure"], row["n"], row["status"], row["rank_low"]) == ("nothing", 0, "missing", None)
    assert math.isnan(row["tau"])


def test_infinite_values_are_ranked_and_left_out_of_lines():
    table = planted()
    largest = table["perfect"] > table["perfect"].quantile(0.9)
    top = table["perfect"].where(~largest, np.inf)
    board = _rank(table.assign(top=top), ["perfect", "top"], bootstrap=0)
    assert board["top"]["n"] == len(table)
    assert board["top"]["n_finite"] == (~largest).sum()
    assert 0.95 < board["top"]["tau"] < 1


def test_fits_without_a_target_are_left_out_and_counted():
    table = planted()
    table.loc[[0, 5], "gap"] = np.nan
    board = _rank(table, bootstrap=0)
    assert board["noise"]["coverage"] == (len(table) - 2) / len(table)
    assert any("2 of 108 fits have no gap" in note for note in board.notes)


def test_axes_with_one_value_are_listed_and_left_out():
    board = ranking.rank(planted().assign(fixed=1), ["noise"], axes=[*AXES, "fixed"], bootstrap=0)
    assert "psi_fixed" not in board.rows[0]
    assert any("fixed" in note for note in board.notes)


def test_without_any_axis_the_rest_still_stands():
    board = ranking.rank(planted(), ["signal", "noise"], axes=[], bootstrap=50, rank_by="tau")
    assert math.isnan(board["signal"]["psi"])
    assert board.rows[0]["measure"] == "signal"
    assert board["signal"]["rank_low"] == 1


def test_converged_only_stands_beside_all_and_survivors_are_shared_out():
    table = planted()
    table["converged"] = ~((table["a0"] == 2) & (table["seed"] == 0))
    everything = _rank(table)
    only = _rank(table, converged="converged")
    assert everything["signal"]["n"] == len(table)
    assert any("did not converge" in note for note in everything.notes)
    assert only["signal"]["n"] == table["converged"].sum()
    assert only["signal"]["tau_all"] == everything["signal"]["tau"]
    assert only["signal"]["psi_all"] == everything["signal"]["psi"]
    assert only.survivors["a0"] == {"0": 1.0, "1": 1.0, "2": pytest.approx(2 / 3)}
    same = _rank(table.drop(columns="converged"), converged=table["converged"].to_numpy())
    assert same["signal"]["tau"] == only["signal"]["tau"]


def test_repeats_without_a_seed_column_are_all_compared():
    table = planted()
    pooled = _rank(table.drop(columns="seed"), ["signal"], bootstrap=0)
    paired = _rank(table, ["signal"], bootstrap=0)
    assert pooled.axes["a0"]["groups"] * 3 == paired.axes["a0"]["groups"]
    assert pooled["signal"]["tau"] == paired["signal"]["tau"]


def test_sign_error_says_why_it_is_missing(board):
    assert math.isnan(board["signal"]["sign_error_mean"])
    assert "effective sample of 12" in board["signal"]["sign_error_reason"]
    many = _rank(planted(seeds=5), ["signal"], bootstrap=50)
    assert many["signal"]["sign_error_environments"] > 0
    assert any("unweighted" in note for note in many.notes)
    row = many["signal"]
    assert row["sign_error_mean_low"] < row["sign_error_mean"] < row["sign_error_mean_high"]
    assert row["sign_error_mean"] <= row["sign_error_p90"] <= row["sign_error_max"]
    assert row["sign_error_max_oracle"] == many["oracle_0.02"]["sign_error_max"]


def test_controls_stand_in_every_table(board):
    names = [row["measure"] for row in board.controls]
    assert names == ["random", "oracle_0.01", "oracle_0.02", "oracle_0.05", "hyperparameters"]
    table = planted().assign(train_loss=0.01, num_params=100.0 * (1 + planted()["a0"]))
    names = [row["measure"] for row in _rank(table, bootstrap=0).controls]
    assert names[-2:] == ["train_loss", "num_params"]
    assert board["oracle_0.01"]["tau"] > board["oracle_0.05"]["tau"] > board["random"]["tau"]
    assert all(row["rank_low"] is None for row in board.controls)


def test_a_control_may_be_ranked_instead():
    table = planted().assign(random=planted()["noise"])
    board = _rank(table, ["random", "signal"], bootstrap=0)
    assert {row["measure"] for row in board.rows} == {"random", "signal"}
    assert board.controls[0]["measure"] == "oracle_0.01"
    assert not any("control 'random'" in note for note in board.notes)


def test_the_band_of_random_measures_holds_noise_and_not_signal(board):
    low, high = board.null_band["psi"]
    assert low < 0 < high
    assert board["signal"]["psi"] > high
    assert board["signal"]["psi_p_random"] == pytest.approx(1 / 1001)
    assert board["noise"]["psi_p_random"] > 0.01
    assert {"tau", "psi", "cmi"} == set(board.null_band)


def test_proxies_are_flagged_and_axes_told_apart(board):
    assert board["proxy"]["tracks"] == "a0"
    assert board["signal"]["tracks"] == ""
    assert board["proxy"]["axes_explain"] > 0.99
    verdicts = {each["axis"]: each["verdict"] for each in board.why("proxy")}
    assert verdicts["a0"] == "wins"
    assert verdicts["a3"] == "silent"
    assert {each["verdict"] for each in board.why("opposite")} == {"wins"}
    wrong = _rank(planted(), ["opposite"])
    assert {each["verdict"] for each in wrong.why("opposite")} == {"reversed"}


def test_long_lists_in_notes_are_cut_and_few_configurations_track_nothing():
    table = planted()
    for copy in range(14):
        table[f"copy{copy}"] = table["proxy"]
    copies = [f"copy{copy}" for copy in range(14)]
    (note,) = [each for each in _rank(table, copies).notes if "Mostly track" in each]
    assert note.endswith("and 2 others.")
    assert note.count("(a0)") == 12
    few = _rank(table[table.index < 10], copies)
    assert not [each for each in few.notes if "Mostly track" in each]


def test_other_columns_can_rank():
    for column, best in (("tau", "perfect"), ("gain", "perfect"), ("regret", "perfect")):
        assert _rank(planted(), ["perfect", "noise", "proxy"], rank_by=column).rows[0]["measure"] == best


def test_no_score_to_expect_is_a_minus_zero():
    board = _rank(planted(), ["perfect", "noise"], rank_by="sign_error_unweighted", bootstrap=20)
    assert math.copysign(1, board["perfect"]["expected"]) == 1


def test_held_out_measures_are_ranked_apart():
    board = _rank(planted(), ["perfect", "signal", "noise"], held_out=["perfect"])
    assert [row["measure"] for row in board.rows] == ["signal", "noise", "perfect"]
    assert (board["signal"]["rank_low"], board["perfect"]["rank_low"]) == (1, 1)
    assert board["perfect"]["status"] == "held-out"
    assert [row["held_out"] for row in (*board.rows, *board.controls[:1])] == [False, False, True, False]
    assert "Ranked apart, for they use data held out from training: perfect." in board.notes
    assert "| perfect | + | held-out 1 |" in board.to_markdown()
    assert "| perfect | + | 1 |" in _rank(planted(), ["perfect"]).to_markdown()


def test_statistics_from_elsewhere_get_a_column_and_an_interval():
    def mean_product(values, target, axes, groups, weights):
        assert set(axes) == set(AXES)
        assert len(groups) == len(values)
        return float((weights * values * target).sum() / weights.sum())

    board = _rank(planted(), ["noise"], statistics=["psi", mean_product], bootstrap=20)
    expected = (planted()["noise"] * planted()["gap"]).mean()
    assert board["noise"]["mean_product"] == pytest.approx(expected)
    assert board["noise"]["mean_product_low"] < board["noise"]["mean_product_high"]


def test_columns_not_asked_for_are_empty():
    board = _rank(planted(), ["noise"], statistics="tau", rank_by="tau", bootstrap=0)
    assert math.isnan(board["noise"]["psi"])
    assert "gain" not in board["noise"]


def test_targets_are_computed_from_their_parts():
    table = planted()
    table = table.assign(
        train_error=0.01, test_error=table["gap"] + 0.01, test_loss=table["gap"] * 2, train_loss=0.0
    )
    without = table.drop(columns="gap")
    assert _rank(without, ["signal"], bootstrap=0)["signal"]["tau"] == pytest.approx(
        _rank(table, ["signal"], bootstrap=0)["signal"]["tau"]
    )
    assert _rank(without, ["perfect"], target="loss_gap", bootstrap=0)["perfect"]["tau"] == 1


def test_axes_and_measures_are_found_where_the_table_says():
    table = planted()[["a0", "a1", "seed", "gap", "noise", "signal"]]
    named = table.rename(columns={"a0": "model.width", "a1": "protocol.learning_rate"})
    board = ranking.rank(named, bootstrap=0)
    assert set(board.axes) == {"model.width", "protocol.learning_rate"}
    assert {row["measure"] for row in board.rows} == {"noise", "signal"}
    table.attrs = {"axes": ["a0", "a1"], "measures": ["signal"]}
    assert [row["measure"] for row in ranking.rank(table, bootstrap=0).rows] == ["signal"]
    table.attrs = {}
    guessed = ranking.rank(table, ["signal", "noise"], bootstrap=0)
    assert set(guessed.axes) == {"a0", "a1"}
    assert any("not named" in note for note in guessed.notes)


def test_json_is_strict_and_frames_csv_and_latex_hold_the_same(board):
    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(board.to_json(), parse_constant=refuse)
    assert content["rows"][0]["measure"] == board.rows[0]["measure"]
    assert content["rows"][-1]["rank_low"] is None
    frame = board.to_frame()
    assert frame["measure"].tolist() == [row["measure"] for row in board.rows + board.controls]
    read = pd.read_csv(io.StringIO(board.to_csv()))
    assert read["tau"].tolist() == frame["tau"].tolist()
    assert board.to_latex().count(r"\\") == len(board.rows) + len(board.controls) + 1
    assert board.to_markdown().count("\n| ") >= len(board.rows)


def test_costs_can_be_left_out():
    costs = {"signal": 1.5}
    board = _rank(planted(), ["signal"], costs=costs, families={"signal": "planted"}, bootstrap=0)
    assert board["signal"]["cost_seconds"] == 1.5
    assert board["signal"]["family"] == "planted"
    for written in (board.to_json, board.to_csv, board.to_markdown, board.to_latex):
        assert "cost" in written()
        assert "cost" not in written(no_cost=True)
    assert "cost_seconds" not in board.to_frame(no_cost=True)


def test_ranks_flip_between_targets():
    table = planted()
    table["test_error"] = 1 - table["gap"]
    flips = ranking.rank_flips(
        table, ["gap", "test_error"], MEASURES, axes=AXES, bootstrap=100, statistics=["psi"]
    )
    rows = {row["measure"]: row for row in flips.rows}
    assert rows["perfect"]["flips"]
    assert rows["perfect"]["reversed"]
    assert not rows["noise"]["reversed"]
    (pair,) = flips.pairs
    assert 0 < pair["opposite"] <= pair["ordered"]
    assert "perfect" in flips.to_markdown()
    assert json.loads(flips.to_json())["targets"] == ["gap", "test_error"]
    assert len(flips.to_frame()) == len(MEASURES)


def test_a_target_of_flips_may_be_a_part_of_another():
    table = planted()[[*AXES, "seed", "gap", "noise"]].rename(columns={"gap": "test_error"})
    flips = ranking.rank_flips(table.assign(train_error=0.01), ["gap", "test_error"], axes=AXES, bootstrap=0)
    ((row,), targets) = flips.rows, flips.targets
    assert (row["measure"], targets) == ("noise", ("gap", "test_error"))
    assert row["gap"] == row["test_error"]


def test_flips_take_no_target_for_a_measure():
    table = planted()[["a0", "a1", "a2", "a3", "seed", "gap", "noise"]].assign(other=planted()["gap"] ** 2)
    flips = ranking.rank_flips(table, ["gap", "other"], axes=AXES, bootstrap=0)
    assert [row["measure"] for row in flips.rows] == ["noise"]


@given(random_columns(missing=True, fewest=4), st.booleans())
@settings(max_examples=25, deadline=None)
@pytest.mark.slow
def test_every_statistic_of_a_random_table_agrees_with_loops(columns, with_seed):
    values, target, axes, seed = columns
    known = ~np.isnan(values)
    assume(len(set(target)) > 1 and known.sum() > 1)
    table = pd.DataFrame({**axes, "seed": seed, "gap": target, "m": values})
    board = ranking.rank(
        table, ["m"], axes=list(axes), seed_column="seed" if with_seed else None,
        bootstrap=0, statistics=["tau", "psi", "cmi", "sign_error"],
    )  # fmt: skip
    row = board["m"]
    used = {name: axes[name] for name in sorted(axes) if len(set(axes[name])) > 1}
    some = {name: codes[known] for name, codes in used.items()}
    assert row["n"] == known.sum()
    assert row["coverage"] == known.mean()
    assert row["tau"] == pytest.approx(slow.tau_a(values[known], target[known]), abs=1e-12)
    psi, groups = slow.granulated(values, target, used, seed if with_seed else 0 * seed)
    for name in used:
        assert row[f"psi_{name}"] == pytest.approx(psi[name], abs=1e-12, nan_ok=True)
        assert row[f"groups_{name}"] == groups[name]
    ratios = [a / b for a, b, _ in slow.information(values[known], target[known], some).values() if b > 1e-12]
    assert row["cmi_abs"] == pytest.approx(min(ratios, default=np.nan), abs=1e-12, nan_ok=True)
    errors = [error for error, _ in slow.sign_errors(values, target, used).values()]
    expected = np.mean(errors) if errors else np.nan
    assert row["sign_error_unweighted"] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_importing_brings_neither_torch_nor_pandas_nor_the_rest_of_genbench():
    """In a package that holds nothing but this one: whatever it needs from elsewhere would be missing."""
    code = f"""
import sys, types
package = types.ModuleType("genbench")
package.__path__ = [{str(Path(ranking.__file__).parents[1])!r}]
sys.modules["genbench"] = package
import genbench.ranking
heavy = {{"torch", "pandas", "scipy", "numba", "sklearn"}} & {{name.split(".")[0] for name in sys.modules}}
ours = [name for name in sys.modules if name.startswith("genbench.")]
others = [name for name in ours if not name.startswith("genbench.ranking")]
print(sorted(heavy), others)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[] []"


def test_no_source_file_imports_another_part_of_genbench():
    for file in Path(ranking.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.split(".")[0] != "torch"
                assert not name.startswith("genbench") or name.startswith("genbench.ranking"), (file, name)


def test_information_without_a_direction_is_still_information():
    values = np.array([6, 4, 3, 1, 7, 8, 0, 2, 8, 5.0])
    target = np.array([3, 0, 5, 6, 7, 1, 2, 3, 4, 0.0])
    table = pd.DataFrame({"m": values, "gap": target, "axis": 0})
    ((information, entropy, covariance),) = slow.information(values, target, {}).values()
    assert covariance == 0 < information

    row = ranking.rank(
        table, ["m"], axes=["axis"], seed_column=None, bootstrap=0, statistics=["tau", "cmi"], rank_by="tau"
    )["m"]

    assert row["cmi"] == 0
    assert row["cmi_abs"] == pytest.approx(information / entropy, abs=1e-12)


def test_a_measure_that_repeats_an_axis_is_said_to():
    table = planted((4, 3, 2, 2), 3)
    table["depth"] = -3.0 * table["a0"]
    board = ranking.rank(table, ["depth", "signal"], axes=["a0", "a1", "a2", "a3"], bootstrap=0)
    assert [row["tracks"] for row in board.rows if row["measure"] == "depth"] == ["a0"]
    assert any("depth (a0)" in note for note in board.notes)


def test_levels_that_differ_by_rounding_only_are_one_and_said():
    table = planted()
    axes = ["a0", "a1", "a2", "a3"]
    right = ranking.rank(table.assign(a0=table.a0 * 0.1 + 0.2), ["noise"], axes=axes, bootstrap=0)
    odd = np.arange(len(table)) % 2 == 0
    moved = table.a0 * 0.1 + 0.2
    moved = moved.where(odd, np.nextafter(moved, 9.0))
    assert moved.nunique() == 2 * table.a0.nunique()
    found = ranking.rank(table.assign(a0=moved), ["noise"], axes=axes, bootstrap=0)
    assert found["noise"]["psi"] == right["noise"]["psi"]
    notes = " ".join(found.notes)
    assert "Levels of 'a0' that differ by rounding only, and count as one: 0.2" in notes
    assert "rounding" not in " ".join(right.notes)


@pytest.mark.parametrize(
    ("fits", "draws"), [(0, 1000), (2000, 1000), (3000, 666), (4000, 500), (10_000, 200), (10**6, 200)]
)
def test_draws_become_fewer_in_large_tables_where_no_number_is_asked_for(fits, draws):
    assert usual_draws(fits) == draws


def test_a_large_table_says_how_many_draws_its_intervals_come_from():
    table = planted((8, 8, 6, 6), 1)
    given = {"axes": ["a0", "a1", "a2", "a3"], "statistics": ["spearman"], "rank_by": "spearman"}
    board = ranking.rank(table, ["signal"], **given)
    assert board.summary["bootstrap"] == 868
    assert "Intervals are from 868 draws, with 2304 fits." in board.notes
    asked = ranking.rank(table, ["signal"], bootstrap=1000, **given)
    assert asked.summary["bootstrap"] == 1000
    assert not any("draws, with" in note for note in asked.notes)
