"""Anybody's table of trained networks, read from a file; nothing is guessed that could be guessed wrong."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.ranking.cells import MISSING, as_column, number, point_spelling, repeated
from genbench.ranking.columns import is_index
from genbench.ranking.errors import RankingError
from genbench.ranking.recognition import COSTS
from genbench.ranking.sidecar import carried
from genbench.ranking.targets import OUTCOMES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "as_records", "read_file"]

FORMATS = (".csv", ".parquet", ".json", ".tsv", ".jsonl")
"""Endings of the files that are read."""

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before the mark of UTF-16, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SEPARATORS = (",", ";", "\t")
COLUMNS = OUTCOMES | {"seed", "key", "converged"}
"""Names that tell columns from the identities of runs."""


def read_file(path: Path, named: Collection[str] = ()) -> pd.DataFrame:
    """The table in a file, one row for each trained network; ``attrs["file"]`` is the path.

    ``attrs`` also has what a sidecar knows of the columns (`genbench.ranking.sidecar`), and as ``costs`` the
    medians of columns ``seconds of MEASURE``.

    Parameters
    ----------
    path : Path
        Its ending, one of `FORMATS` in any case, says what it is. CSV is separated by commas, semicolons or
        tabs, as TSV may be too. JSON is a list of records, records by the identity of the run, or columns;
        JSONL has a record on each line.
    named : collection of str
        Columns that the user speaks of, which tell records from columns in JSON.

    Raises
    ------
    RankingError
        The file is no table, two of its columns or keys have one name, or a row has another number of cells
        than the header.
    """
    import pandas as pd

    readers = {
        ".csv": lambda: _from_csv(_text(path)),
        ".tsv": lambda: _from_csv(_text(path)),
        ".jsonl": lambda: _from_lines(_text(path)),
        ".json": lambda: _from_json(_text(path), COLUMNS | set(named)),
        ".parquet": lambda: _without_index(pd.read_parquet(path)),
    }
    try:
        table = readers[path.suffix.lower()]()
    except RankingError as fault:
        raise RankingError(f"{path}: {fault}") from None
    except (OSError, ValueError, ImportError, RecursionError, csv.Error) as fault:
        why = str(fault).splitlines()[0]
        raise RankingError(f"{path}: cannot be read as a table: {why}") from None
    _check_names(path, table)
    if "key" in table.columns:
        twice = repeated(table["key"].dropna().map(str))
        if twice:
            rows = [str(row) for row, key in table["key"].items() if str(key) == twice[0]]
            raise RankingError(f"{path}: key '{twice[0]}' stands in rows {', '.join(rows)}; keep one of them")
    table.attrs |= {"file": str(path), "costs": _costs(table), **carried(path, set(table.columns))}
    return table


def _costs(table: pd.DataFrame) -> dict[str, float]:
    columns = {name: name.removeprefix(COSTS) for name in table.columns if str(name).startswith(COSTS)}
    return {measure: float(table[name].median()) for name, measure in columns.items()}


def _check_names(path: Path, table: pd.DataFrame) -> None:
    """Refuse names of columns that nobody can see or tell apart."""
    names = [name for name in table.columns if isinstance(name, str)]
    for name in names:
        if not name.isprintable():
            raise RankingError(f"{path}: the column name {name!a} holds invisible characters; rename it")
        if not name.strip() and not is_index(name, table[name]):
            raise RankingError(f"{path}: a column has no name; give it one or drop it")
    twice = repeated(unicodedata.normalize("NFC", name) for name in names)
    if twice:
        raise RankingError(f"{path}: column '{twice[0]}' appears twice; rename or drop one")


def as_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as a list of records that JSON can hold and `read_file` takes back.

    JSON has no infinities: they become the texts ``inf`` and ``-inf``, which are read as numbers.
    """
    records = table.to_dict(orient="records")
    return [{str(name): _finite(cell) for name, cell in row.items()} for row in records]


def _finite(cell: Any) -> Any:
    return str(float(cell)) if isinstance(cell, float) and math.isinf(cell) else cell


def _text(path: Path) -> str:
    content = path.read_bytes()
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise RankingError(f"line {line} holds a zero byte, which is no text; save it again, as UTF-8")
        return text
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise RankingError(f"line {line} is not {encoding.upper()}; save it as UTF-8") from None


def _from_csv(text: str) -> pd.DataFrame:
    import pandas as pd

    if not text.strip():
        raise RankingError("cannot be read as a table: it is empty")
    rows = list(_reader(text, max(SEPARATORS, key=lambda each: _width(text, each))))
    header, *body = [[cell.strip() for cell in row] for row in rows]
    header = [" ".join(name.split()) for name in header]  # quotes may hold the end of a line
    body = [_trimmed(row, len(header)) for row in body]
    if body and all(len(row) == len(header) + 1 for row in body) and _are_labels([row[0] for row in body]):
        header = ["", *header]  # as R writes it: the names of the rows have no name
    for place, row in enumerate(body):
        if len(row) != len(header):
            raise RankingError(f"row {place} has {len(row)} cells, the header names {len(header)}")
    while header and not header[-1] and not any(row[-1] for row in body):
        header, body = header[:-1], [row[:-1] for row in body]
    twice = [name for name in repeated(header) if name]
    if twice:
        raise RankingError(f"column '{twice[0]}' appears twice; rename or drop one")
    columns = dict(zip(range(len(header)), zip(*point_spelling(body), strict=True), strict=False))
    for place in [place for place, name in enumerate(header) if not name]:
        if place or not _are_labels(columns.get(0, ())):
            raise RankingError(f"column {place + 1} has no name; give it one or drop it")
        del columns[0]
    named = {name: as_column(columns.get(place, ())) for place, name in enumerate(header) if name}
    if not named:
        raise RankingError("cannot be read as a table: it has no columns")
    return pd.DataFrame(named)


def _reader(text: str, separator: str) -> Iterator[list[str]]:
    """The rows that are not blank; quotes that do not close are an error."""
    lines = io.StringIO(text, newline="")
    return filter(None, csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True))


def _width(text: str, separator: str) -> int:
    """How many columns a header has if this is what separates them."""
    try:
        return len(next(_reader(text, separator)))
    except csv.Error:
        return 0


def _trimmed(row: list[str], width: int) -> list[str]:
    """Without empty cells behind the last column, as a separator at the end of a line makes them."""
    while len(row) > width and not row[-1]:
        row = row[:-1]
    return row


def _are_labels(cells: Collection[str]) -> bool:
    """Whether cells tell rows apart, as row numbers and names do, and are not measured."""
    if not cells or len(set(cells)) < len(cells) or any(cell in MISSING for cell in cells):
        return False
    found = [number(cell) for cell in cells]
    return all(each is None for each in found) or all(isinstance(each, int) for each in found)


def _from_json(text: str, known: Collection[str]) -> pd.DataFrame:
    import pandas as pd

    content = json.loads(text, object_pairs_hook=_once)
    if isinstance(content, list):
        return _records(content)
    if not isinstance(content, dict) or not content:
        raise RankingError("holds no table: a list of records is expected")
    if isinstance(content.get("data"), list) and isinstance(content.get("columns"), list):
        return pd.DataFrame(content["data"], columns=content["columns"])
    if isinstance(content.get("data"), list) and isinstance(content.get("schema"), dict):
        return _records(content["data"])
    if all(isinstance(each, list) for each in content.values()):
        return pd.DataFrame(content)
    if not all(isinstance(each, dict) for each in content.values()):
        raise RankingError("holds no table: a list of records, or records by run, is expected")
    inner = {name for each in content.values() for name in each}
    rows, columns = bool(inner & set(known)), bool(content.keys() & set(known))
    if rows == columns:
        # As pandas writes columns: below each of them the row numbers.
        columns = all(name.isdigit() for name in inner) and not all(name.isdigit() for name in content)
        rows = not columns and all(name.isdigit() for name in content)
    if rows == columns:
        raise RankingError("cannot tell records from columns; write it as a list of records")
    if rows:
        return _records(list(content.values()), list(content))
    labels = list(dict.fromkeys(name for each in content.values() for name in each))
    return pd.DataFrame(
        {name: [each.get(label) for label in labels] for name, each in content.items()}, index=labels
    )


def _from_lines(text: str) -> pd.DataFrame:
    records = []
    for place, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                records.append(json.loads(line, object_pairs_hook=_once))
            except (ValueError, RecursionError) as fault:
                raise RankingError(f"line {place} is no JSON: {fault}") from None
    if not records:
        raise RankingError("cannot be read as a table: it is empty")
    return _records(records)


def _records(records: list[Any], names: list[str] | None = None) -> pd.DataFrame:
    import pandas as pd

    for place, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise RankingError(f"row {names[place] if names else place} is no record of columns")
    columns = dict.fromkeys(name for record in records for name in record)
    return pd.DataFrame({name: [each.get(name) for each in records] for name in columns}, index=names)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = repeated(name for name, _ in pairs)
    if twice:
        raise RankingError(f"'{twice[0]}' appears twice in one JSON object; rename or drop one")
    return dict(pairs)


def _without_index(table: pd.DataFrame) -> pd.DataFrame:
    """With what the index holds as columns, where its levels have names, as CSV has it."""
    named = [name for name in table.index.names if name is not None and name not in table.columns]
    return table.reset_index(level=named) if named else table
