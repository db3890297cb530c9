"""Ranking 60 measures over grids of 1,000 to 100,000 networks, and the ratios to the obvious ways of doing it.

Results for 60 measures and 10,000 networks on 7 axes of 5, 5, 5, 5, 4, 2 and 2 levels, in seconds: everything but
the bootstrap 3.2 (of which 1,000 random measures for the null band and the ceilings take more than a third), 0.56 GB;
tau, tau-b and granulated tau 0.083; conditional mutual information over all 29 sets 0.33; sign-error 0.09; Spearman
0.05; the bootstrap of every column, 1,000 replicates and 200 for the mutual information, 53. For 1,000 networks 0.67,
with the bootstrap 4.9. Time per network is 0.61 ms with 1,000 of them, 0.33 with 10,000 and 0.67 with 100,000, whose
grid has more levels. Against scipy group by group granulated tau is 22,000 to 32,000 times as fast; against a matrix
of pairs in numpy the mutual information is 78 times as fast at 1,000 networks, 690 at 2,500 and 1,900 at 10,000. A
tenth of the fits missing takes no longer, a tenth of the values missing, another for every measure, 2.2 to 2.4 times
as long. The first ranking on a machine compiles for 6 seconds, once.

Two idle cores of a virtual machine (AMD EPYC), Python 3.11, numpy 2.4, numba 0.68; best of 3 rounds, ratios side by
side. Run with ``pytest tests/benchmarks/test_ranking_speed.py -m "slow or not slow"
--benchmark-enable --benchmark-json=FILE``; ratios stand there under ``extra_info``. Nothing here fails because of a
time: what is compared must agree.
"""

import itertools
import resource
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import genbench.ranking as ranking
from genbench.ranking.design import design_from_codes
from genbench.ranking.granulated import granulated_tau
from genbench.ranking.mutual_information import PairCounter, conditional_information, conditioning_sets
from genbench.ranking.panel import Panel
from genbench.ranking.resampling import INTERVALS, resampling
from genbench.ranking.scoring import score
from genbench.ranking.statistics import STATISTICS

LEVELS = {
    1_000: [5, 5, 5, 2, 2, 2],
    2_500: [5, 5, 5, 5, 2, 2],
    10_000: [5, 5, 5, 5, 4, 2, 2],
    100_000: [5, 5, 5, 5, 5, 4, 8],
}
MEASURES = 60
BIG = pytest.param(10_000, marks=pytest.mark.slow)
HUGE = pytest.param(100_000, marks=pytest.mark.slow)


def table_of(n: int, kept: float = 1.0) -> pd.DataFrame:
    """A complete grid, or a random share of it, with measures from perfect to noise."""
    random = np.random.default_rng(0)
    points = np.array(list(itertools.product(*map(range, LEVELS[n]))))
    axes = {f"a{axis}": points[:, axis] for axis in range(points.shape[1])}
    gap = 0.1 + points @ np.linspace(0.01, -0.01, points.shape[1]) + 0.01 * random.normal(size=len(points))
    measures = {f"m{k:02}": gap + 0.003 * k * random.normal(size=len(gap)) for k in range(MEASURES)}
    table = pd.DataFrame({**axes, "gap": gap, **measures})
    return table[random.random(len(table)) < kept]


def axes_of(table: pd.DataFrame) -> list[str]:
    return [name for name in table if name.startswith("a")]


def panel_of(table: pd.DataFrame) -> Panel:
    names = tuple(name for name in table if name.startswith("m"))
    design = design_from_codes({name: table[name].to_numpy() for name in axes_of(table)})
    values = table[list(names)].to_numpy()
    return Panel(names, values, np.ones(len(names)), table["gap"].to_numpy(), design)


def rank(table: pd.DataFrame, bootstrap: int = 0, interval: str | None = None) -> ranking.Board:
    measures = [name for name in table if name.startswith("m")]
    return ranking.rank(
        table, measures, axes=axes_of(table), bootstrap=bootstrap, test_size=1000, interval=interval
    )


def seconds(function, *arguments, rounds: int = 3) -> float:
    """Processor time, best of a few rounds: for ratios, which a busy machine then disturbs less."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        function(*arguments)
        best = min(best, time.process_time() - start)
    return best


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Compilation happens before the clock starts; what it takes on a first run is measured on its own."""
    rank(table_of(1_000).iloc[:200, :10], bootstrap=2)


@pytest.fixture(autouse=True)
def large_tables_only_for_the_clock(request, benchmark):
    if benchmark.disabled and request.node.callspec.params["n"] > 1_000:
        pytest.skip("minutes, and for timing; what it computes is tested with 1,000 networks")


@pytest.mark.parametrize("n", [1_000, BIG])
def test_everything_but_the_bootstrap(benchmark, n):
    table = table_of(n)
    board = benchmark.pedantic(rank, (table,), rounds=3)
    benchmark.extra_info["peak_gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    assert len(board) == MEASURES


@pytest.mark.parametrize("n", [1_000, BIG])
@pytest.mark.parametrize(
    "group", ["tau and psi", "cmi", "sign_error", "spearman", "r2", "tracks", "selection"]
)
def test_one_statistic_of_sixty_measures(benchmark, n, group):
    panel = panel_of(table_of(n))
    chosen = {name: STATISTICS[name] for name in group.split(" and ")}
    scores = benchmark.pedantic(
        score, (panel, chosen, resampling(panel.design, "configurations", 0)), rounds=3
    )
    assert len(scores.estimate["n"]) == MEASURES


@pytest.mark.slow
@pytest.mark.parametrize("n", [1_000, 10_000])
def test_intervals_of_every_column(benchmark, n):
    board = benchmark.pedantic(rank, (table_of(n), 1000), rounds=1)
    assert board.rows[0]["psi_low"] <= board.rows[0]["psi"]


@pytest.mark.slow
@pytest.mark.parametrize("n", [1_000])
@pytest.mark.parametrize("interval", INTERVALS)
def test_intervals_with_two_seeds(benchmark, n, interval):
    """The same number of fits, half as many configurations, two seeds each."""
    table = table_of(n)
    table = table[table["a5"] == 0].assign(seed=0), table[table["a5"] == 1].assign(seed=1)
    board = benchmark.pedantic(rank, (pd.concat(table).drop(columns="a5"), 1000, interval), rounds=1)
    assert board.summary["interval"] == interval
    assert board.rows[0]["psi_low"] <= board.rows[0]["psi"]


@pytest.mark.parametrize("n", [1_000, BIG])
@pytest.mark.slow
def test_incomplete_grids(benchmark, n):
    """A tenth of the fits missing, and in a second table a tenth of every measure's values, each its own tenth."""
    whole, ragged, holes = table_of(n), table_of(n, kept=0.9), table_of(n)
    measures = [name for name in holes if name.startswith("m")]
    random = np.random.default_rng(1)
    holes[measures] = holes[measures].mask(random.random((len(holes), MEASURES)) < 0.1)
    benchmark.pedantic(rank, (ragged,), rounds=1)
    plain = seconds(rank, whole)
    benchmark.extra_info["missing_fits_over_complete"] = seconds(rank, ragged) / plain
    benchmark.extra_info["missing_values_over_complete"] = seconds(rank, holes) / plain


@pytest.mark.parametrize("n", [1_000, BIG, HUGE])
def test_growth(benchmark, n):
    """All statistics at once; from one size to the next the time should grow like the number of networks."""
    table = table_of(n)
    benchmark.pedantic(rank, (table,), rounds=1)
    benchmark.extra_info["microseconds_per_network"] = (
        1e6 * benchmark.stats.stats.min / n if benchmark.stats else 0
    )


@pytest.mark.parametrize("n", [1_000, BIG])
def test_granulated_tau_against_scipy_group_by_group(benchmark, n):
    """scipy on one axis of one measure; ours on all axes of sixty, per axis and measure."""
    table = table_of(n)
    panel = panel_of(table)
    axes = axes_of(table)

    def group_by_group() -> float:
        groups = table.groupby(axes[1:], sort=False)
        return float(np.mean([stats.kendalltau(part["m20"], part["gap"]).statistic for _, part in groups]))

    found = benchmark.pedantic(granulated_tau, (panel.values, panel.target, panel.design), rounds=3)
    assert found.axes[0, 20] == pytest.approx(group_by_group(), abs=1e-12)  # no ties: tau-a is tau-b
    ours = seconds(granulated_tau, panel.values, panel.target, panel.design) / (MEASURES * len(axes))
    benchmark.extra_info["scipy_over_ours"] = seconds(group_by_group, rounds=1) / ours


@pytest.mark.parametrize("n", [1_000, pytest.param(2_500, marks=pytest.mark.slow), BIG])
def test_information_against_a_matrix_of_pairs(benchmark, n):
    """numpy with one n × n matrix of cells per conditioning set; ours with everything it needs, one measure each."""
    panel = panel_of(table_of(n))
    values, target, design = panel.values[:, 20], panel.target, panel.design
    sets = conditioning_sets(design)
    place = len(sets.names) - 1

    def pair_matrix() -> float:
        """One conditioning set of two axes; the number of sets multiplies the time."""
        first, second = design.codes[:, -2], design.codes[:, -1]
        cell = first * (second.max() + 1) + second
        cells = cell.max() + 1
        signs = 3 * np.sign(values[:, None] - values) + np.sign(target[:, None] - target) + 4
        keys = ((cell[:, None] * cells + cell) * 9 + signs.astype(np.int64)).ravel()
        own = np.arange(len(values)) * (len(values) + 1)
        counts = (
            np.bincount(np.delete(keys, own), minlength=cells * cells * 9).reshape(-1, 3, 3).astype(float)
        )
        pairs, by_value, by_target = counts.sum(axis=(1, 2)), counts.sum(axis=2), counts.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = counts * pairs[:, None, None] / (by_value[:, :, None] * by_target[:, None, :])
            mutual = np.where(counts > 0, counts * np.log(ratio), 0.0).sum()
            entropy = -np.where(by_target > 0, by_target * np.log(by_target / pairs[:, None]), 0.0).sum()
        return float(mutual / entropy)

    found = benchmark.pedantic(conditional_information, (values, target, design), rounds=3)
    assert found.normalized[place] == pytest.approx(pair_matrix(), abs=1e-12)
    slow = seconds(pair_matrix, rounds=1) * len(sets.names)
    counter = PairCounter(values, target, sets)
    weighting = counter.weighting(np.ones((design.n, 1)))
    benchmark.extra_info["numpy_over_ours"] = slow / seconds(conditional_information, values, target, design)
    benchmark.extra_info["numpy_over_ours_sets_known"] = slow / seconds(counter.information, weighting)
