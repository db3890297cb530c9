"""Laws of tables: in whatever order and format the same numbers come, the ranking is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genbench.ranking import rank
from genbench.ranking.files import FORMATS, as_records, read_file

MEASURES = ["margin", "norm", "sharpness"]
DIRECTIONS = {"margin": "-", "norm": "+", "sharpness": "+"}


def made(seed: int) -> pd.DataFrame:
    """A grid of two axes, one of texts, and two seeds; a measure has gaps, one infinities, one ties."""
    draw = np.random.default_rng(seed)
    rows = [
        {"model.width": width, "protocol.optimizer": optimizer, "seed": repeat}
        for width in (8, 16, 1024)
        for optimizer in ("sgd", "adam")
        for repeat in (0, 1)
    ]
    table = pd.DataFrame(rows)
    table["test_error"] = draw.uniform(0, 1, len(table)).round(6)
    table["gap"] = (table["test_error"] - draw.uniform(0, 0.5, len(table))).round(6)
    table["margin"] = draw.normal(size=len(table)).round(2) * 10.0 ** draw.integers(-7, 7)
    table["norm"] = draw.integers(0, 4, len(table)) + 0.5
    table["sharpness"] = draw.normal(size=len(table))
    table.loc[draw.integers(0, len(table), 2), "margin"] = np.nan
    table.loc[draw.integers(0, len(table)), "sharpness"] = np.inf
    table.loc[draw.integers(0, len(table)), "norm"] = -np.inf
    return table


@cache
def ranking_of(seed: int) -> list[Any]:
    return ranking(made(seed))


def ranking(table: pd.DataFrame) -> list[Any]:
    board = rank(table, directions=DIRECTIONS, bootstrap=20)
    rows = json.loads(board.to_json())
    return [rows["rows"], rows["controls"], rows["summary"]]


def _decimal_commas(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, sep=";", decimal=",")


def _by_run(table: pd.DataFrame, path: Path) -> None:
    records = {f"run-{place}": record for place, record in enumerate(as_records(_with_null(table)))}
    path.write_text(json.dumps(records, allow_nan=False))


def _with_null(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(object).where(table.notna(), None)


def _jsonl(table: pd.DataFrame, path: Path) -> None:
    path.write_text(
        "".join(json.dumps(each, allow_nan=False) + "\n" for each in as_records(_with_null(table)))
    )


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "plain.csv": lambda table, path: table.to_csv(path, index=False),
    "numbered.csv": lambda table, path: table.to_csv(path),
    "european.csv": _decimal_commas,
    "windows.csv": lambda table, path: table.to_csv(
        path, index=False, encoding="utf-8-sig", lineterminator="\r\n"
    ),
    "utf16.csv": lambda table, path: table.to_csv(path, index=False, encoding="utf-16", sep="\t"),
    "quoted.csv": lambda table, path: table.to_csv(path, index=False, quoting=1),
    "tabs.tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "records.json": lambda table, path: path.write_text(
        json.dumps(as_records(_with_null(table)), allow_nan=False)
    ),
    "python.json": lambda table, path: path.write_text(json.dumps(table.to_dict(orient="records"))),
    "columns.json": lambda table, path: path.write_text(json.dumps(table.to_dict(orient="list"))),
    "by_run.json": _by_run,
    "lines.jsonl": _jsonl,
    "binary.parquet": lambda table, path: table.to_parquet(path, index=False),
}


@pytest.mark.parametrize(("seed", "name"), [(place % 3, name) for place, name in enumerate(WRITERS)])
def test_the_format_of_a_table_does_not_change_its_ranking(tmp_path, name, seed):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    table = made(seed)
    WRITERS[name](table, tmp_path / name)
    assert ranking(read_file(tmp_path / name)) == ranking_of(seed)


def test_every_format_that_is_read_stands_among_them():
    assert {Path(name).suffix for name in WRITERS} == set(FORMATS)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_and_columns_does_not_change_the_ranking(seed):
    table = made(seed)
    draw = np.random.default_rng(seed)
    shuffled = table.sample(frac=1, random_state=seed)[list(draw.permutation(table.columns))]
    assert ranking(shuffled) == ranking_of(seed)
    assert ranking(shuffled.reset_index(drop=True)) == ranking_of(seed)


@pytest.mark.parametrize("seed", range(3))
def test_names_of_measures_and_seeds_are_names_only(seed):
    """Statistics that draw nothing at random do not change; random draws have names in them."""
    table = made(seed)
    names = {"margin": "a.b", "norm": "Größe", "sharpness": "z[power=2]"}
    renamed = table.rename(columns={**names, "seed": "repeat"})
    directions = {names[name]: sign for name, sign in DIRECTIONS.items()}
    before = rank(table, directions=DIRECTIONS, bootstrap=0)
    after = rank(renamed, directions=directions, bootstrap=0, seed_column="repeat")
    found = {row["measure"]: row for row in after.rows}
    for row in before.rows:
        for statistic in ("tau", "psi", "spearman", "r2", "n"):
            if statistic in row:
                assert found[names[row["measure"]]][statistic] == pytest.approx(row[statistic], nan_ok=True)


def test_a_line_of_jsonl_that_is_none_is_named(tmp_path):
    from genbench.ranking import RankingError

    (tmp_path / "a.jsonl").write_text('{"gap": 1}\n\n{"gap": \n')
    with pytest.raises(RankingError, match=r"a\.jsonl: line 3 is no JSON: "):
        read_file(tmp_path / "a.jsonl")
