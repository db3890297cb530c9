"""scikit-learn's tabular data sets as tasks: rows of numbers that need no download."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Gt, Lt

import genbench

__all__ = ["breast_cancer", "diabetes", "genbench_suites", "iris", "wine"]

Share = Annotated[float, Gt(0), Lt(1)]


def genbench_suites() -> list[Path]:
    """The suite over the three data sets with classes."""
    return [Path(__file__).parent / "tabular.toml"]


def _read(load: Callable[[], Any], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets, without the rows that repeat an earlier one, in the order of the file."""
    found = load()
    table = np.column_stack([found.data, found.target]).astype(np.float64)
    _, first = np.unique(table, axis=0, return_index=True)
    table = table[np.sort(first)]
    targets = table[:, -1].astype(np.int64 if kind == "classification" else np.float32)
    return table[:, :-1].astype(np.float32), targets


def _is_test(targets: np.ndarray, kind: str, test_fraction: float) -> np.ndarray:
    """Which rows are test data: of each class the last ones of a fixed order."""
    classes = targets if kind == "classification" else np.zeros(len(targets), dtype=int)
    chosen = np.zeros(len(targets), dtype=bool)
    order = np.random.default_rng(0).permutation(len(targets))
    for each in np.unique(classes):
        rows = order[classes[order] == each]
        chosen[rows[len(rows) - round(test_fraction * len(rows)) :]] = True
    return chosen


def _data(load: Callable[[], Any], task: genbench.Task, checksum: str, test_fraction: float) -> genbench.Data:
    inputs, targets = _read(load, task.kind)
    found = hashlib.sha256(inputs.tobytes() + targets.tobytes()).hexdigest()
    if found != checksum:
        raise genbench.InvalidInput(f"scikit-learn's {load.__name__} has other numbers than it had: {found}")
    if task.kind == "regression":
        targets = targets[:, None] / np.float32(100)  # of the size of the network's outputs at first
    test = _is_test(targets.reshape(len(targets)), task.kind, test_fraction)
    train_split, test_split = (
        genbench.Split(torch.from_numpy(inputs[rows]), torch.from_numpy(targets[rows]))
        for rows in (~test, test)
    )
    if not len(train_split.targets) or not len(test_split.targets):
        raise genbench.InvalidInput(f"test_fraction = {test_fraction} leaves one of the splits without a row")
    return genbench.Data(train_split, test_split, task, checksum)


def _train_rows(sizes: tuple[int, ...], test_fraction: float) -> int:
    """Rows of the training split, from the sizes of the classes."""
    return sum(size - round(test_fraction * size) for size in sizes)


_IRIS = genbench.Task("classification", (4,), 3)
_WINE = genbench.Task("classification", (13,), 3)
_BREAST_CANCER = genbench.Task("classification", (30,), 2)
_DIABETES = genbench.Task("regression", (10,), 1)

_CHECKSUMS = {
    "iris": "c40c82f6b93a713e5366056ae8c03a8b5744f233e593e680aa68a6fc262913cb",
    "wine": "300d849b9eb766c3058bcebb4f806f42766e213cbcd8402c411d3d592747e011",
    "breast_cancer": "f86286b06e0eb4fbbb699d6ba5df7f1432e65642369ae111d0e47b47d02338bc",
    "diabetes": "70a45af6bc04fb77f713e6aca86019c4707501ef0cbd17c743d74f7a9ca8bf11",
}


@genbench.dataset(
    task=_IRIS, checksum=_CHECKSUMS["iris"], examples=partial(_train_rows, (50, 50, 49)), source="Fisher 1936"
)
def iris(root: Path | None, *, test_fraction: Share = 0.5) -> genbench.Data:
    """Fisher's irises: 149 flowers of 3 species, 4 lengths and widths in cm.

    Parameters
    ----------
    root : Path or None
        Not used, the table comes with scikit-learn.
    test_fraction : float
        Share of each class that is test data.
    """
    from sklearn.datasets import load_iris

    return _data(load_iris, _IRIS, _CHECKSUMS["iris"], test_fraction)


@genbench.dataset(
    task=_WINE,
    checksum=_CHECKSUMS["wine"],
    examples=partial(_train_rows, (59, 71, 48)),
    source="Aeberhard & Forina 1992, UCI wine recognition data",
)
def wine(root: Path | None, *, test_fraction: Share = 0.5) -> genbench.Data:
    """Italian wines: 178 of 3 cultivars, 13 chemical analyses.

    Parameters
    ----------
    root : Path or None
        Not used, the table comes with scikit-learn.
    test_fraction : float
        Share of each class that is test data.
    """
    from sklearn.datasets import load_wine

    return _data(load_wine, _WINE, _CHECKSUMS["wine"], test_fraction)


@genbench.dataset(
    task=_BREAST_CANCER,
    checksum=_CHECKSUMS["breast_cancer"],
    examples=partial(_train_rows, (212, 357)),
    source="Street, Wolberg & Mangasarian 1993, UCI breast cancer Wisconsin (diagnostic)",
)
def breast_cancer(root: Path | None, *, test_fraction: Share = 0.5) -> genbench.Data:
    """Breast tumours, malignant or benign: 569 of them, 30 shapes and sizes of cell nuclei.

    Parameters
    ----------
    root : Path or None
        Not used, the table comes with scikit-learn.
    test_fraction : float
        Share of each class that is test data.
    """
    from sklearn.datasets import load_breast_cancer

    return _data(load_breast_cancer, _BREAST_CANCER, _CHECKSUMS["breast_cancer"], test_fraction)


def _load_diabetes() -> Any:
    from sklearn.datasets import load_diabetes

    return load_diabetes(scaled=False)


@genbench.dataset(
    task=_DIABETES,
    checksum=_CHECKSUMS["diabetes"],
    examples=partial(_train_rows, (442,)),
    source="Efron et al. 2004",
)
def diabetes(root: Path | None, *, test_fraction: Share = 0.5) -> genbench.Data:
    """Progress of diabetes after a year, from 10 measurements of 442 patients, in units of 100 of its index.

    Parameters
    ----------
    root : Path or None
        Not used, the table comes with scikit-learn.
    test_fraction : float
        Share of the patients that are test data.
    """
    return _data(_load_diabetes, _DIABETES, _CHECKSUMS["diabetes"], test_fraction)
