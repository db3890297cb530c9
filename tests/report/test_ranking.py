"""A ranking on terminals of any width, in colour and without, and whole where there is no terminal."""

from __future__ import annotations

import contextlib
import pickle
import re

import numpy as np
import pytest
from ranking.tables import planted
from terminals import Terminal, in_terminal, plain

import genbench.ranking as ranking
from genbench.base.errors import UsageError
from genbench.report.columns import folded
from genbench.report.drawn import Scale, scale_of
from genbench.report.ranking import TOP, print_ranking, sections

SHOW = """
import fcntl, os, pickle, struct, sys, termios
from genbench.report.ranking import print_ranking
board = pickle.load(open(sys.argv[1], "rb"))
for columns in (60, 80, 100, 140):
    for colour in (True, False):
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.environ |= {} if colour else {"NO_COLOR": "1"}
        print_ranking(board, "runs/made-up: which measure predicts the gap?", source="runs/made-up")
        os.environ.pop("NO_COLOR", None)
        print(end="\\f", flush=True)
"""
LONG = "a_measure_of_a_long_name[quantile=0.05,samples=9]"


@pytest.fixture(scope="module")
def board():
    """Forty measures of five families, more and more noise on the gap; one of a long name, one held out."""
    table, random = planted(seeds=2), np.random.default_rng(3)
    names = [LONG, *(f"measure_number_{place}" for place in range(1, 40))]
    for place, name in enumerate(names):
        table[name] = -table["gap"] + 0.005 * (1 + place) * random.normal(size=len(table))
    return ranking.rank(
        table, [*names, "perfect", "noise", "proxy"], axes=["a0", "a1", "a2", "a3"],
        directions={**dict.fromkeys(names, "-"), "proxy": "?"},
        families={name: f"family-{place // 3}" for place, name in enumerate(names)},
        costs=dict.fromkeys(names, 0.0123), held_out=["perfect"], statistics=["tau", "psi", "spearman"],
        test_size=1000,
    )  # fmt: skip


@pytest.fixture(scope="module")
def screens(board, tmp_path_factory):
    """What a pseudo-terminal was sent, by its columns and whether in colour; one process for all."""
    path = tmp_path_factory.mktemp("board") / "board.pickle"
    path.write_bytes(pickle.dumps(board))
    kinds = [(columns, colour) for columns in (60, 80, 100, 140) for colour in (True, False)]
    return dict(zip(kinds, in_terminal(path, program=SHOW).split("\f"), strict=False))


@pytest.fixture
def seen(monkeypatch):
    """What `print_ranking` writes to a terminal of eighty columns, without colours."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")

    def show(board, **options):
        with contextlib.redirect_stdout(Terminal()) as stream:
            print_ranking(board, "title", **options)
        return plain(stream.getvalue())

    return show


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (60, ["rank", "measure", "psi"]),
        (80, ["rank", "measure", "psi", "tau"]),
        (100, ["rank", "measure", "±", "psi", "tau", "cost"]),
        (140, ["rank", "measure", "±", "psi", "95 %", "rerun", "top 5", "tau", "cost"]),
    ],
)
@pytest.mark.parametrize("colour", [True, False])
def test_every_width_shows_names_scores_and_intervals(screens, board, columns, colour, titles):
    written = screens[columns, colour]
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]", written)) is colour
    lines = plain(written).splitlines()
    assert max(map(len, lines)) <= columns
    header = next(line for line in lines if line.lstrip().startswith("rank "))
    assert all(title in header for title in titles)
    assert not {"tau", "cost"} & set(header.split()) - set(titles)
    text = "".join(line.strip() for line in lines)
    for row in board.ranked()[:TOP]:
        if row["measure"] != LONG:
            line = next(line for line in lines if f" {row['measure']} " in line and "●" in line)
            assert f"{-row['psi']:+.2f}" in line
    assert all(part in text for part in re.findall(r"\[?[^_,\[]+[_,]?", LONG))


def test_the_first_lines_hold_the_answer_and_the_best_five(screens, board):
    first = plain(screens[80, True]).splitlines()[:24]
    text = " ".join(line.strip("- ") for line in first)
    for sentence in ranking.answer.answer(board):
        assert sentence in text
    rows = first[next(place for place, line in enumerate(first) if line.lstrip().startswith("rank ")) + 1 :]
    assert all(row["measure"][-9:] in "\n".join(rows) for row in board.ranked()[:5])


def test_a_terminal_gets_the_first_twenty_the_best_of_families_and_the_controls(board):
    names = {each.title: [row["measure"] for row in each.rows] for each in sections(board, TOP)}
    ranked = [row["measure"] for row in board.ranked()]
    assert names[""] == ranked[:TOP]
    others = {board[name]["family"] for name in ranked} - {board[name]["family"] for name in ranked[:TOP]}
    assert {board[name]["family"] for name in names["best of every other family"]} == others - {""}
    assert names["ranked apart (held-out data)"] == ["perfect"]
    assert names["controls"] == [row["measure"] for row in board.controls]
    assert sum(len(each.rows) for each in sections(board, None)) == len(board.rows) + len(board.controls)


def test_the_rest_is_counted_and_shown_on_request(board, seen):
    every = len(board.rows) + len(board.controls)
    some, whole = seen(board, source="runs/made-up"), seen(board, whole=True)
    counted = re.search(r"and (\d+) more measures: genbench rank runs/made-up --all", some)
    assert some.count("●") + int(counted[1]) == every
    assert whole.count("●") == every
    assert "more measures" not in whole
    assert seen(board, top=3).index("best of every other family") > 0


def test_a_pipe_gets_every_row_with_the_raw_scores(board, capsys):
    print_ranking(board, "title")
    out = capsys.readouterr().out
    for row in (*board.rows, *board.controls):
        name = row["measure"]
        assert re.search(rf"{re.escape(name)}.*{re.escape(format(row['psi'], '+.3f'))}", out)
    assert "●" not in out


def test_columns_are_those_named(board, capsys):
    print_ranking(board, "title", columns=["psi", "groups_a0", "family"], top=2)
    out = capsys.readouterr().out
    header = next(line for line in out.splitlines() if line.lstrip().startswith("rank "))
    assert header.split() == ["rank", "measure", "psi", "groups_a0", "family"]
    with pytest.raises(UsageError, match="no column 'spearmann'; did you mean 'spearman'"):
        print_ranking(board, "title", columns=["spearmann"])


def test_columns_without_the_sign_of_a_claim_are_said_to_be(board, capsys):
    print_ranking(board, "title", columns=["psi", "tau_b", "psi_a0"], top=2)
    out = capsys.readouterr().out
    first = next(line for line in out.splitlines() if line.split()[1:2] == [board.rows[1]["measure"]])
    assert float(first.split()[2]) > 0 > float(first.split()[3])
    assert "as --csv has them, without that sign: tau_b, psi_a0\n" in out


@pytest.mark.parametrize("rank_by", ["tau", "r2", "sign_error_unweighted"])
def test_other_orders_are_explained(rank_by, seen):
    board = ranking.rank(planted(), axes=["a0", "a1", "a2", "a3"], rank_by=rank_by, bootstrap=0)
    assert f"\n{rank_by}: " in seen(board)


def test_measures_without_direction_are_shown_by_the_size_of_their_score(seen):
    names = ["perfect", "opposite", "noise"]
    board = ranking.rank(planted(), names, axes=["a0"], directions=dict.fromkeys(names, "?"), bootstrap=2)
    text = seen(board)
    assert "No measure has a rank" in text
    rows = [line.split()[1] for line in text.splitlines() if "●" in line]
    assert rows[:3] == [row["measure"] for row in board.rows]


def test_a_drawing_has_its_parts_where_they_belong():
    scale = Scale(-1.0, 1.0, (-0.2, 0.2))
    assert scale.draw(0.5, 0.3, 0.75, 20) == "        ░░│░░━━●━━  "
    assert scale.draw(0.5, 0.25, 0.65, 20) == "        ░░│░╺━━●━   "
    assert scale.draw(0.5, np.nan, np.nan, 20) == "        ░░│░░  ●    "
    assert scale.draw(np.nan, np.nan, np.nan, 20) == " " * 20
    assert scale.draw(5.0, -5.0, 9.0, 4) == "━━━●"
    assert scale.ends(12) == "-1.0    +1.0"


def test_a_scale_holds_zero_and_all_finite_numbers_in_tenths():
    assert scale_of([0.3, 0.12, np.inf, np.nan]) == scale_of([0.12, 0.3])
    assert (scale_of([0.3]).low, scale_of([0.3]).high) == (0.0, 0.3)
    assert (scale_of([0.3], (-0.11, 0.11)).low, scale_of([]).high) == (-0.2, 0.1)


def test_names_are_broken_where_they_may_be_and_are_whole():
    assert folded("a_long_name[power=2]", 11) == "a_long_name\n[power=2]"
    assert folded("a_long_name[power=2]", 10) == "a_long_\nname\n[power=2]"
    assert folded("unbreakable", 4) == "unbr\neaka\nble"
    for width in range(1, 60):
        lines = folded(LONG, width).split("\n")
        assert "".join(lines) == LONG
        assert max(map(len, lines)) <= width
