"""Tables from files: one table gives one ranking whatever it was saved as, and bad cells are named."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking.tables import planted

import genbench.ranking as ranking
from genbench.ranking import RankingError
from genbench.ranking.files import read_file

AXES = ["a0", "a1", "a2"]
TABLE = planted((3, 2, 2), seeds=2).drop(columns=["a3"], errors="ignore")


def by_id(table):
    return json.dumps({f"0_{place}_75": row for place, row in enumerate(table.to_dict("records"))})


def european(table, digits=repr):
    lines = [";".join(table.columns)]
    lines += [
        ";".join(digits(cell).replace(".", ",") for cell in row)
        for row in table.astype(object).itertuples(index=False)
    ]
    return "\n".join(lines)


WRITERS = {
    "plain.csv": lambda table, path: table.to_csv(path, index=False),
    "index.csv": lambda table, path: table.to_csv(path),
    "names.csv": lambda table, path: table.set_axis([f"run{each}" for each in range(len(table))]).to_csv(path),
    "twice.csv": lambda table, path: table.reset_index().to_csv(path),
    "marked.csv": lambda table, path: table.to_csv(path, index=False, encoding="utf-8-sig"),
    "utf16.csv": lambda table, path: table.to_csv(path, index=False, encoding="utf-16", sep="\t"),
    "quoted.csv": lambda table, path: table.to_csv(path, index=False, quoting=1),
    "crlf.csv": lambda table, path: path.write_bytes(table.to_csv(index=False).replace("\n", ",\r\n").encode()),
    "european.csv": lambda table, path: path.write_text(european(table)),
    "semicolon.csv": lambda table, path: table.to_csv(path, index=False, sep=";"),
    "r.csv": lambda table, path: path.write_text(",".join(table.columns) + "\n" + table.set_axis([f"r{each}" for each in range(len(table))]).to_csv(header=False)),
    "records.json": lambda table, path: path.write_text(json.dumps(table.to_dict("records"))),
    "by_id.json": lambda table, path: path.write_text(by_id(table)),
    "columns.json": lambda table, path: table.to_json(path, double_precision=15),
    "lists.json": lambda table, path: path.write_text(json.dumps(table.to_dict("list"))),
    "split.json": lambda table, path: path.write_text(json.dumps(table.to_dict("split"))),
    "plain.parquet": lambda table, path: table.to_parquet(path),
    "seed.parquet": lambda table, path: table.set_index("seed").to_parquet(path),
    "nullable.parquet": lambda table, path: table.convert_dtypes().to_parquet(path),
    "UPPER.CSV": lambda table, path: table.to_csv(path, index=False),
}  # fmt: skip


def rows(table, **options):
    options = {"axes": AXES, "bootstrap": 0, **options}
    board = ranking.rank(table, **options)
    return {row["measure"]: (row["tau"], row["psi"]) for row in board.rows}


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_table_was_saved_as_changes_nothing(tmp_path, name):
    table = TABLE.round(9)
    WRITERS[name](table, tmp_path / name)
    assert rows(read_file(tmp_path / name)) == rows(table)


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(len(TABLE))), st.permutations(range(TABLE.shape[1])), st.sampled_from(["plain.csv", "index.csv", "by_id.json", "european.csv", "plain.parquet"]))  # fmt: skip
@pytest.mark.slow
def test_the_order_of_rows_and_columns_changes_nothing(tmp_path_factory, order, columns, name):
    table = TABLE.round(9)
    path = tmp_path_factory.mktemp("table") / name
    WRITERS[name](table.iloc[list(order), list(columns)], path)
    assert rows(read_file(path)) == rows(table)


@settings(max_examples=8, deadline=None)
@given(st.text("abc é猫,;\"'[]=", min_size=1, max_size=8).map(lambda text: " ".join(text.split())).filter(lambda text: text and text not in TABLE and text != "acc"), st.sampled_from(["plain.csv", "index.csv", "semicolon.csv", "by_id.json", "plain.parquet"]))  # fmt: skip
def test_a_measure_of_another_name_has_the_same_row(tmp_path_factory, name, form):
    """But for names of outcomes, which are recognised and not ranked."""
    table = TABLE.round(9).rename(columns={"noise": name})
    path = tmp_path_factory.mktemp("table") / form
    WRITERS[form](table, path)
    assert rows(read_file(path))[name] == rows(TABLE.round(9))["noise"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_every_digit_of_a_cell_counts(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    pd.DataFrame({"m": values}).to_csv(path, index=False)
    assert read_file(path)["m"].tolist() == values


@pytest.mark.parametrize("cell", ["-", "err", "#DIV/0!", "12%", "1_000", "0x1F", "(3)", "1,2,3"])
@pytest.mark.parametrize("form", ["csv", "json", "frame"])
def test_a_cell_that_is_no_number_is_named_and_drops_no_measure(tmp_path, cell, form):
    table = TABLE.astype({"noise": object})
    table.loc[8, "noise"] = cell
    path = tmp_path / f"t.{form}"
    if form == "csv":
        table.to_csv(path, index=False)
    elif form == "json":
        path.write_text(json.dumps(table.to_dict("records")))
    found = table if form == "frame" else read_file(path)
    for measures in (None, ["noise"]):
        with pytest.raises(RankingError) as caught:
            ranking.rank(found, measures, axes=AXES, bootstrap=0)
        for word in ("'noise'", "row 8", repr(cell), *([] if form == "frame" else [str(path)])):
            assert word in str(caught.value)
        assert "\n" not in str(caught.value)


def test_columns_that_are_not_ranked_are_listed():
    table = TABLE.assign(optimizer="adam", flag=True, note=["7"] + ["x"] * (len(TABLE) - 1))
    notes = " ".join(ranking.rank(table, axes=AXES, bootstrap=0).notes)
    assert "Columns not taken for measures: flag, optimizer." in notes
    assert f"Columns with few numbers, not ranked: note (1 of {len(TABLE)} cells)." in notes


def test_a_measure_that_is_infinite_everywhere_is_looked_at_in_silence(recwarn):
    table = TABLE.assign(vacuous=np.inf)
    board = ranking.rank(table, axes=AXES, bootstrap=0, statistics=["tau", "psi"])
    assert board["vacuous"]["psi"] == 0
    assert not recwarn.list


@pytest.mark.parametrize(
    "change",
    [
        lambda column: column.astype(object), lambda column: column.map(repr), lambda column: column.astype("category"),
        lambda column: column.astype("Float64"), lambda column: column.astype("double[pyarrow]"),
        lambda column: column.map(lambda cell: round(cell * 2**100)).astype(object),
    ],
)  # fmt: skip
def test_numbers_of_any_type_are_ranked(change):
    assert rows(TABLE.assign(noise=change(TABLE["noise"])))["noise"] == rows(TABLE)["noise"]


@pytest.mark.parametrize("values", [1j, 10**400, pd.Timestamp("2020-01-01"), [1, 2]])
def test_what_is_no_real_number_is_refused(values):
    table = TABLE.assign(odd=pd.Series([values] * len(TABLE)))
    with pytest.raises(RankingError, match="'odd' is not numeric: row 0"):
        ranking.rank(table, ["odd"], axes=AXES)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('m,gap\n"1,234.5",0.5\n"12,345.0",0.25\n', [1234.5, 12345.0]),
        ('m,gap\n"1,234",0.5\n950,0.25\n', [1234, 950]),
        ("m;gap\n1.234,5;0,5\n950;0,25\n", [1234.5, 950]),
        ("m;gap\n1,234;0,5\n950;0,25\n", [1.234, 950]),
        ("m;gap\n1.234;0,5\n950;0,25\n", [1234, 950]),
        ("m\tgap\n1,5\t0,5\n\t0,25\n", [1.5, np.nan]),
        (" m , gap\n 1 , 0.5\n2 ,0.25 \n", [1, 2]),
    ],
)
def test_commas_in_numbers_are_read_by_what_the_table_tells(tmp_path, text, values):
    (tmp_path / "t.csv").write_text(text)
    table = read_file(tmp_path / "t.csv")
    np.testing.assert_array_equal(table["m"].to_numpy(float), values)
    assert table["gap"].tolist() == [0.5, 0.25]


def test_a_comma_that_may_mean_both_is_named_as_no_number(tmp_path):
    (tmp_path / "t.csv").write_text('a,gap,m\n1,0,"1,234"\n2,1,"2,345"\n')
    with pytest.raises(RankingError, match="row 0 holds '1,234'"):
        ranking.rank(read_file(tmp_path / "t.csv"), ["m"], axes=["a"])


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("t.csv", "a,gap\n1,2\n1,2,3\n", "row 1 has 3 cells, the header names 2"),
        ("t.csv", "a,gap,m\n1,2\n", "row 0 has 2 cells, the header names 3"),
        ("t.csv", "a,,m\n1,2,3\n", "column 2 has no name"),
        ("t.csv", ",m\n1.5,2\n2.5,3\n", "column 1 has no name"),
        ("t.csv", "m,m\n1,2\n", "column 'm' appears twice"),
        ("t.csv", 'm,n\n"1,2\n', "cannot be read"),
        ("t.csv", "", "it is empty"),
        ("t.csv", b"m,n\n1,caf\xe9\n", "line 2 is not UTF-8"),
        ("t.csv", "key,m\nx,1\ny,2\nx,3\n", "key 'x' stands in rows 0, 2"),
        ("t.json", '{"r": {"gap": 1}, "r": {"gap": 2}}', "'r' appears twice"),
        ("t.json", '[{"gap": 1, "gap": 2}]', "'gap' appears twice"),
        ("t.json", '{"x": {"y": 1}}', "cannot tell records from columns"),
        ("t.json", "[1, 2]", "row 0 is no record"),
        ("t.json", "3", "holds no table"),
        ("t.json", "{", "cannot be read"),
        ("t.parquet", "x", "cannot be read"),
    ],
)
def test_what_is_no_table_is_told_in_one_line(tmp_path, name, text, complaint):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RankingError) as caught:
        read_file(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_that_are_no_text_are_refused():
    for table in (TABLE.rename(columns={"noise": 7}), pd.concat({"x": TABLE}, axis=1)):
        with pytest.raises(RankingError, match="is no text; rename it"):
            ranking.rank(table, axes=AXES)


def test_rows_that_occur_twice_are_counted():
    twice = pd.concat([TABLE, TABLE.iloc[[3]]], ignore_index=True)
    notes = ranking.rank(twice, axes=AXES, bootstrap=0).notes
    assert f"Rows that repeat another in every column, and count again: 1 ({len(TABLE)})." in notes


def test_an_empty_cell_of_a_nullable_column_counts_as_not_converged():
    state = pd.Series([True, None] * (len(TABLE) // 2), dtype="boolean")
    board = ranking.rank(
        TABLE.assign(converged=state), ["noise"], axes=AXES, bootstrap=0, converged="converged"
    )
    assert board.summary["ranked"] == len(TABLE) // 2


NAMED = "model.width,seed,gap,{}\n8,0,0.1,1\n8,1,0.2,2\n16,0,0.3,3\n16,1,0.4,4\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (NAMED.format("norm").replace("0.2", "0.2\0"), "line 3 holds a zero byte"),
        (NAMED.format("no\u200brm"), r"the column name 'no\\u200brm' holds invisible characters"),
        (NAMED.format("\x1b[31mnorm"), r"the column name '\\x1b\[31mnorm' holds invisible characters"),
        ("caf\u00e9,cafe\u0301,gap\n1,2,3\n2,3,4\n", "column 'caf\u00e9' appears twice"),
    ],
)
def test_what_nobody_can_see_or_tell_apart_is_refused(tmp_path, content, why):
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(RankingError, match=why):
        read_file(tmp_path / "a.csv")


def test_utf_16_without_a_mark_is_told(tmp_path):
    (tmp_path / "a.csv").write_bytes(NAMED.format("norm").encode("utf-16-le"))
    with pytest.raises(
        RankingError, match="line 1 holds a zero byte, which is no text; save it again, as UTF-8"
    ):
        read_file(tmp_path / "a.csv")


def test_a_name_in_quotes_may_go_over_two_lines(tmp_path):
    (tmp_path / "a.csv").write_text(NAMED.format('"norm\n(L2)"'))
    assert list(read_file(tmp_path / "a.csv")) == ["model.width", "seed", "gap", "norm (L2)"]


def test_a_column_of_json_without_a_name_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('[{"gap": 0.1, "": 3.5}, {"gap": 0.2, "": 3.5}]')
    with pytest.raises(RankingError, match="a column has no name; give it one or drop it"):
        read_file(tmp_path / "a.json")
