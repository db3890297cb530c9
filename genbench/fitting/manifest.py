"""Which networks a folder of checkpoints holds: a manifest, or the layout of the PGDL competition."""

from __future__ import annotations

import json
import keyword
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import InvalidInput, UsageError, nearest
from genbench.base.files import read_text
from genbench.base.outcomes import GAPS, RESULTS
from genbench.fitting.checkpoints import ENDINGS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Manifest", "Network", "read_manifest"]

MANIFEST, PGDL = "manifest.csv", "model_configs.json"
FILE, INITIAL, SEED = "file", "initial", "seed"

KERAS = "weights.hdf5"
"""As the competition published them."""

ACCURACIES = {
    f"{split}_{word}": f"{split}_error" for split in ("train", "test") for word in ("accuracy", "acc")
}
"""Columns of shares of right answers, and what they are one minus of."""

OUTCOMES = (*RESULTS, "gap", "loss_gap", "epochs", "steps")
PARTS = ("dataset", "model", "protocol")
"""Before a point in the name of a column: whose setting it is."""

SHOWN = 5
FIRST_ROW = 2
"""Of a table in a file, behind its header, as editors count lines."""


@dataclass(frozen=True)
class Network:
    """One row of a manifest.

    Attributes
    ----------
    file : Path
    initial : Path or None
        The weights before training.
    axes : mapping
        Its level on each axis.
    seed : int
        Tells repeats of one setting apart.
    outcomes : mapping
        What is known of its training and test; errors, never accuracies.
    """

    file: Path
    initial: Path | None
    axes: Mapping[str, Any]
    seed: int
    outcomes: Mapping[str, float]


@dataclass(frozen=True)
class Manifest:
    """The networks of a folder.

    Attributes
    ----------
    axes : tuple of str
        Names as settings are spelled, ``dataset.``, ``model.`` or ``protocol.`` before them where given.
    networks : tuple of Network
    """

    path: Path
    axes: tuple[str, ...]
    networks: tuple[Network, ...]


def read_manifest(folder: Path, manifest: Path | None = None, axes: Sequence[str] | None = None) -> Manifest:
    """Read the manifest of a folder of checkpoints, and check it whole.

    Parameters
    ----------
    manifest : Path, optional
        A table with a row for each network: `file`, below the folder; perhaps `initial`, `seed`, errors,
        losses, accuracies, gaps, `epochs` and `steps`; all other columns are axes. Where left out:
        ``manifest.csv`` of the folder, else ``model_configs.json`` as in PGDL.
    axes : sequence of str, optional
        The columns that are axes, where not all others are.

    Raises
    ------
    UsageError
        There is no such folder or manifest.
    InvalidInput
        A line for each fault: missing files, wrong columns, rows that say the same.
    """
    if not folder.is_dir():
        raise UsageError(f"'{folder}': there is no such folder")
    path = manifest or next(
        (folder / name for name in (MANIFEST, PGDL) if (folder / name).is_file()), folder / MANIFEST
    )
    if not path.is_file():
        tables = [each.name for each in path.parent.glob("*.csv")]
        hint = f"; --manifest {path.parent / tables[0]} names another" if len(tables) == 1 else ""
        raise UsageError(f"'{path}': there is no such manifest{hint}")
    table = _of_pgdl(path, folder) if path.name == PGDL else _of_table(path)
    return _Reader(path, folder, table, axes).manifest()


def _of_table(path: Path) -> pd.DataFrame:
    from genbench.ranking.errors import RankingError
    from genbench.ranking.files import read_file

    try:
        return read_file(path, [FILE])
    except RankingError as fault:
        raise InvalidInput(str(fault)) from None


def _of_pgdl(path: Path, folder: Path) -> pd.DataFrame:
    """``{"ID": {"hparams": {NAME: {"current_value": 3}}, "metrics": {}}}`` and ``model_ID/weights.*``."""
    import pandas as pd

    try:
        configs = json.loads(read_text(path))
        rows = []
        for identity, each in configs.items():
            levels = {name: held["current_value"] for name, held in each["hparams"].items()}
            metrics = {
                name: value for name, value in each["metrics"].items() if name in (*OUTCOMES, *ACCURACIES)
            }
            place = folder / f"model_{identity}"
            initial = _weights(place, "weights_init")
            if (place / KERAS).is_file() and _weights(place, "weights") is None:
                raise InvalidInput(
                    f"'{place / KERAS}': Keras weights are not read; save them beside it as "
                    "weights.safetensors, under the names that the model has"
                )
            rows.append(
                {
                    FILE: _weights(place, "weights") or str(place / "weights"),
                    INITIAL: initial,
                    **levels,
                    **metrics,
                }
            )
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InvalidInput(f"'{path}': is not as in PGDL: {type(fault).__name__}: {fault}") from None
    table = pd.DataFrame(rows)
    return table.drop(columns=INITIAL) if table[INITIAL].isna().all() else table


def _weights(place: Path, stem: str) -> str | None:
    found = [place / f"{stem}{ending}" for ending in ENDINGS if (place / f"{stem}{ending}").is_file()]
    return str(found[0].relative_to(place.parent)) if found else None


class _Reader:
    def __init__(self, path: Path, folder: Path, table: pd.DataFrame, axes: Sequence[str] | None):
        self._path, self._folder, self._table = path, folder, table
        self._problems: list[str] = []
        self._axes = self._chosen(axes)

    def manifest(self) -> Manifest:
        networks = [] if self._problems else list(self._networks())
        if not self._problems:
            self._check_repeats(networks)
        if self._problems:
            raise InvalidInput(f"{self._path}: {each}" for each in self._problems)
        return Manifest(self._path, tuple(self._axes.values()), tuple(networks))

    def _chosen(self, axes: Sequence[str] | None) -> dict[str, str]:
        """The columns that are axes, with the names that settings have."""
        columns = list(self._table.columns)
        if FILE not in columns:
            self._problems.append(f"has no column '{FILE}'{nearest(FILE, columns)}")
        if not len(self._table):
            self._problems.append("has no row")
        known = {FILE, INITIAL, SEED, *OUTCOMES, *ACCURACIES}
        self._problems += [
            f"has no column '{each}'{nearest(each, columns)}" for each in axes or () if each not in columns
        ]
        spelled = {each: _as_setting(each) for each in axes or columns if each not in known}
        for name in spelled.values():
            same = [each for each, other in spelled.items() if other == name]
            if len(same) > 1 and f"columns {same} mean the same setting '{name}'" not in self._problems:
                self._problems.append(f"columns {same} mean the same setting '{name}'")
        return spelled

    def _networks(self) -> Iterator[Network]:
        missing = []
        for number, row in enumerate(self._table.to_dict(orient="records"), start=FIRST_ROW):
            file, initial = self._file(row.get(FILE)), self._file(row.get(INITIAL))
            missing += [each for each in (file, initial) if each is not None and not each.is_file()]
            if file is None:
                self._problems.append(f"line {number}: column '{FILE}' is empty")
                continue
            levels = {name: _plain(row[column]) for column, name in self._axes.items()}
            self._problems += [
                f"line {number}: column '{column}' is empty; an axis has a value on every row"
                for column, name in self._axes.items()
                if levels[name] is None
            ]
            seed = _plain(row.get(SEED, 0))
            if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
                self._problems.append(f"line {number}: seed must be a whole number from 0, not {seed!r}")
                seed = 0
            yield Network(file, initial, levels, seed, self._outcomes(number, row))
        if missing:
            there = [each.name for each in self._folder.rglob("*") if each.suffix.lower() in ENDINGS]
            for file in missing[:SHOWN]:
                self._problems.append(f"there is no file '{file}'{nearest(file.name, there)}")
            if len(missing) > SHOWN:
                self._problems.append(f"and {len(missing) - SHOWN} files more are not there")

    def _file(self, cell: Any) -> Path | None:
        named = _plain(cell)
        return None if named is None else self._folder / str(named)

    def _outcomes(self, number: int, row: Mapping[Any, Any]) -> dict[str, float]:
        found: dict[str, float] = {}
        for column, cell in row.items():
            if column not in OUTCOMES and column not in ACCURACIES:
                continue
            value = _plain(cell)
            if value is None:
                continue
            if not isinstance(value, int | float) or not math.isfinite(value):
                self._problems.append(f"line {number}: column '{column}' holds {value!r}, which is no number")
                continue
            is_share = column in ACCURACIES or column.endswith("_error")
            if is_share and not 0 <= value <= 1:
                self._problems.append(
                    f"line {number}: column '{column}' holds {value:g}; shares are from 0 to 1"
                )
            found[ACCURACIES.get(column, column)] = 1 - value if column in ACCURACIES else value
        for gap, (high, low) in GAPS.items():
            if gap in found and low in found:
                found.setdefault(high, found[low] + found[gap])
        return found

    def _check_repeats(self, networks: Sequence[Network]) -> None:
        files: dict[Path, int] = {}
        settings: dict[str, int] = {}
        for number, each in enumerate(networks, start=FIRST_ROW):
            point = json.dumps([each.axes, each.seed], sort_keys=True, default=str)
            if each.file in files:
                self._problems.append(f"lines {files[each.file]} and {number}: the same file '{each.file}'")
            elif point in settings:
                how = "; a column 'seed' tells repeats apart" if SEED not in self._table.columns else ""
                self._problems.append(
                    f"lines {settings[point]} and {number}: the same settings and seed{how}"
                )
            files.setdefault(each.file, number)
            settings.setdefault(point, number)


def _as_setting(column: str) -> str:
    """A column as a setting is spelled: ``Learning rate`` is ``learning_rate``."""
    part, point, rest = column.partition(".")
    prefix, name = (f"{part}.", rest) if point and part in PARTS else ("", column)
    name = re.sub(r"\W+", "_", name.strip().lower() if not name.isidentifier() else name).strip("_")
    return prefix + (f"{name}_" if keyword.iskeyword(name) or not name.isidentifier() else name)


def _plain(cell: Any) -> Any:
    """A cell as plain data; None where it is empty."""
    value = cell.item() if hasattr(cell, "item") else cell
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value or None if isinstance(value, str) else value
