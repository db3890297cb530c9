"""The statistics as components: declared, documented, and the same numbers as the board's."""

import numpy as np
import pytest
from ranking.tables import planted

import genbench.ranking as ranking
import genbench.statistics as statistics
from genbench.contract.components import Kind
from genbench.host.signatures import describe

AXES = ["a0", "a1", "a2", "a3"]
COLUMN = {
    "kendall_tau_a": "tau",
    "kendall_tau_b": "tau_b",
    "granulated_kendall": "psi",
    "conditional_information": "cmi",
    "sign_error": "sign_error_unweighted",
    "spearman": "spearman",
    "pearson": "pearson",
    "r2": "r2",
    "r2_cross_validated": "r2_cv",
    "hit_rate": "hit_rate",
    "regret": "regret",
}


def _arguments(table, column):
    axes = {name: table[name].to_numpy() for name in AXES}
    groups = np.ravel_multi_index(tuple(axes.values()), (3, 3, 2, 2))
    return table[column].to_numpy(), table["gap"].to_numpy(), axes, groups, np.ones(len(table))


@pytest.mark.parametrize("name", statistics.__all__)
def test_agrees_with_the_board(name):
    component = describe(getattr(statistics, name), "core")
    assert component.kind is Kind.STATISTIC
    assert component.name == name
    assert component.summary
    # Rows sorted as the board sorts them, and repeats not paired, as a statistic is not told of seeds.
    table = planted().sort_values([*AXES, "gap"])
    board = ranking.rank(table, ["signal"], axes=AXES, seed_column=None, bootstrap=0)
    found = getattr(statistics, name)(*_arguments(table, "signal"))
    assert found == pytest.approx(board["signal"][COLUMN[name]], abs=1e-12)


@pytest.mark.parametrize("name", statistics.__all__)
def test_agrees_with_the_board_where_values_are_missing(name):
    table = planted().sort_values([*AXES, "gap"]).reset_index(drop=True)
    table.loc[table["gap"].nsmallest(5).index, "signal"] = np.nan
    board = ranking.rank(table, ["signal"], axes=AXES, seed_column=None, bootstrap=0)
    found = getattr(statistics, name)(*_arguments(table[table["signal"].notna()], "signal"))
    assert found == pytest.approx(board["signal"][COLUMN[name]], abs=1e-12)


@pytest.mark.parametrize("name", statistics.__all__)
def test_no_rows_have_no_value(name):
    empty = {axis: np.zeros(0, dtype=int) for axis in AXES}
    found = getattr(statistics, name)(np.zeros(0), np.zeros(0), empty, np.zeros(0, dtype=int), np.zeros(0))
    assert np.isnan(found)


@pytest.mark.parametrize("name", statistics.__all__)
def test_weights_count(name):
    values, target, axes, groups, _ = _arguments(planted(), "signal")
    weights = np.random.default_rng(0).integers(0, 3, 36).astype(float)[groups]
    found = getattr(statistics, name)(values, target, axes, groups, weights)
    kept = weights > 0
    axes_kept = {axis: codes[kept] for axis, codes in axes.items()}
    without = getattr(statistics, name)(values[kept], target[kept], axes_kept, groups[kept], weights[kept])
    if name != "r2_cross_validated":  # whose folds depend on the configurations there are
        assert found == pytest.approx(without, abs=1e-12)
    assert np.isfinite(found)
