"""Anybody's table of trained networks, read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.ranking.errors import RankingError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "read_file"]

FORMATS = (".csv", ".parquet", ".json")
"""Endings of the files that are read."""


def read_file(path: Path) -> pd.DataFrame:
    """The table in a file, one row for each trained network.

    Parameters
    ----------
    path : Path
        Its ending, one of `FORMATS` in any case, says what it is.

    Raises
    ------
    RankingError
        The file is no table, or two of its columns have one name.
    """
    import pandas as pd

    readers: dict[str, Any] = dict(zip(FORMATS, (pd.read_csv, pd.read_parquet, pd.read_json), strict=True))
    form = path.suffix.lower()
    try:
        if form == ".csv":
            _refuse_repeated(path, list(pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0]))
        return readers[form](path)
    except RankingError:
        raise
    except (OSError, ValueError, ImportError) as fault:
        why = str(fault).splitlines()[0]
        raise RankingError(f"{path}: cannot be read as a table: {why}") from None


def _refuse_repeated(path: Path, names: list[Any]) -> None:
    """pandas would give the second of two columns of one name another name and say nothing."""
    repeated = sorted({name for name in names if isinstance(name, str) and names.count(name) > 1})
    if repeated:
        raise RankingError(f"{path}: column '{repeated[0]}' appears twice; rename or drop one")
