"""An exported table is the run's own: it ranks as the run does, infinities included."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from running import command

from genbench.ranking import rank
from genbench.ranking.files import read_file
from genbench.runs.run import Run
from genbench.runs.store import Folder


@pytest.fixture(scope="module")
def run(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, two fits of which have infinite values."""
    path = Path(shutil.copytree(finished, tmp_path_factory.mktemp("infinite") / "run"))
    folder = Folder(path)
    for sign, key in zip((1, -1), folder.fit_keys(), strict=False):
        (measured,) = folder.passes(key)
        values = [
            {**each, "value": None, "infinite": sign} if each["measure"] == "param_norm" else each
            for each in measured["values"]
        ]
        (written,) = (path / "fits" / key / "values").iterdir()
        written.unlink()
        content = {name: each for name, each in measured.items() if name not in ("sha256", "format")}
        folder.write_values(key, {**content, "values": values})
    return path


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
@pytest.mark.parametrize("costs", [(), ("--costs",)])
def test_an_exported_table_ranks_as_the_run_does(run, tmp_path, ending, costs):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    file = tmp_path / f"table.{ending}"
    assert command("export", run, file, *costs).code == 0
    table, own = read_file(file), Run(run).results()
    assert sorted(table["param_norm"].map(float))[:1] == [-math.inf]
    assert sorted(table["param_norm"].map(float))[-1:] == [math.inf]
    directions = {name: info.direction for name, info in own.measures.items()}
    names = [each for each in own.measures if each != "random"]
    mine = own.rank(bootstrap=0, test_size=None)
    theirs = rank(table, names, directions=directions, bootstrap=0)
    statistics = ("measure", "rank", "tau", "psi", "spearman", "r2", "n")
    assert [[row.get(each) for each in statistics] for row in theirs.rows] == [
        [row.get(each) for each in statistics] for row in mine.rows
    ]


def test_json_says_infinities_as_texts_and_missing_values_as_null(run, tmp_path):
    import json

    assert command("export", run, tmp_path / "table.json").code == 0
    text = (tmp_path / "table.json").read_text()
    assert text.count('"param_norm": "inf"') == text.count('"param_norm": "-inf"') == 1
    assert "Infinity" not in text
    keys = {frozenset(each) for each in json.loads(text)}
    assert keys == {frozenset(Run(run).table().columns)}
